/**
 * Training runs of toy learners in the simulated world: the programs of `src/sync`, real messages over
 * modelled links, and a pool that calls a closure. A closure that returns whole numbers makes every sum
 * exact in float32, so that "nothing is lost" can be tested as equality.
 */
import { createHash } from "node:crypto";
import type { Dataset } from "../../src/core/dataset.ts";
import { invariant } from "../../src/core/errors.ts";
import type { RunEvent } from "../../src/core/events.ts";
import { type NodeId, nodeId, type Role, type SiteId, siteId } from "../../src/core/ids.ts";
import { createPlainKernels } from "../../src/core/kernels/plain.ts";
import { createRandom, type Random } from "../../src/core/random.ts";
import { createLayout } from "../../src/model/layout.ts";
import type { Learner } from "../../src/model/learner.ts";
import type { OptimizerSpec } from "../../src/optimize/spec.ts";
import { createBetween, createWithin } from "../../src/sync/algorithms.ts";
import type {
  Between,
  BetweenShard,
  Deployment,
  NetworkFacts,
  PendingRead,
  Range,
  ShardContext,
  SitePlan,
  Training,
} from "../../src/sync/contract.ts";
import { memberRules } from "../../src/sync/members.ts";
import type { BetweenSpec, WithinSpec } from "../../src/sync/options.ts";
import { BetweenSpec as BetweenSchema } from "../../src/sync/options.ts";
import { Finish, programsOf } from "../../src/sync/programs.ts";
import { type Talks, talksOf } from "../../src/sync/talks.ts";
import type { ComputePool } from "../../src/world/compute/contract.ts";
import type { Network, NodeInfo, Work, World } from "../../src/world/contract.ts";
import { type MemberChange, MemberView } from "../../src/world/members.ts";
import type { ProcessorModel } from "../../src/world/processor.ts";
import { Simulation, type SimulationOptions } from "../../src/world/simulated/simulation.ts";
import type { Link, Topology } from "../../src/world/topology.ts";
import type { TrafficTotal } from "../../src/world/traffic.ts";

export const MILLI = 1000;

/** What a toy learns: the closure writes `work.out`; its sets make pulls and pushes sparse. */
export interface Toy {
  readonly length: number;
  /** So many of them, the last, are state: the closure writes changes of it. */
  readonly states?: number | undefined;
  readonly kind?: Learner["kind"] | undefined;
  readonly initial?: ((index: number) => number) | undefined;
  readonly gradient: (work: Work) => void;
  readonly workingSet?: ((rows: Uint32Array) => Uint32Array) | undefined;
  readonly privateLength?: number | undefined;
  readonly privateSet?: ((rows: Uint32Array) => Uint32Array) | undefined;
}

export interface ToyRun {
  readonly toy: Toy;
  readonly sites?: number;
  /** Workers of each site. */
  readonly workers?: number | readonly number[];
  readonly servers?: number;
  /** Rows of each worker, by its number. */
  readonly rows?: (worker: number) => number;
  readonly batch?: number;
  readonly dataset?: Dataset;
  readonly clocks: number;
  readonly seed?: number;
  readonly within?: Partial<WithinSpec>;
  readonly between: { readonly kind: BetweenSpec["kind"]; readonly [key: string]: unknown };
  readonly optimizer?: OptimizerSpec;
  readonly link?: (from: number, to: number) => Partial<Link>;
  readonly node?: Partial<Topology["node"]>;
  readonly groups?: readonly (readonly string[])[];
  readonly processor?: (node: NodeInfo) => ProcessorModel;
  readonly simulation?: Partial<SimulationOptions>;
  /** Virtual time for which the world goes on after the last worker has ended. */
  readonly drainMicros?: number;
  readonly spy?: Spy;
  readonly onEvent?: (event: RunEvent) => void;
}

/** Sees what passes between a shard's owner and the `between` beside it. */
export interface Spy {
  /** The domain's own optimizer changed the values. */
  applied?(at: ShardContext, delta: Float32Array, indices: Uint32Array | undefined): void;
  /** The between changed the values: something came from a mirror. */
  added?(at: ShardContext, update: Float32Array, indices: Uint32Array | undefined): void;
  /** A read was found ready (or not) here. */
  ready?(at: ShardContext, read: PendingRead, verdict: boolean): void;
  afterClock?(at: ShardContext, clock: number): void;
}

