/**
 * The same run in virtual time, in threads and in processes. Bulk-synchronous training (and Gaia in lockstep) does
 * not depend on time: the same seed gives the same bits wherever it runs (needs `npm run build` before).
 */
import { describe, expect, test } from "vitest";
import { execute, small } from "../sync/real.ts";
import { bits, judged, traffic } from "./equal-bits.ts";

const sites = { count: 2, workers: 2, bandwidthMbps: 200, rttMs: 4 };
const quick = (more: Record<string, unknown> = {}) =>
  small({ sites, stop: { maxClocks: 8 }, evaluate: { every: 4 }, ...more });
const threads = { kind: "local" };
const processes = { kind: "local", hosts: "processes" };
const momentum = { kind: "momentum", learningRate: 0.05, momentum: 0.8 };

describe("equal bits in the simulated world, in threads and in processes", () => {
  test.each([
    ["one server on a local network", { sites: { ...sites, network: "lan" } }],
    ["a stretched server", { between: { kind: "stretched" }, optimizer: momentum }],
    ["Gaia in lockstep", { between: { kind: "gaia", staleness: 0 }, optimizer: momentum }],
    [
      "Gaia in lockstep with everything significant",
      { between: { kind: "gaia", staleness: 0, significance: 0 } },
    ],
  ])("%s", async (_, more) => {
    const [virtual, ...real] = [
      await execute(quick(more)),
      await execute(quick({ ...more, world: threads })),
      await execute(quick({ ...more, world: processes })),
    ];
    for (const run of real) {
      expect(bits(run)).toEqual(bits(virtual));
      expect(judged(run)).toEqual(judged(virtual));
      expect(run.outcome.reason).toBe("maxClocks");
      expect(traffic(run)).toEqual(traffic(virtual));
    }
  });
});
