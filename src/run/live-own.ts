/**
 * A run on a cluster's agents of which each has the records of its own site. The hosts are started before the run is
 * planned: they tell what their records are like, and hear what all are like.
 */
import type { Survey } from "../data/own/contract.ts";
import type { RunFiles } from "../world/bus/run-files.ts";
import { BriefedFleet } from "../world/live/briefing.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { LiveRun, type Planned, planned } from "./live.ts";
import { clusterStage } from "./live-cluster.ts";
import type { LiveTask } from "./live-host.ts";
import type { Stage } from "./live-stage.ts";
import { nodesOf, surveyedGround } from "./own-ground.ts";
import type { Grid } from "./presets/grid.ts";
import { loadGrid } from "./presets/load.ts";
import type { ClusterWorldSpec, RunSpec } from "./spec.ts";

/** Hosts read their records in this time. */
const READ_MICROS = 600_000_000;

export async function executeAtSites(
  spec: RunSpec,
  world: ClusterWorldSpec,
  files: RunFiles,
  host: RunHost,
): Promise<RunOutcome> {
  const grid = await loadGrid(spec.sites, host);
  const stage = await clusterStage(spec, world, nodesOf(spec, grid), files, host);
  const fleet = new BriefedFleet(stage.fleet);
  const run = await briefed(spec, { ...stage, fleet }, grid, host).catch(async (error: unknown) => {
    await fleet.close();
    await stage.close();
    throw error;
  });
  const note = `${stage.note}; records stay at their sites, which told how many they are, and what the encoding of all needs`;
  return new LiveRun(run, host, { ...stage, fleet, note }).execute();
}

/** Hears the hosts, plans the run, and tells them. */
async function briefed(
  spec: RunSpec,
  { names, links, hostOf, files, lost, record, fleet }: Stage & { readonly fleet: BriefedFleet },
  grid: Grid,
  host: RunHost,
): Promise<Planned> {
  const task: LiveTask = { spec, links, hostOf, files };
  const options = { waitMicros: READ_MICROS, signal: host.signal, lost };
  const reports = (await fleet.reports(names, task, options)) as (Survey | undefined)[];
  const { facts, ground } = await surveyedGround(spec, grid, reports, host);
  const run = planned(spec, ground);
  record?.({ facts });
  fleet.brief(facts);
  return run;
}