export interface ToyOutcome {
  /** The judged copies at the end, whole. */
  readonly copies: ReadonlyMap<string, Float32Array>;
  readonly events: readonly RunEvent[];
  /** Hash of the event log. */
  readonly hash: string;
  readonly shards: readonly { readonly context: ShardContext; readonly between: BetweenShard }[];
  readonly traffic: readonly TrafficTotal[];
  readonly micros: number;
  readonly deployment: Deployment;
  readonly sites: readonly SitePlan[];
  /** Every call of `reached`. */
  readonly reached: readonly {
    readonly copy: string;
    readonly clock: number;
    readonly t: number;
  }[];
  readonly privates: ReadonlyMap<number, Float32Array>;
  readonly isPresent: (node: NodeId) => boolean;
  /** Every change of members after the start. */
  readonly changes: readonly MemberChange[];
  /** False where the last worker left rather than ended: the world did not go on after it. */
  readonly drained: boolean;
}

export const SGD: OptimizerSpec = {
  kind: "sgd",
  learningRate: 1,
  schedule: { kind: "constant" },
};

const nodes = (site: SiteId, role: Role, count: number): NodeInfo[] =>
  Array.from({ length: count }, (_, index) => ({
    id: nodeId(site, role, index),
    site,
    role,
    index,
  }));

export const siteName = (index: number): SiteId => siteId(`s${String(index).padStart(2, "0")}`);

function planOf(run: ToyRun): SitePlan[] {
  let number = 0;
  let row = 0;
  return Array.from({ length: run.sites ?? 1 }, (_, s) => {
    const id = siteName(s);
    const count = typeof run.workers === "object" ? (run.workers[s] as number) : (run.workers ?? 2);
    const workers = nodes(id, "worker", count).map((node) => {
      const rows = Uint32Array.from({ length: run.rows?.(number) ?? 4 }, () => row++);
      return { node, number: number++, rows };
    });
    const examples = workers.reduce((sum, worker) => sum + worker.rows.length, 0);
    return { id, workers, servers: nodes(id, "server", run.servers ?? 1), examples };
  });
}

export function topologyOf(run: ToyRun): Topology {
  return {
    sites: Array.from({ length: run.sites ?? 1 }, (_, i) => ({
      id: siteName(i),
      name: siteName(i),
    })),
    link: (from, to) => ({
      bandwidth: 100e6,
      oneWayMicros: 40_000,
      egressDollarsPerGB: 0,
      wan: true,
      ...run.link?.(from, to),
    }),
    node: { bandwidth: 10e9, oneWayMicros: 100, ...run.node },
  };
}

function factsOf(topology: Topology, groups: ToyRun["groups"]): NetworkFacts {
  const index = (id: SiteId): number => topology.sites.findIndex((site) => site.id === id);
  return {
    bandwidth: (a, b) => topology.link(index(a), index(b)).bandwidth,
    roundTripMicros: (a, b) =>
      topology.link(index(a), index(b)).oneWayMicros +
      topology.link(index(b), index(a)).oneWayMicros,
    presetGroups: groups?.map((group) => group.map(siteId)),
  };
}

function learnerOf(toy: Toy): Learner {
  const { workingSet, privateSet, states = 0, kind = "gradient" } = toy;
  const never = async (): Promise<never> => {
    throw new Error("the pool does the work");
  };
  return {
    kind,
    layout: createLayout(
      [{ name: "all", shape: [toy.length - states] }],
      [{ name: "state", shape: [states] }],
    ),
    privateLength: toy.privateLength ?? 0,
    initialise: () => Float32Array.from({ length: toy.length }, (_, i) => toy.initial?.(i) ?? 0),
    flops: () => 1,
    ...(workingSet ? { workingSet: ({ rows }) => workingSet(rows) } : {}),
    ...(privateSet ? { privateSet: ({ rows }) => privateSet(rows) } : {}),
    step: never,
    judge: never,
    close: async () => {},
  };
}

const poolOf = (toy: Toy): ComputePool => ({
  step: async (work) => {
    toy.gradient(work);
    return { loss: 0, examples: work.rows.length };
  },
  judge: async () => ({ examples: 0, lossSum: 0 }),
  close: async () => {},
});

