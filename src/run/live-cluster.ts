/** A run on a cluster's agents, coordinated from here: from its start, or after another coordinator has gone. */
import { InputError, PangaeaError } from "../core/errors.ts";
import type { Facts } from "../data/own/contract.ts";
import type { Programs } from "../sync/programs.ts";
import type { RunFiles } from "../world/bus/run-files.ts";
import { type ClusterAccess, DEFAULT_NATS } from "../world/cluster/access.ts";
import {
  type LeadOptions,
  type Led,
  leadRun,
  type Place,
  type Taken,
  takeRun,
} from "../world/cluster/coordinator.ts";
import type { PlaceSpec } from "../world/cluster/place-spec.ts";
import { agentsOf, placerOf } from "../world/cluster/placing.ts";
import { startNats } from "../world/cluster/private-nats.ts";
import type { NodeInfo } from "../world/contract.ts";
import { BriefedFleet } from "../world/live/briefing.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { LiveRun, planned } from "./live.ts";
import { type Stage, stepsNote } from "./live-stage.ts";
import { judgesGround } from "./own-ground.ts";
import { loadGround } from "./plan.ts";
import { takeRunFiles, withFiles } from "./run-files.ts";
import { type ClusterWorldSpec, liveWorld, RunSpec, streamOf } from "./spec.ts";
import { LiveStreamRun, plannedStreams } from "./stream-live.ts";
import { loadStreamGround } from "./stream-plan.ts";

/** Waits until the agents that the run needs are reserved for it. */
export async function clusterStage(
  spec: RunSpec,
  world: ClusterWorldSpec,
  nodes: Iterable<NodeInfo>,
  files: RunFiles,
  host: RunHost,
): Promise<Stage> {
  const { domain, waitSeconds, place } = world;
  // Processes of this machine need no server that is there already.
  const own = place?.kind === "processes" && !world.nats ? await startNats() : undefined;
  const nats = own ? [own.url] : (world.nats ?? DEFAULT_NATS);
  const given = accessOf(host, own !== undefined);
  const wanted = wantedOf(world, nodes);
  try {
    const led = await leadRun({
      ...placeOf(host, nats, domain, given),
      ...{ title: spec.name, spec, wanted, files },
      ...{ waitMicros: waitSeconds * 1e6, leaseMicros: world.leaseSeconds * 1e6 },
      place: place && starter(place, wanted.nodes, { nats, domain, access: given }, host),
    });
    const stage = stageOf(spec, world, led);
    return { ...stage, close: () => stage.close().finally(() => own?.close()) };
  } catch (error) {
    await own?.close();
    throw error;
  }
}

/** What the run's agents must be. A placer starts one a site, with what it was told to give it. */
function wantedOf({ labels, agents, place }: ClusterWorldSpec, nodes: Iterable<NodeInfo>) {
  const { perSite: least, ...capacity } = agents;
  return { nodes: [...nodes], labels, ...(place ? {} : { least, capacity }) };
}

/** Starts an agent for each site. */
function starter(
  place: PlaceSpec,
  nodes: readonly NodeInfo[],
  reach: Pick<Place, "nats" | "domain" | "access">,
  host: RunHost,
): NonNullable<LeadOptions["place"]> {
  const placer = placerOf(place, (text) => host.warn?.(text), host.onForced);
  const [data] = host.roots;
  return async (run, scope) => {
    const wanted = agentsOf(run, nodes, place, { ...reach, data });
    const { placements, cancel } = await placer.place(wanted, scope);
    let back = false;
    const failed = new Promise<Error>((resolve) => {
      for (const { name, where, ended } of placements)
        ended.then(
          ({ how, lastLines }) => {
            if (back || scope.cancelled || how === ENDED_WELL) return;
            const message = `the agent ${name} (${where}) ended: ${how}`;
            const said = lastLines.map((line) => `\n  ${line}`).join("");
            const fix = "see its last lines";
            resolve(new PangaeaError("PLACEMENT_FAILED", message + said, { fix }));
          },
          () => {},
        );
    });
    const takeBack = (): Promise<void> => {
      back = true;
      return cancel();
    };
    return { failed, takeBack };
  };
}

const ENDED_WELL = "exit code 0";

