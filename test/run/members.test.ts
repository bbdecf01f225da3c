/** Workers and sites that leave and join in the middle of real runs. */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { parse } from "yaml";
import type { RunEvent } from "../../src/core/events.ts";
import { RunSpec } from "../../src/run/spec.ts";
import { evaluations, execute, ratings, small } from "../sync/real.ts";

const gaia = (more: Record<string, unknown> = {}) =>
  small({ between: { kind: "gaia" }, stop: { maxClocks: 60 }, ...more });

test("a site leaves, comes back and is judged again; the run reaches its end, the same each time", async () => {
  const spec = gaia({
    faults: [
      { kind: "leave", target: "site-1", at: 1 },
      { kind: "join", target: "site-1", at: 2 },
    ],
    sites: { count: 3, workers: 2, bandwidthMbps: 20, rttMs: 80, processor: { msPerBatch: 80 } },
  });
  const run = await execute(spec);
  const again = await execute(spec);
  expect(again.events).toEqual(run.events);
  const judged = evaluations(run).map(({ sites }) => Object.keys(sites ?? {}).length);
  expect(judged[0]).toBe(3);
  expect(judged).toContain(2);
  expect(judged.at(-1)).toBe(3);
  const notes = run.events.flatMap((event) => (event.type === "note" ? [event.text] : []));
  expect(notes.some((text) => text.startsWith("site-1 has left"))).toBe(true);
  expect(run.events.at(-1)).toMatchObject({ type: "end", reason: "maxClocks" });
  // A late comer drags nobody down.
  const accuracy = evaluations(run).at(-1)?.metrics.accuracy ?? 0;
  expect(accuracy).toBeGreaterThan((evaluations(run)[0]?.metrics.accuracy ?? 1) - 0.05);
});

test("without the only copy's owner the run ends with a last judgement and its name", async () => {
  const spec = small({ faults: [{ kind: "leave", target: "site-1", at: 0.5 }] });
  const events: RunEvent[] = [];
  const failed = execute(spec, { onEvent: (event) => events.push(event) });
  await expect(failed).rejects.toThrow("site-1/server-0 has left, and the run cannot go on");
  const told = events.filter(({ type }) => type !== "link");
  expect(told.slice(-2)).toMatchObject([
    { type: "evaluation", final: true },
    { type: "end", reason: "failed" },
  ]);
});

test("private factors leave with their worker, and the others go on", async () => {
  const spec = (faults: readonly object[]) =>
    ratings({ sites: { count: 2, workers: 3 }, stop: { maxClocks: 60 }, faults });
  const crash = (node: string) => ({ kind: "crash", node, at: 0.05, detectAfter: 0.1 });
  const whole = await execute(spec([]));
  const run = await execute(spec([crash("site-0/worker-0"), crash("site-0/worker-2")]));
  expect(run.events.at(-1)).toMatchObject({ type: "end", reason: "maxClocks" });
  const examples = (of: typeof run): number => evaluations(of).at(-1)?.metrics.examples ?? 0;
  expect(examples(run)).toBeLessThan(examples(whole));
  expect(examples(run)).toBeGreaterThan(0);
});

test("the example of leaves and joins: four sites at the end, all of them judged", async () => {
  const text = await readFile("examples/leave-and-join.yaml", "utf8");
  const run = await execute(RunSpec.parse(parse(text)));
  expect(run.events.at(-1)).toMatchObject({ type: "end", reason: "maxClocks" });
  const judged = evaluations(run).map(({ sites }) => Object.keys(sites ?? {}).length);
  expect(Math.min(...judged)).toBe(2);
  expect(judged.at(-1)).toBe(4);
});