const emptyDataset = (rows: number): Dataset => ({
  kind: "dense",
  rows,
  shape: [1],
  features: Float32Array.from({ length: rows }, (_, i) => i),
  scale: 1,
  offset: 0,
  labels: Int32Array.from({ length: rows }, (_, i) => i),
  classes: rows,
});

/** The between with a spy beside every shard. */
function spied(between: Between, spy: Spy, shards: ToyOutcome["shards"]): Between {
  const { open, fence, beforeTraining } = between;
  if (!open) return between;
  const opened = (shard: ShardContext): BetweenShard => {
    const context: ShardContext = {
      world: shard.world,
      scope: shard.scope,
      training: shard.training,
      domains: shard.domains,
      domain: shard.domain,
      owner: shard.owner,
      bulkSynchronous: shard.bulkSynchronous,
      values: shard.values,
      add: (update) => {
        spy.added?.(shard, update, undefined);
        shard.add(update);
      },
      addSparse: (indices, update) => {
        spy.added?.(shard, update, indices);
        shard.addSparse(indices, update);
      },
      replace: (values) => shard.replace(values),
      changed: () => shard.changed(),
      enter: (clock, copy) => shard.enter(clock, copy),
    };
    const beside = open(context);
    (shards as { context: ShardContext; between: BetweenShard }[]).push({
      context,
      between: beside,
    });
    return {
      get joining() {
        return beside.joining ?? false;
      },
      applied: (delta, indices) => {
        spy.applied?.(shard, delta, indices);
        beside.applied?.(delta, indices);
      },
      afterClock: (clock) => {
        beside.afterClock(clock);
        spy.afterClock?.(shard, clock);
      },
      admit: () => beside.admit?.() ?? 0,
      ready: (read) => {
        const verdict = beside.ready(read);
        spy.ready?.(shard, read, verdict);
        return verdict;
      },
      waitingFor: (read) => beside.waitingFor(read),
    };
  };
  return {
    deploy: (request) => between.deploy(request),
    open: opened,
    ...(fence ? { fence } : {}),
    ...(beforeTraining ? { beforeTraining } : {}),
  };
}

/** A world in which nobody speaks to a node that `talksOf` does not know to talk with it: their hosts are not joined. */
function amongThoseThatTalk(world: World, talks: Talks): World {
  const send: Network["send"] = (to, kind, ...rest) => {
    invariant(talks(world.node.id, to), `${world.node.id} sends "${kind.name}" to ${to}`);
    world.network.send(to, kind, ...rest);
  };
  return but(world, { network: but(world.network, { send }) });
}

