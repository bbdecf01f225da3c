/** A run on streams that standbys lead on (needs `npm run build` before). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { modelFiles } from "../../src/run/files.ts";
import { foldEvents } from "../../src/run/view.ts";
import { execute } from "../sync/real.ts";
import { ledByThree } from "./standbys.ts";
import { batchErrors, onStreams } from "./stream-runs.ts";

test("the log of the third coordinator has every batch, and the models are those of a run with one", async () => {
  // The stream lasts twelve seconds at least.
  const slow = (more: Record<string, unknown> = {}) => onStreams(more, { batches: 600 });
  const folder = await ledByThree(slow, "stream");
  const { events, outcome } = await execute(slow());
  const lines = readFileSync(join(folder, "events.ndjson"), "utf8").trim().split("\n");
  const logged = { events: lines.map((line) => JSON.parse(line) as RunEvent) };
  expect(logged.events.at(0)).toMatchObject({ type: "run", t: 0 });
  expect(logged.events.at(-1)).toMatchObject({ type: "end", reason: "finished" });
  expect(batchErrors(logged)).toEqual(batchErrors({ events }));
  for (const { path, content } of modelFiles("streams", outcome, foldEvents(events)))
    expect(readFileSync(join(folder, path))).toEqual(Buffer.from(content));
}, 60_000);
