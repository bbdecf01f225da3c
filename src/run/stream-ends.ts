/** The two ends of a run on streams: what its log begins with, and what is left of it. */
import type { NoteEvent, RunEnded, RunEvent } from "../core/events.ts";
import { createLayout } from "../model/layout.ts";
import type { RunOutcome } from "./host.ts";
import type { RunSpec } from "./spec.ts";
import { streamOf } from "./spec.ts";
import type { SavedModel } from "./stream-models.ts";
import type { StreamGround } from "./stream-plan.ts";

/** At time 0; `more` are notes for the user. */
export function streamOpening(
  spec: RunSpec,
  { grid, data }: StreamGround,
  more: readonly string[] = [],
): RunEvent[] {
  const note = (text: string): NoteEvent => ({ type: "note", t: 0, text });
  const path = "path" in spec.data ? String(spec.data.path) : spec.data.kind;
  const source = data.origin === "generated" ? "generated digits" : path;
  const stream = streamOf(spec);
  const { sites } = grid.topology;
  return [
    {
      type: "run",
      t: 0,
      name: spec.name,
      spec,
      sites: sites.map(({ id, name, latitude, longitude }) => ({ id, name, latitude, longitude })),
      parameters: 0,
      workers: sites.length,
    },
    note(
      `data: ${source}, ${data.train.rows} rows, as streams: ${stream?.workload.kind}, batches of ${stream?.batch}, ${stream?.rate} a second at each site`,
    ),
    ...(data.note ? [note(data.note)] : []),
    ...more.map(note),
  ];
}

export const streamOutcome = (
  spec: RunSpec,
  reason: RunEnded["reason"],
  tailored: readonly SavedModel[],
): RunOutcome => ({
  spec,
  reason: reason as RunOutcome["reason"],
  layout: createLayout([]),
  graph: undefined,
  models: [],
  global: undefined,
  tailored,
});
