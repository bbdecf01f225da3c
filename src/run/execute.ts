/** Executes one experiment in the world that it names. */
import type { LoadedData } from "../data/load.ts";
import { hasPlaces } from "../data/spec.ts";
import type { RunFiles } from "../world/bus/run-files.ts";
import type { NodeInfo } from "../world/contract.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { LiveRun, planned } from "./live.ts";
import { clusterStage } from "./live-cluster.ts";
import type { SharedGround } from "./live-host.ts";
import { executeAtSites } from "./live-own.ts";
import { localStage, type Stage } from "./live-stage.ts";
import { type Ground, loadGround } from "./plan.ts";
import { arithmeticKey, newRecording, type Recording } from "./recording.ts";
import { readRunFiles, withFiles } from "./run-files.ts";
import { SimulatedRun } from "./simulated.ts";
import { liveWorld, type RunSpec, streamOf } from "./spec.ts";
import { LiveStreamRun, plannedStreams } from "./stream-live.ts";
import { loadStreamGround } from "./stream-plan.ts";
import { SimulatedStreamRun } from "./stream-run.ts";

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
  given: RunHost,
  shared: Shared = newShared(),
  title = spec.name,
): Promise<RunOutcome> {
  const world = liveWorld(spec);
  const files =
    world?.kind === "cluster"
      ? await readRunFiles(spec, given, (text) => given.warn?.(text))
      : NO_FILES;
  const host = withFiles(given, files.contents);
  if (streamOf(spec)) return executeStreams(spec, host, files, shared.data);
  if (world?.kind === "cluster" && hasPlaces(spec.data))
    return executeAtSites(spec, world, files, host);
  const ground = await loadGround(spec, host, shared.data);
  if (world) {
    const run = planned(spec, ground);
    const stage = await stageOf(spec, world, { ground, files }, run.plan.programs.keys(), host);
    return new LiveRun(run, host, stage).execute();
  }
  return simulate(spec, host, ground, shared, title);
}

const NO_FILES: RunFiles = { list: [], contents: new Map() };

async function stageOf(
  spec: RunSpec,
  world: NonNullable<ReturnType<typeof liveWorld>>,
  { ground, files }: { readonly ground: SharedGround; readonly files: RunFiles },
  nodes: Iterable<NodeInfo>,
  host: RunHost,
): Promise<Stage> {
  return world.kind === "local"
    ? localStage(spec, world, ground, nodes, host)
    : await clusterStage(spec, world, nodes, files, host);
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

/** A run on streams. */
async function executeStreams(
  spec: RunSpec,
  host: RunHost,
  files: RunFiles,
  loaded: Map<string, LoadedData>,
): Promise<RunOutcome> {
  const ground = await loadStreamGround(spec, host, loaded);
  const world = liveWorld(spec);
  if (!world) return new SimulatedStreamRun(spec, host, ground).execute();
  const run = plannedStreams(spec, ground);
  const stage = await stageOf(spec, world, { ground, files }, run.plan.programs.keys(), host);
  return new LiveStreamRun(run, host, stage).execute();
}
