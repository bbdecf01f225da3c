/** The two ends of a run: what its log begins with, and what is left of it. */
import type { NoteEvent, RunEvent } from "../core/events.ts";
import { createPlainKernels } from "../core/kernels/plain.ts";
import type { Micros } from "../core/units.ts";
import { graphOf } from "../model/create.ts";
import type { SitePlan } from "../sync/contract.ts";
import { seconds } from "./format.ts";
import type { RunOutcome } from "./host.ts";
import type { Snapshot } from "./observer.ts";
import { type Ground, judgedCopies, type RunPlan } from "./plan.ts";
import type { RunSpec } from "./spec.ts";

const countedSince = (since: Micros): string =>
  `another coordinator led this run for its first ${seconds(since / 1e6)}: bytes, costs and where the time went are counted from there on, clocks and times are the run's`;

/**
 * At time 0; `more` are notes for the user.
 * @param since until when another coordinator led the run.
 */
export function opening(
  spec: RunSpec,
  { grid, data }: Ground,
  { learner, deployment }: RunPlan,
  more: readonly string[],
  since?: Micros,
): RunEvent[] {
  const note = (text: string): NoteEvent => ({ type: "note", t: 0, text });
  const path = "path" in spec.data ? String(spec.data.path) : spec.data.kind;
  const { train, test, places } = data;
  const rows = places ? places.sizes.reduce((sum, size) => sum + size.rows, 0) : train.rows;
  const source = data.origin === "generated" ? "generated digits" : path;
  return [
    {
      type: "run",
      t: 0,
      name: spec.name,
      spec,
      sites: grid.topology.sites.map(({ id, name, latitude, longitude }) => ({
        id,
        name,
        latitude,
        longitude,
      })),
      parameters: learner.layout.length,
      workers: deployment.domains.reduce((sum, domain) => sum + domain.workers.length, 0),
      ...(since === undefined ? {} : { since }),
    },
    note(`data: ${source}, ${rows} training rows, ${test.rows} test rows`),
    ...(data.note ? [note(data.note)] : []),
    ...more.map(note),
    ...(since === undefined ? [] : [note(countedSince(since))]),
  ];
}

/** @param snapshots the copies as they were at the end; none where nothing was computed. */
export function outcomeOf(
  spec: RunSpec,
  { model }: Ground,
  { learner, deployment }: RunPlan,
  reason: RunOutcome["reason"],
  snapshots: readonly Pick<Snapshot, "copy" | "parameters">[],
): RunOutcome {
  const base = { spec, reason, layout: learner.layout, graph: graphOf(model) };
  const [first] = snapshots;
  if (!first) return { ...base, models: [], global: undefined };
  if (snapshots.length === 1) {
    const others = judgedCopies(deployment).length - 1;
    const left = others === 0 ? "the one copy" : `the copy of ${first.copy}, the only one left`;
    const origin = spec.between.kind === "federated" ? "the coordinator's model" : left;
    return { ...base, models: [], global: { parameters: first.parameters, origin } };
  }
  const models = snapshots.map(({ copy, parameters }) => ({
    site: copy as SitePlan["id"],
    parameters,
  }));
  if (spec.between.kind !== "gaia") return { ...base, models, global: undefined };
  const average = new Float32Array(first.parameters.length);
  const kernels = createPlainKernels();
  for (const { parameters } of models) kernels.axpy(average, 1 / models.length, parameters);
  return {
    ...base,
    models,
    global: { parameters: average, origin: "the mean of the sites' copies" },
  };
}
