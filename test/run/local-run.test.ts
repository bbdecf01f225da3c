/** Runs in real time on this machine: what their log says, what they stop at (needs `npm run build` before). */
import { expect, test } from "vitest";
import { evaluations, execute, ratings, small } from "../sync/real.ts";

const sites = { count: 2, workers: 2, bandwidthMbps: 200, rttMs: 4 };
const quick = (more: Record<string, unknown> = {}) =>
  small({ sites, stop: { maxClocks: 8 }, evaluate: { every: 4 }, ...more });
const threads = { kind: "local" };

test("has a log in time order that says what its times are", async () => {
  const { events, outcome } = await execute(quick({ world: threads, between: { kind: "none" } }));
  expect(events.every((event, i) => i === 0 || event.t >= events[i - 1]!.t)).toBe(true);
  expect(events[0]?.type).toBe("run");
  expect(events.at(-1)).toMatchObject({ type: "end", reason: "maxClocks" });
  expect(events.some((e) => e.type === "note" && /times are real/.test(e.text))).toBe(true);
  expect(outcome.models.map(({ site }) => site)).toEqual(["site-0", "site-1"]);
});

test("stops at its target", async () => {
  const stop = { accuracy: 0.05, maxClocks: 10_000 };
  const { events, outcome } = await execute(quick({ world: threads, stop }));
  expect(outcome.reason).toBe("target");
  expect(outcome.global?.parameters.length).toBe(7850);
  expect(events.at(-2)).toMatchObject({ type: "evaluation", final: true });
});

test("at the declared pace no step is shorter than it would be there", async () => {
  const processor = { msPerBatch: 20 };
  const { events } = await execute(
    quick({ world: { ...threads, pace: "declared" }, sites: { ...sites, processor } }),
  );
  const clocks = events.flatMap((event) => (event.type === "clock" ? [event.computeMicros] : []));
  expect(clocks).toHaveLength(32);
  expect(Math.min(...clocks)).toBeGreaterThanOrEqual(20_000);
});

test("federated averaging has the coordinator's model in the end", async () => {
  const between = { kind: "federated", localEpochs: 0.2 };
  const { outcome } = await execute(quick({ world: threads, between }));
  expect(outcome.global?.origin).toBe("the coordinator's model");
});

test("parameters that are private to workers are judged with the copy", async () => {
  const run = (world: unknown) =>
    execute(ratings({ sites, stop: { maxClocks: 8 }, evaluate: { every: 4 }, world }));
  const [virtual, real] = [await run("simulated"), await run(threads)];
  expect(evaluations(real).map((event) => ({ ...event, t: 0 }))).toEqual(
    evaluations(virtual).map((event) => ({ ...event, t: 0 })),
  );
});
