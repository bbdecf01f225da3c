/**
 * The same run in virtual time and on a cluster: agents that a NATS server joins, with hosts that are processes and
 * meet over TCP (needs `npm run build` before).
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { execute } from "../sync/real.ts";
import { type Agents, access, agents } from "./agents.ts";
import { clusterOf, quick } from "./cluster-runs.ts";
import { bits, judged, traffic } from "./equal-bits.ts";

const momentum = { kind: "momentum", learningRate: 0.05, momentum: 0.8 };
let there: Agents;
beforeAll(async () => {
  there = await agents();
  await there.start("site-0");
  await there.start("site-1");
});
afterAll(() => there.stop());

describe("equal bits in the simulated world and in the cluster", () => {
  test.each([
    ["a stretched server", { between: { kind: "stretched" }, optimizer: momentum }],
    ["Gaia in lockstep", { between: { kind: "gaia", staleness: 0 }, optimizer: momentum }],
  ])("%s", async (_, more) => {
    const virtual = await execute(quick(2, more));
    const real = await execute(quick(2, { ...more, world: clusterOf(there) }), { cluster: access });
    expect(bits(real)).toEqual(bits(virtual));
    expect(judged(real)).toEqual(judged(virtual));
    expect(real.outcome.reason).toBe("maxClocks");
    expect(traffic(real)).toEqual(traffic(virtual));
  });
});
