/** Hosts of a cluster that cannot dial each other, or die (needs `npm run build` before). */
import { afterEach, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { execute, small } from "../sync/real.ts";
import { type Agents, access, agents } from "./agents.ts";
import { bits } from "./equal-bits.ts";
import { childrenOf } from "./processes.ts";

const sites = { count: 2, workers: 1, bandwidthMbps: 200, rttMs: 4 };
const quick = (more: Record<string, unknown> = {}) =>
  small({ sites, stop: { maxClocks: 8 }, evaluate: { every: 4 }, ...more });

let there: Agents;
afterEach(() => there.stop());
const cluster = () => ({ kind: "cluster", nats: [there.server.url] });

describe("hosts of a cluster", () => {
  test("that cannot dial each other are joined over the bus", async () => {
    // A port at which nobody listens.
    const advertise = { host: "127.0.0.1", port: 1 };
    there = await agents();
    for (const site of ["site-0", "site-1"]) await there.start(site, { advertise });
    const world = cluster();
    const more = { between: { kind: "gaia", staleness: 0 } };
    const warned: string[] = [];
    const real = await execute(quick({ ...more, world }), {
      cluster: access,
      warn: (text) => warned.push(text),
    });
    expect(bits(real)).toEqual(bits(await execute(quick(more))));
    expect(warned.some((text) => /cannot dial each other/.test(text))).toBe(true);
  });

  test("of workers alone need no way to other sites: their servers have it", async () => {
    // Nobody reaches a worker's host, and those of two sites not each other.
    const closed = { host: "127.0.0.1", port: 1 };
    there = await agents();
    for (const site of ["site-0", "site-1"]) {
      await there.start(site, { roles: ["server"] });
      await there.start(site, { roles: ["worker"], advertise: closed });
    }
    const more = { between: { kind: "gaia", staleness: 0 } };
    const warned: string[] = [];
    const real = await execute(quick({ ...more, world: cluster() }), {
      cluster: access,
      warn: (text) => warned.push(text),
    });
    expect(bits(real)).toEqual(bits(await execute(quick(more))));
    expect(warned.filter((text) => /cannot dial/.test(text))).toEqual([]);
  });

  test("of which one dies are left behind, and another agent takes its place", async () => {
    there = await agents();
    for (const site of ["site-0", "site-1"]) await there.start(site);
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
