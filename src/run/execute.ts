/** Executes one experiment in the world that it names. */
import type { LoadedData } from "../data/load.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { LiveRun, planned } from "./live.ts";
import { localStage } from "./live-stage.ts";
import { type Ground, loadGround } from "./plan.ts";
import { arithmeticKey, newRecording, type Recording } from "./recording.ts";
import { SimulatedRun } from "./simulated.ts";
import { localWorld, type RunSpec } from "./spec.ts";

/** Things that runs of one comparison share. */
export interface Shared {
  /** Loaded data by its specification and seed. */
  readonly data: Map<string, LoadedData>;
  /** Recorded arithmetic, with the name of the run that was recorded. */
  readonly recordings: Map<string, { readonly name: string; readonly recording: Recording }>;
}

export const newShared = (): Shared => ({ data: new Map(), recordings: new Map() });

export async function executeRun(
  spec: RunSpec,
  host: RunHost,
  shared: Shared = newShared(),
  title = spec.name,
): Promise<RunOutcome> {
  const ground = await loadGround(spec, host, shared.data);
  const world = localWorld(spec);
  if (world) {
    const run = planned(spec, ground);
    const stage = localStage(spec, world, ground, run.plan.programs.keys(), host);
    return new LiveRun(run, host, stage).execute();
  }
  return simulate(spec, host, ground, shared, title);
}

async function simulate(
  spec: RunSpec,
  host: RunHost,
  ground: Ground,
  { recordings }: Shared,
  title: string,
): Promise<RunOutcome> {
  const sites = ground.grid.topology.sites.map((site) => site.id);
  const key = arithmeticKey(spec, sites);
  if (key === undefined) return new SimulatedRun(spec, host, ground, {}).execute();
  const replay = recordings.get(key);
  if (replay) return new SimulatedRun(spec, host, ground, { replay }).execute();
  const recording = newRecording();
  const outcome = await new SimulatedRun(spec, host, ground, { recording }).execute();
  if (recording.final && outcome.reason !== "interrupted") {
    recordings.set(key, { name: title, recording });
  }
  return outcome;
}
