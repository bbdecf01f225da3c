/** A host of a run on streams in real time: plans the run as the supervisor did, and runs its own nodes' programs. */
import { createPlainKernels } from "../core/kernels/plain.ts";
import type { Buckets } from "../world/bus/buckets.ts";
import { LocalHost } from "../world/live/host.ts";
import type { Member } from "../world/live/member.ts";
import type { LiveTask } from "./live-host.ts";
import { placesOf } from "./places.ts";
import { liveWorld, mayLeave, processorModel, type RunSpec } from "./spec.ts";
import { keptModels } from "./stream-models.ts";
import { planStreamRun, type StreamGround } from "./stream-plan.ts";
import { FLUSH_BATCHES, NO_POOL } from "./stream-run.ts";

/** Answers the supervisor's question with the models of its sites (`SavedModel`s). */
export async function runStreamHost(
  member: Member,
  { spec, links, hostOf }: LiveTask,
  ground: StreamGround,
): Promise<void> {
  const models = keptModels();
  const { programs, closeModels } = planStreamRun(spec, ground, models, bucketsOf(member, spec));
  const here = new Map([...programs].filter(([node]) => hostOf[node.id] === member.setup.host));
  // Of a cluster's runs the coordinator can change.
  if (liveWorld(spec)?.kind === "cluster") member.keepEvents();
  const connections = await member.connect();
  const clock = await member.start();
  const host = new LocalHost({
    seed: spec.seed,
    topology: ground.grid.topology,
    host: member.setup.host,
    places: placesOf(programs.keys(), ground.grid, hostOf),
    connections,
    members: member.members,
    shaped: links.shaped,
    jitterMicros: spec.network.jitterMs * 1000,
    lossRate: spec.network.loss,
    duplicationRate: spec.network.duplication,
    recordsMayLeave: (site) => mayLeave(spec, site),
    clock,
    kernels: createPlainKernels(),
    compute: NO_POOL,
    pace: links.pace === "declared" ? processorModel(spec) : undefined,
    storeOf: (node) => member.storeOf(node),
    onEvent: (event) => {
      member.emit(event);
      if (event.type === "stream" && event.batch % FLUSH_BATCHES === 0) host.flushTraffic();
    },
    onEnded: (node) => member.ended(node.id),
    onFailed: (error) => member.failed(error),
  });
  host.start(here);
  await member.serve(host, clock, () => models.saved());
  await closeModels();
  member.exit();
}

/** In the domain that the run names. */
export function bucketsOf(member: Member, spec: RunSpec): Buckets {
  const world = liveWorld(spec);
  const domain = world?.kind === "cluster" ? world.domain : undefined;
  const buckets = member.buckets();
  return { kv: (bucket, options) => buckets.kv(bucket, { ...options, domain }) };
}
