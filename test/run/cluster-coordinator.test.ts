/** A coordinator that is replaced by name (needs `npm run build` before). */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import type { RunHost } from "../../src/run/host.ts";
import { resumeRun, takeAbandoned } from "../../src/run/live-cluster.ts";
import { execute, small } from "../sync/real.ts";
import { type Agents, access, agents } from "./agents.ts";
import { killedCoordinator } from "./coordinators.ts";
import { bits } from "./equal-bits.ts";
import { childrenOf } from "./processes.ts";

const momentum = { kind: "momentum", learningRate: 0.05, momentum: 0.8 };
const sites = { count: 2, workers: 1, bandwidthMbps: 200, rttMs: 4 };
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
  leaseSeconds: 1.5,
});

test("a coordinator that is killed is replaced, and the run ends as if nothing had happened", async () => {
  const more = { optimizer: momentum, stop: { maxClocks: 400 }, evaluate: { every: 20 } };
  const run = await killedCoordinator(quick({ ...more, world: cluster() }), access);
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
