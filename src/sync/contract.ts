/**
 * What the two tiers agree on. A *domain* is a set of nodes that share one copy of the parameters: its
 * workers, and the owners of its shards. `within` programs run a domain; a `between` says how sites form
 * domains, and may run beside each shard's owner.
 */
import type { Dataset } from "../core/dataset.ts";
import type { NodeId, SiteId } from "../core/ids.ts";
import type { Random } from "../core/random.ts";
import type { Scope } from "../core/scope.ts";
import type { Micros } from "../core/units.ts";
import type { Learner } from "../model/learner.ts";
import type { OptimizerSpec } from "../optimize/spec.ts";
import type { NodeInfo, NodeProgram, World } from "../world/contract.ts";
import type { StreamDeployment, StreamRequest } from "./streams.ts";

/** Elements [start, end) of the flat array. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A site before anything is decided: what stands there and what lies there. */
export interface SitePlan {
  readonly id: SiteId;
  readonly workers: readonly WorkerPlan[];
  readonly servers: readonly NodeInfo[];
  readonly examples: number;
}

export interface WorkerPlan {
  readonly node: NodeInfo;
  /** Position among all workers of the run: the order of every reduction. */
  readonly number: number;
  /** Rows of the training data that lie at this worker. */
  readonly rows: Uint32Array;
}

export interface OwnerPlan {
  readonly node: NodeInfo;
  /** The same shard of another domain is this one's mirror. */
  readonly shard: number;
  readonly range: Range;
}

export interface Domain {
  readonly id: string;
  /** Where the domain's shards lie: one site, or all of them. */
  readonly sites: readonly SiteId[];
  readonly workers: readonly WorkerPlan[];
  readonly owners: readonly OwnerPlan[];
  /** Updates are divided by this number of workers. */
  readonly divisor: number;
}

/** Where the run learns of copies and their progress; it judges them outside the world's time. */
export interface Observer {
  /** The owner's live values of a range of a copy. */
  attach(copy: string, range: Range, values: Float32Array): void;
  /** A worker's live private parameters, and the copy that they are judged with. */
  attachPrivate(worker: WorkerPlan, copy: string, own: Float32Array): void;
  /** Every update of the copy's first `clock` clocks is in this range. */
  reached(copy: string, range: Range, clock: number): void;
}

/** What every node of a training run knows. */
export interface Training {
  /** Ids under which the compute pool knows them. */
  readonly learnerId: string;
  readonly datasetId: string;
  /** The learner's cheap side: layout, FLOPs, working sets. Steps go through `world.compute`. */
  readonly learner: Learner;
  readonly dataset: Dataset;
  readonly initial: Float32Array;
  readonly optimizer: OptimizerSpec;
  readonly batch: number;
  readonly maxClocks: number;
  readonly observer: Observer;
}

/** Beside one shard's owner: what a `between` may see and do there. */
export interface ShardContext {
  readonly world: World;
  readonly scope: Scope;
  readonly training: Training;
  readonly domains: readonly Domain[];
  readonly domain: Domain;
  readonly owner: OwnerPlan;
  /** Every read sees just the clocks before its own: workers are never more than one clock apart. */
  readonly bulkSynchronous: boolean;
  /** The shard's live values (length of the range). */
  readonly values: Float32Array;
  /** values += update; indices count from the start of the range. */
  add(update: Float32Array): void;
  addSparse(indices: Uint32Array, update: Float32Array): void;
  /** values = replacement; the optimizer's state is reset. */
  replace(replacement: Float32Array): void;
  /** Something changed on which waiting reads may depend. */
  changed(): void;
  /**
   * The live copy of a shard that joins in mid-run is here: values = copy; the domain enters at `clock`. Before this
   * call (see `BetweenShard.joining`) nothing is answered.
   */
  enter(clock: number, copy: Float32Array): void;
}

/** A read that waits at an owner. */
export interface PendingRead {
  /** The worker is about to compute this clock (from 0). */
  readonly clock: number;
  /** Indices from the start of the range, ascending; absent: the whole range. */
  readonly indices: Uint32Array | undefined;
  /** What `BetweenShard.admit` said when the read arrived. */
  readonly ticket: number;
}

export interface BetweenShard {
  /** The live copy is on its way; `ShardContext.enter` ends that. Absent: a joiner begins with the run's first values. */
  readonly joining?: boolean;
  /** A change was applied to `values` by the domain's own optimizer. */
  applied?(delta: Float32Array, indices?: Uint32Array): void;
  /** Every worker of the domain has finished `clock` clocks. */
  afterClock(clock: number): void;
  /** Called when a read arrives; the answer comes back in `PendingRead.ticket`. */
  admit?(): number;
  /** Whether the read may be answered now. */
  ready(read: PendingRead): boolean;
  /** The sites for which the read waits. */
  waitingFor(read: PendingRead): readonly string[];
}

export interface Deployment {
  readonly domains: readonly Domain[];
  /** Nodes that the between brings: coordinators, shippers. */
  readonly extra: readonly { readonly node: NodeInfo; readonly program: NodeProgram }[];
  /** Clocks of each worker, where they are not the run's `maxClocks`; the extra nodes then end the run. */
  readonly maxClocks?: number | undefined;
  /** `domains`: each domain's copy is judged. `extra`: a coordinator attaches the copy itself. */
  readonly judged: "domains" | "extra";
}

/**
 * The network as the run's description has it: the same at every node, so what all must agree on (groups, hubs, who
 * coordinates) is planned with it. What a node has measured of its own ways is `world.network.estimate`.
 */
export interface NetworkFacts {
  readonly bandwidth: (from: SiteId, to: SiteId) => number;
  readonly roundTripMicros: (a: SiteId, b: SiteId) => Micros;
  /** Price of a gigabyte that leaves `from` for `to`; absent: nothing costs anything. */
  readonly egressDollarsPerGB?: ((from: SiteId, to: SiteId) => number) | undefined;
  /** Groups of the preset, hub first; undefined if it has none. */
  readonly presetGroups: readonly (readonly SiteId[])[] | undefined;
}

export interface DeployRequest {
  readonly sites: readonly SitePlan[];
  readonly training: Training;
  readonly network: NetworkFacts;
  readonly random: Random;
}

export interface Between {
  /** How the sites form domains. */
  deploy(request: DeployRequest): Deployment;
  /** Runs beside each shard owner. */
  open?(shard: ShardContext): BetweenShard;
  /** Reads at this clock wait for the owners' word, whatever the consistency model would allow. */
  fence?(domain: Domain, clock: number, training: Training): boolean;
  /** Runs on streams: one program a site. Absent: this between is for training runs only. */
  stream?(request: StreamRequest): StreamDeployment;
  /** A gate that a worker passes before its first clock (records still on their way). */
  beforeTraining?(world: World, scope: Scope): Promise<void>;
}

/** The programs of a domain. */
export interface Within {
  worker(domain: Domain, worker: WorkerPlan): NodeProgram;
  owner(domain: Domain, owner: OwnerPlan): NodeProgram;
}

/** The nodes that a node id list names, for reports. */
export const siteOf = (node: NodeId): string => node.slice(0, node.lastIndexOf("/"));
