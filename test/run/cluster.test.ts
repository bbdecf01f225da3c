/**
 * The same run in virtual time and on a cluster: agents that a NATS server joins, with hosts that are processes and
 * meet over TCP (needs `npm run build` before).
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { execute, small } from "../sync/real.ts";
import { type Agents, access, agents } from "./agents.ts";
import { bits, judged, traffic } from "./equal-bits.ts";

const momentum = { kind: "momentum", learningRate: 0.05, momentum: 0.8 };
const sites = { count: 2, workers: 2, bandwidthMbps: 200, rttMs: 4 };
const quick = (more: Record<string, unknown> = {}) =>
  small({ sites, stop: { maxClocks: 8 }, evaluate: { every: 4 }, ...more });

let there: Agents;
beforeAll(async () => {
  there = await agents();
  await there.start("site-0");
  await there.start("site-1");
});
afterAll(() => there.stop());
const cluster = () => ({
  kind: "cluster",
  nats: [there.server.url],
});

describe("equal bits in the simulated world and in the cluster", () => {
  test.each([
    ["a stretched server", { between: { kind: "stretched" }, optimizer: momentum }],
    ["Gaia in lockstep", { between: { kind: "gaia", staleness: 0 }, optimizer: momentum }],
  ])("%s", async (_, more) => {
    const virtual = await execute(quick(more));
    const real = await execute(quick({ ...more, world: cluster() }), { cluster: access });
    expect(bits(real)).toEqual(bits(virtual));
    expect(judged(real)).toEqual(judged(virtual));
    expect(real.outcome.reason).toBe("maxClocks");
    expect(traffic(real)).toEqual(traffic(virtual));
  });
});