/** The object with other properties in the place of its own. */
const but = <T extends object>(object: T, changes: Partial<T>): T =>
  new Proxy(object, {
    get: (target, key) => {
      if (key in changes) return Reflect.get(changes, key);
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

export async function runToy(run: ToyRun): Promise<ToyOutcome> {
  const seed = run.seed ?? 1;
  const sites = planOf(run);
  const topology = topologyOf(run);
  const kernels = createPlainKernels();
  const learner = learnerOf(run.toy);
  const random = createRandom(seed, "toy");
  const rows = sites.reduce((sum, site) => sum + site.examples, 0);
  const parts = new Map<string, { range: Range; values: Float32Array }[]>();
  const reached: { copy: string; clock: number; t: number }[] = [];
  const privates = new Map<number, Float32Array>();
  let simulation: Simulation | undefined;
  const training: Training = {
    learnerId: "toy",
    datasetId: "toy",
    learner,
    dataset: run.dataset ?? emptyDataset(rows),
    initial: learner.initialise(random),
    optimizer: run.optimizer ?? SGD,
    batch: run.batch ?? 1,
    maxClocks: run.clocks,
    observer: {
      attach: (copy, range, values) => {
        // A site that joins has its copy at a new place.
        const others = (parts.get(copy) ?? []).filter((part) => part.range.start !== range.start);
        parts.set(copy, [...others, { range, values }]);
      },
      attachPrivate: (worker, _copy, own) => privates.set(worker.number, own),
      reached: (copy, _range, clock) => reached.push({ copy, clock, t: simulation?.now() ?? 0 }),
    },
  };
  const shards: ToyOutcome["shards"] = [];
  const between = spied(createBetween(BetweenSchema.parse(run.between)), run.spy ?? {}, shards);
  const network = factsOf(topology, run.groups);
  const deployment = between.deploy({ sites, training, network, random: random.stream("between") });
  const within = createWithin(
    { kind: "parameter-server", consistency: "bsp", staleness: 3, ...run.within },
    { ...training, maxClocks: deployment.maxClocks ?? training.maxClocks },
    between,
    deployment,
  );
  const { programs, enders } = programsOf(deployment, within);
  const talks = talksOf(deployment);
  const finish = new Finish(enders);
  const truth = new MemberView();
  let drained = false;
  const changes: MemberChange[] = [];
  const events: RunEvent[] = [];
  const made = new Simulation({
    seed,
    topology,
    nodes: [...programs.keys()],
    kernels,
    compute: poolOf(run.toy),
    processor: run.processor ?? (() => ({ kind: "fixed", microsPerBatch: 10 * MILLI })),
    rules: memberRules(deployment),
    onMembers: (changed) => {
      for (const change of changed) truth.apply(change);
      if (simulation) changes.push(...changed);
      finish.changed(changed);
      // Also when somebody leaves while the world goes on after the end: it may be who was to stop it.
      if (finish.reached) simulation?.stop();
    },
    onEvent: (event) => {
      events.push(event);
      run.onEvent?.(event);
    },
    ...run.simulation,
  });
  simulation = made;
  for (const [node, program] of programs) {
    made.start(node.id, async (world, scope) => {
      await program(amongThoseThatTalk(world, talks), scope);
      finish.ended(node.id);
      if (!finish.reached || !(deployment.judged === "extra" || node.role === "worker")) return;
      await world.clock.sleep(run.drainMicros ?? 0, scope);
      drained = true;
      made.stop();
    });
  }
  const { micros } = await made.run();
  made.flushTraffic();
  const copies = new Map<string, Float32Array>();
  for (const [copy, list] of parts) {
    const whole = new Float32Array(run.toy.length);
    for (const { range, values } of list) whole.set(values, range.start);
    copies.set(copy, whole);
  }
  const hash = createHash("sha256");
  for (const event of events) hash.update(`${JSON.stringify(event)}\n`);
  return {
    copies,
    events,
    hash: hash.digest("hex"),
    shards,
    traffic: made.traffic(),
    micros,
    deployment,
    sites,
    reached,
    privates,
    isPresent: (node) => truth.present(node),
    changes,
    drained,
  };
}

/** Links, processors and jitter drawn from a seed: what a schedule can be like. */
export function randomTimes(
  seed: number,
): Pick<ToyRun, "link" | "processor" | "simulation"> & { readonly random: Random } {
  const random = createRandom(seed, "times");
  const links = new Map<string, Partial<Link>>();
  const stragglers: ProcessorModel["straggler"][] = [
    undefined,
    { kind: "lognormal", sigma: 1 },
    { kind: "slow", nodes: ["s00/worker-0"], factor: 4 },
    { kind: "pauses", probability: 0.2, ms: 100 },
  ];
  const straggler = stragglers[random.integer(stragglers.length)];
  const lossRate = random.integer(3) === 0 ? 0.1 : 0;
  return {
    random,
    link: (from, to) => {
      const key = `${from} ${to}`;
      let link = links.get(key);
      if (!link) {
        const draws = createRandom(seed, key);
        link = {
          oneWayMicros: 1000 + draws.integer(150_000),
          bandwidth: 10 ** (4.5 + 3 * draws.next()),
        };
        links.set(key, link);
      }
      return link;
    },
    processor: () => ({ kind: "fixed", microsPerBatch: 10 * MILLI, straggler }),
    simulation: { jitterMicros: random.integer(50_000), lossRate },
  };
}

/** A number from a few others, well mixed: the same everywhere, without a stream's order. */
export function mixed(...parts: readonly number[]): number {
  let h = 0x9e3779b9;
  for (const part of parts) {
    h = Math.imul(h ^ part, 0x85ebca6b) >>> 0;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
    h = (h ^ (h >>> 16)) >>> 0;
  }
  return h;
}
