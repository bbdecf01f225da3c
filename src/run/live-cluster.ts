/** A run on a cluster's agents, coordinated from here: from its start, or after another coordinator has gone. */
import { InputError } from "../core/errors.ts";
import type { ClusterAccess } from "../world/cluster/access.ts";
import {
  type Led,
  leadRun,
  type Place,
  type Taken,
  takeRun,
} from "../world/cluster/coordinator.ts";
import type { NodeInfo } from "../world/contract.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { LiveRun, planned } from "./live.ts";
import { type Stage, stepsNote } from "./live-stage.ts";
import { loadGround } from "./plan.ts";
import { type ClusterWorldSpec, liveWorld, RunSpec } from "./spec.ts";

/** Waits until the agents that the run needs are reserved for it. */
export async function clusterStage(
  spec: RunSpec,
  world: ClusterWorldSpec,
  nodes: Iterable<NodeInfo>,
  host: RunHost,
): Promise<Stage> {
  const { nats, domain, labels, waitSeconds } = world;
  const led = await leadRun({
    ...placeOf(host, nats, domain),
    ...{ title: spec.name, spec },
    wanted: { nodes: [...nodes], labels },
    waitMicros: waitSeconds * 1e6,
  });
  return stageOf(spec, world, led);
}

function placeOf(host: RunHost, nats: readonly string[], domain: string | undefined): Place {
  const { signal } = host;
  const access = accessOf(host);
  return { nats, domain, access, signal, tell: (text) => host.warn?.(text) };
}

function accessOf({ cluster }: RunHost): ClusterAccess {
  if (cluster) return cluster;
  const message = "the cluster world needs keys, or to be told to do without";
  throw new InputError([{ code: "BUS_INSECURE", message, fix: "--keys FOLDER, or --insecure" }]);
}

function stageOf(spec: RunSpec, { pace, links }: ClusterWorldSpec, led: Led): Stage {
  const { run, crew, fleet, records, lost } = led;
  const steps = stepsNote(spec, pace);
  return {
    names: crew.agents.map(({ id }) => id),
    ...{ hostOf: crew.hostOf, fleet, lost },
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
  throw new InputError([{ code: "UNKNOWN_RUN", message, fix: "start it anew: pangaea run FILE" }]);
}

/** Goes on judging the run, and finishes it. */
export async function resumeRun(spec: RunSpec, taken: Taken, host: RunHost): Promise<RunOutcome> {
  const world = liveWorld(spec);
  if (world?.kind !== "cluster") throw new Error("only runs of a cluster have coordinators");
  const ground = await loadGround(spec, host, new Map());
  const run = planned(spec, ground);
  const led = await taken.lead([...run.plan.programs.keys()], world.labels);
  const { goAt, members } = taken.record;
  const stage = stageOf(spec, world, led);
  const note = `${stage.note}; led from here since its coordinator has gone`;
  return new LiveRun(run, host, { ...stage, note, begun: { goAt, members } }).execute();
}
