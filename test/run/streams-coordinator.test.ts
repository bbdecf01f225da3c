/** Runs on streams whose coordinator is replaced by name (needs `npm run build` before). */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { measureStreams } from "../../src/run/stream-measures.ts";
import { foldEvents } from "../../src/run/view.ts";
import { type Executed, execute } from "../sync/real.ts";
import { type Agents, agents } from "./agents.ts";
import { resumed } from "./coordinators.ts";
import { childrenOf } from "./processes.ts";
import { batchErrors, onStreams } from "./stream-runs.ts";

let there: Agents;
beforeAll(async () => {
  there = await agents();
  for (const site of ["site-0", "site-1"]) await there.start(site);
});
afterEach(() => expect(childrenOf(process.pid)).toEqual([]));
afterAll(() => there.stop());
const world = () => ({ kind: "cluster", nats: [there.server.url], leaseSeconds: 1.5 });

const notes = ({ events }: Executed): string =>
  events.flatMap((event) => (event.type === "note" ? [event.text] : [])).join("\n");

test("another coordinator ends it with the same models, and logs all batches, also those that the first had been told", async () => {
  const stream = {
    batches: 100,
    workload: { kind: "introduction", at: 50, targets: 1, donors: 1 },
  };
  const mixture = { kind: "classes", count: 4 };
  const spec = (more = {}) => onStreams(more, { ...stream, mixture });
  const real = await resumed(spec({ world: world() }), there);
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
  const spec = onStreams({ between: { kind: "cartel" }, world: world() }, { batches: 20_000 });
  const real = await resumed(spec, there, {
    leaderless: () => process.kill(Math.min(...childrenOf(process.pid)), "SIGKILL"),
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
