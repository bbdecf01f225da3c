/** Coordinators that are replaced by name (needs `npm run build` before). */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import type { RunHost } from "../../src/run/host.ts";
import { resumeRun, takeAbandoned } from "../../src/run/live-cluster.ts";
import type { RunSpec } from "../../src/run/spec.ts";
import { measureStreams } from "../../src/run/stream-measures.ts";
import { foldEvents } from "../../src/run/view.ts";
import { type Executed, execute, small } from "../sync/real.ts";
import { type Agents, access, agents } from "./agents.ts";
import { killedCoordinator } from "./coordinators.ts";
import { bits } from "./equal-bits.ts";
import { childrenOf } from "./processes.ts";
import { batchErrors, onStreams } from "./stream-runs.ts";

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

interface Resumed extends Executed {
  /** Of the run, and for whoever wants to lead it. */
  readonly place: Parameters<typeof takeAbandoned>[0];
  readonly host: RunHost;
}

/** Its coordinator is killed in the middle, and it is led from here to its end. */
async function resumed(
  spec: RunSpec,
  {
    killed,
    onEvent,
  }: { killed?: () => void; onEvent?: (event: RunEvent, end: () => void) => void },
): Promise<Resumed> {
  const run = await killedCoordinator(spec, access);
  killed?.();
  const events: RunEvent[] = [];
  const controller = new AbortController();
  const host: RunHost = {
    ...{ roots: [""], threads: 0, cluster: access, signal: controller.signal },
    exists: async () => false,
    readFile: async () => new Uint8Array(0),
    onEvent: (event) => {
      events.push(event);
      onEvent?.(event, () => controller.abort());
    },
  };
  const place = { run, nats: [there.server.url], domain: undefined };
  const { spec: found, taken } = await takeAbandoned(place, host);
  const outcome = await resumeRun(found, taken, host);
  expect(childrenOf(process.pid)).toEqual([]);
  return { events, outcome, place, host };
}

test("a coordinator that is killed is replaced, and the run ends as if nothing had happened", async () => {
  const more = { optimizer: momentum, stop: { maxClocks: 400 }, evaluate: { every: 20 } };
  const { outcome, events, place, host } = await resumed(quick({ ...more, world: cluster() }), {});
  expect(outcome.reason).toBe("maxClocks");
  expect(bits({ outcome, events })).toEqual(bits(await execute(quick(more))));
  expect(events.at(-1)).toMatchObject({ type: "end", reason: "maxClocks" });
  await expect(takeAbandoned(place, host)).rejects.toMatchObject({ code: "UNKNOWN_RUN" });
}, 60_000);

const notes = ({ events }: Executed): string =>
  events.flatMap((event) => (event.type === "note" ? [event.text] : [])).join("\n");

test("on streams, too: models, and all batches in the log, also those that the first had been told", async () => {
  const stream = {
    batches: 100,
    workload: { kind: "introduction", at: 50, targets: 1, donors: 1 },
  };
  const mixture = { kind: "classes", count: 4 };
  const spec = (more = {}) => onStreams(more, { ...stream, mixture });
  const real = await resumed(spec({ world: cluster() }), {});
  const virtual = await execute(spec());
  expect(real.outcome.reason).toBe("finished");
  expect(real.outcome.tailored).toEqual(virtual.outcome.tailored);
  expect(batchErrors(real)).toEqual(batchErrors(virtual));
  const measures = ({ events }: Executed) => measureStreams(foldEvents(events).streams!);
  expect(measures(real)).toEqual(measures(virtual));
  expect(notes(real)).toContain("led from here since its coordinator has gone");
  expect(notes(real)).not.toContain("this log lacks");
}, 60_000);

test("of a host that ends while nobody leads, the log says from where it is there", async () => {
  let lost = "";
  let back = false;
  const spec = onStreams({ between: { kind: "cartel" }, world: cluster() }, { batches: 20_000 });
  const real = await resumed(spec, {
    killed: () => process.kill(Math.min(...childrenOf(process.pid)), "SIGKILL"),
    onEvent: (event, end) => {
      if (event.type === "fault") lost = event.target.split("/")[0]!;
      back ||= event.type === "fault" && event.fault === "joined";
      if (back && event.type === "stream" && event.site === lost) end();
    },
  });
  expect(real.outcome.reason).toBe("interrupted");
  expect(real.outcome.tailored).toHaveLength(2);
  const faults = real.events.flatMap((event) => (event.type === "fault" ? [event] : []));
  expect(faults.map(({ fault }) => fault)).toEqual(["left", "joined"]);
  // The time of the run, not of who leads it: nobody leads it until its lease has ended.
  expect(faults[0]!.t).toBeGreaterThan(1e6);
  const told = (site: string) => batchErrors(real).flatMap(([id, k]) => (id === site ? [k] : []));
  // What the first had been told is told again, once.
  const other = lost === "site-0" ? "site-1" : "site-0";
  expect(told(other)).toEqual(told(other).map((_, batch) => batch));
  const [first = 0] = told(lost);
  expect(first).toBeGreaterThan(0);
  expect(notes(real)).toContain(`this log lacks ${lost} before batch ${first}:`);
}, 60_000);
