/**
 * The same run in virtual time and on a cluster: agents that a NATS server joins, with hosts that are processes and
 * meet over TCP (needs `npm run build` before).
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { execute, small } from "../sync/real.ts";
import { type Agents, access, agents } from "./agents.ts";
import { bits, judged, traffic } from "./equal-bits.ts";
import { childrenOf } from "./processes.ts";

const sites = { count: 2, workers: 2, bandwidthMbps: 200, rttMs: 4 };
const momentum = { kind: "momentum", learningRate: 0.05, momentum: 0.8 };
const quick = (more: Record<string, unknown> = {}) =>
  small({ sites, stop: { maxClocks: 8 }, evaluate: { every: 4 }, ...more });

let there: Agents;
beforeAll(async () => {
  there = await agents();
  await there.start("site-0");
  await there.start("site-1");
});
afterAll(() => there.stop());
const cluster = (more: Record<string, unknown> = {}) => ({
  kind: "cluster",
  nats: [there.server.url],
  ...more,
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

describe("hosts of a cluster", () => {
  test("that cannot dial each other are joined over the bus", async () => {
    // A port at which nobody listens.
    const advertise = { host: "127.0.0.1", port: 1 };
    const own = await agents();
    try {
      for (const site of ["site-0", "site-1"]) await own.start(site, { advertise });
      const world = { kind: "cluster", nats: [own.server.url] };
      const more = { between: { kind: "gaia", staleness: 0 } };
      const warned: string[] = [];
      const real = await execute(quick({ ...more, world }), {
        cluster: access,
        warn: (text) => warned.push(text),
      });
      expect(bits(real)).toEqual(bits(await execute(quick(more))));
      expect(warned.some((text) => /cannot dial each other/.test(text))).toBe(true);
    } finally {
      await own.stop();
    }
  });

  test("of which one dies are left behind, and another agent takes its place", async () => {
    const between = { kind: "none" };
    const events: RunEvent[] = [];
    const clocked = new Set<string>();
    let [killed, replaced] = [false, false];
    const world = cluster();
    const stop = { maxClocks: 100_000 };
    const controller = new AbortController();
    await execute(quick({ world, between, stop, evaluate: { every: 10 } }), {
      cluster: access,
      signal: controller.signal,
      onEvent: (event) => {
        events.push(event);
        if (event.type === "evaluation" && !killed) {
          killed = true;
          process.kill(Math.max(...childrenOf(process.pid)), "SIGKILL");
        }
        if (replaced && event.type === "clock") clocked.add(event.site);
        if (event.type === "fault" && event.fault === "joined") replaced = true;
        if (clocked.size === 2) controller.abort();
      },
    });
    const faults = events.flatMap((event) => (event.type === "fault" ? [event.fault] : []));
    expect(faults).toEqual(["left", "joined"]);
    expect(childrenOf(process.pid)).toEqual([]);
  }, 60_000);
});