function placeOf(
  host: RunHost,
  nats: readonly string[],
  domain: string | undefined,
  access = accessOf(host),
): Place {
  const { signal } = host;
  return { nats, domain, access, signal, tell: (text) => host.warn?.(text) };
}

/** @param alone the bus is a run's own, on loopback. */
function accessOf({ cluster }: RunHost, alone = false): ClusterAccess {
  if (cluster && alone) return { version: cluster.version, insecure: true, flags: ["--insecure"] };
  if (cluster) return cluster;
  const message = "the cluster world needs keys, or to be told to do without";
  throw new InputError([{ code: "BUS_INSECURE", message, fix: "--keys FOLDER, or --insecure" }]);
}

function stageOf(spec: RunSpec, { pace, links }: ClusterWorldSpec, led: Led): Stage {
  const { run, crew, fleet, records, lost } = led;
  const steps = stepsNote(spec, pace);
  return {
    names: crew.agents.map(({ id }) => id),
    ...{ hostOf: crew.hostOf, fleet, lost, files: records.record.files },
    links: { pace, shaped: links === "shaped" },
    shared: undefined,
    record: (what) => {
      // A failure to write shows as the loss of the lease, or with the next one.
      records.change({ ...what, ...(what.goAt && { phase: "running" }) }).catch(() => {});
    },
    note: `cluster world, run ${run}: times are real; ${crew.agents.length} agents, ${steps}, links are ${links}`,
    close: () => led.close(),
  };
}

/** Where a run is to be found whose coordinator has gone. */
export interface Abandoned {
  readonly run: string;
  readonly nats: readonly string[];
  readonly domain: string | undefined;
}

/** Waits until nobody leads the run, and takes its lease. @throws InputError UNKNOWN_RUN */
export async function takeAbandoned(
  { run, nats, domain }: Abandoned,
  host: RunHost,
): Promise<{ readonly spec: RunSpec; readonly taken: Taken }> {
  const taken = await takeRun(run, placeOf(host, nats, domain));
  if (taken && taken.record.phase === "running")
    return { spec: RunSpec.parse(taken.record.spec), taken };
  await taken?.close();
  const message = taken
    ? `run ${run} had not begun`
    : `run ${run} is over, or was never begun here`;
  throw new InputError([
    {
      code: "UNKNOWN_RUN",
      message,
      fix: "the name of a run stands in its log (`cluster world, run NAME`); one that is over is started anew: pangaea run FILE",
    },
  ]);
}

/** Leads the run from here on, and finishes it: of its experiment's files it needs the data alone. */
export async function resumeRun(spec: RunSpec, taken: Taken, given: RunHost): Promise<RunOutcome> {
  const files = await takeRunFiles(taken.record.files ?? [], taken.buckets, given);
  const host = withFiles(given, files.contents);
  if (!streamOf(spec)) return resumeTraining(spec, taken, files, host);
  const run = plannedStreams(spec, await loadStreamGround(spec, host, new Map()));
  const stage = await takenStage(spec, taken, files, run.plan);
  return new LiveStreamRun(run, host, stage).execute();
}

async function resumeTraining(
  spec: RunSpec,
  taken: Taken,
  files: RunFiles,
  host: RunHost,
): Promise<RunOutcome> {
  const facts = taken.record.facts as Facts | undefined;
  const ground = facts
    ? await judgesGround(spec, facts, host)
    : await loadGround(spec, host, new Map());
  const run = planned(spec, ground);
  const stage = await takenStage(spec, taken, files, run.plan);
  const fleet = facts ? new BriefedFleet(stage.fleet, facts) : stage.fleet;
  return new LiveRun(run, host, { ...stage, fleet }).execute();
}

/** Of a run that goes on already. */
async function takenStage(
  spec: RunSpec,
  taken: Taken,
  files: RunFiles,
  { programs }: Programs,
): Promise<Stage> {
  const world = liveWorld(spec);
  if (world?.kind !== "cluster") throw new Error("only runs of a cluster have coordinators");
  const { goAt, members } = taken.record;
  const led = await taken.lead(wantedOf(world, programs.keys()), files);
  const stage = stageOf(spec, world, led);
  const note = `${stage.note}; led from here since its coordinator has gone`;
  return { ...stage, note, begun: { goAt, members } };
}
