/** A host of a run in real time: plans the run as the supervisor did, and runs the programs of its own nodes. */
import type { NodeId } from "../core/ids.ts";
import type { Kernels } from "../core/kernels/contract.ts";
import { createKernels } from "../core/kernels/create.ts";
import { hasPlaces } from "../data/spec.ts";
import type { RunFile } from "../world/bus/run-files.ts";
import type { ComputePool, ComputePoolOptions } from "../world/compute/contract.ts";
import type { NodeInfo } from "../world/contract.ts";
import { LocalHost } from "../world/live/host.ts";
import type { Member } from "../world/live/member.ts";
import type { RunHost } from "./host.ts";
import { CopyTeller } from "./live-copies.ts";
import { hostsGround } from "./own-ground.ts";
import { placesOf } from "./places.ts";
import { type Ground, LEARNER, loadGround, planRun, type RunPlan, TRAIN } from "./plan.ts";
import { loadGrid } from "./presets/load.ts";
import { takeRunFiles, withFiles } from "./run-files.ts";
import { liveWorld, mayLeave, processorModel, type RunSpec, streamOf } from "./spec.ts";
import { bucketsOf, runStreamHost } from "./stream-host.ts";
import { loadStreamGround, type StreamGround, streamFiles } from "./stream-plan.ts";

export interface LiveLinks {
  /** `declared`: steps last at least as long as on the declared processor. */
  readonly pace: "real" | "declared";
  /** Whether links between sites are slowed to their description. */
  readonly shaped: boolean;
}

/** What a host need not load; runs on streams have no model to share. */
export type SharedGround = Pick<Ground, "data"> & Partial<Pick<Ground, "model">>;

/** What the supervisor tells a host of the run. */
export interface LiveTask {
  readonly spec: RunSpec;
  readonly links: LiveLinks;
  /** The number of each node's host. */
  readonly hostOf: Readonly<Record<NodeId, number>>;
  /** Data and model in shared memory; a process loads them itself. */
  readonly shared?: SharedGround | undefined;
  /** Of other machines: what the experiment names that is no data. */
  readonly files?: readonly RunFile[] | undefined;
}

type Files = Pick<RunHost, "exists" | "readFile">;
type Located = Files & Pick<RunHost, "roots">;

/** What the machine or page gives a host. */
export interface HostMeans extends Files {
  createPool(options: ComputePoolOptions): ComputePool;
}

export async function runHost(member: Member, given: HostMeans): Promise<void> {
  const { host: index, means } = member.setup;
  const task = member.setup.task as LiveTask;
  const files = await filesOf(task, member, { ...given, roots: means.roots });
  const { spec, links, hostOf } = task;
  if (streamOf(spec)) return runStreamHost(member, task, await streamGroundOf(task, files));
  const ground = await groundOf(task, member, files);
  const kernels = createKernels();
  let flush = (): void => {};
  let now = (): number => 0;
  const teller = new CopyTeller(
    spec.evaluate.every,
    () => now(),
    (told) => {
      flush();
      member.say(told);
    },
  );
  const plan = planRun(spec, ground, kernels, () => teller);
  const { programs } = plan;
  const compute = given.createPool({
    threads: means.threads,
    learners: { [LEARNER]: ground.model },
    datasets: { [TRAIN]: ground.data.train },
    warn: (text) => member.warn(text),
  });
  const here = new Map([...programs].filter(([node]) => hostOf[node.id] === index));
  await warmUp(spec, ground, plan, { kernels, compute, nodes: [...here.keys()] });
  const connections = await member.connect();
  const clock = await member.start();
  const host = new LocalHost({
    seed: spec.seed,
    topology: ground.grid.topology,
    host: index,
    places: placesOf(programs.keys(), ground.grid, hostOf),
    connections,
    members: member.members,
    shaped: links.shaped,
    jitterMicros: spec.network.jitterMs * 1000,
    lossRate: spec.network.loss,
    duplicationRate: spec.network.duplication,
    recordsMayLeave: (site) => mayLeave(spec, site),
    clock,
    kernels,
    compute,
    pace: links.pace === "declared" ? processorModel(spec) : undefined,
    storeOf: (node) => member.storeOf(node),
    onEvent: (event) => {
      member.emit(event);
      if (event.type === "clock") teller.worked(event.node, event.clock);
    },
    onEnded: (node) => member.ended(node.id),
    onFailed: (error) => member.failed(error),
  });
  now = () => clock.now();
  flush = () => host.flushTraffic();
  host.start(here);
  await member.serve(host, clock, () => teller.all());
  await compute.close();
  member.exit();
}

/** Before it plans, a host has the bytes that the coordinator has. */
async function filesOf({ spec, files = [] }: LiveTask, member: Member, own: Located) {
  const { contents } = await takeRunFiles(files, bucketsOf(member, spec), own);
  return withFiles<Located>(own, contents);
}

/** The first step makes the learner and may take a second: it is taken before the clock runs, and thrown away. */
async function warmUp(
  { batch }: RunSpec,
  { data }: Ground,
  { learner, deployment }: RunPlan,
  host: {
    readonly kernels: Kernels;
    readonly compute: ComputePool;
    readonly nodes: readonly NodeInfo[];
  },
): Promise<void> {
  const workers = deployment.domains.flatMap((domain) => domain.workers);
  const worker = workers.find(({ node }) => host.nodes.some(({ id }) => id === node.id));
  if (!worker || worker.rows.length === 0) return;
  const rows = worker.rows.slice(0, batch);
  const examples = { dataset: data.train, rows };
  const { layout, privateLength } = learner;
  const shared = learner.workingSet?.(examples).length ?? layout.length;
  const own = learner.privateSet?.(examples).length ?? 0;
  const { allocate } = host.kernels;
  await host.compute.step({
    learner: LEARNER,
    dataset: TRAIN,
    rows,
    parameters: allocate(layout.length),
    own: privateLength > 0 ? allocate(privateLength) : undefined,
    out: allocate(shared + own),
    flops: learner.flops(rows.length),
    worker: worker.number,
    clock: 0,
  });
}

function groundOf(task: LiveTask, member: Member, host: Located): Promise<Ground> {
  const { spec, shared } = task;
  if (liveWorld(spec)?.kind === "cluster" && hasPlaces(spec.data))
    return hostsGround(task, member, host);
  if (!shared?.model) return loadGround(spec, host, new Map());
  const { data, model } = shared;
  return loadGrid(spec.sites, host).then((grid) => ({ data, model, grid }));
}

async function streamGroundOf({ spec, shared }: LiveTask, host: Located): Promise<StreamGround> {
  if (!shared) return loadStreamGround(spec, host, new Map());
  const files = await streamFiles(spec, host);
  return { data: shared.data, files, grid: await loadGrid(spec.sites, host) };
}
