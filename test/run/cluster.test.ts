/**
 * The same run in virtual time and on a cluster: agents that a NATS server joins, with hosts that are processes and
 * meet over TCP (needs `npm run build` before).
 */
import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import type { RunHost } from "../../src/run/host.ts";
import { resumeRun, takeAbandoned } from "../../src/run/live-cluster.ts";
import type { RunSpec } from "../../src/run/spec.ts";
import { ROOT } from "../house/source.ts";
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

test("a coordinator that is killed is replaced, and the run ends as if nothing had happened", async () => {
  const more = { optimizer: momentum, stop: { maxClocks: 400 }, evaluate: { every: 20 } };
  const run = await killedCoordinator(quick({ ...more, world: cluster() }));
  const events: RunEvent[] = [];
  const host: RunHost = {
    ...{ roots: [""], threads: 0, cluster: access, signal: new AbortController().signal },
    exists: async () => false,
    readFile: async () => new Uint8Array(0),
    onEvent: (event) => events.push(event),
  };
  const place = { run, nats: [there.server.url], domain: undefined };
  const { spec, taken } = await takeAbandoned(place, host);
  const outcome = await resumeRun(spec, taken, host);
  expect(outcome.reason).toBe("maxClocks");
  expect(bits({ outcome, events })).toEqual(bits(await execute(quick(more))));
  expect(events.at(-1)).toMatchObject({ type: "end", reason: "maxClocks" });
  expect(childrenOf(process.pid)).toEqual([]);
  await expect(takeAbandoned(place, host)).rejects.toMatchObject({ code: "UNKNOWN_RUN" });
}, 60_000);

/** Coordinates a run in a process of its own, and kills that when the run has been judged once. @returns its name */
async function killedCoordinator(spec: RunSpec): Promise<string> {
  const program = `
    import { executeRun } from "pangaea";
    await executeRun(${JSON.stringify(spec)}, {
      roots: [], exists: async () => false, readFile: async () => new Uint8Array(0),
      threads: 0, signal: new AbortController().signal, cluster: ${JSON.stringify(access)},
      onEvent: (event) => {
        if (event.type === "note" || event.type === "evaluation") console.log(JSON.stringify(event));
      },
    });`;
  const driver = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    driver.once("exit", () => reject(new Error(said)));
    driver.stdout.on("data", (data: Buffer) => {
      said += data.toString();
      if (said.includes('"evaluation"')) resolve();
    });
  });
  driver.removeAllListeners("exit");
  const gone = new Promise((resolve) => driver.once("exit", resolve));
  driver.kill("SIGKILL");
  await gone;
  return /cluster world, run ([\w-]+)/.exec(said)?.[1] ?? "";
}
