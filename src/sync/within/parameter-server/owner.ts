/**
 * The owner of one shard: applies updates by the rule of its consistency model and answers reads when the
 * model allows it.
 *
 * BSP buffers the updates of a clock and reduces them in worker order, so that the result does not depend
 * on who arrives first. SSP and TAP apply at arrival (Ho et al., "More Effective Distributed ML via a
 * Stale Synchronous Parallel Parameter Server", NIPS'13). A vector clock holds, per worker, how many of its
 * clocks are in; a push that is already in is dropped, so a restarted worker may repeat itself.
 *
 * A worker that leaves is taken out of the vector clock. Under BSP its pushes of clocks that are not complete are
 * dropped: one owner may have got such a push and another not, and dropped they agree. The mean of a clock is over the
 * workers whose pushes are in it; SSP and TAP divide by the number that takes part when the push comes. A worker that
 * joins asks every owner for the values; each counts it from its answer on, so that no clock is closed without it.
 */
import { decodeIndices } from "../../../codec/indices.ts";
import type { NodeId } from "../../../core/ids.ts";
import type { Scope } from "../../../core/scope.ts";
import type { Micros } from "../../../core/units.ts";
import { createRule, type Rule } from "../../../optimize/rule.ts";
import type { World } from "../../../world/contract.ts";
import type { MemberChange } from "../../../world/members.ts";
import type { Message } from "../../../world/message.ts";
import type {
  Between,
  BetweenShard,
  Domain,
  OwnerPlan,
  PendingRead,
  Range,
  ShardContext,
  Training,
} from "../../contract.ts";
import { trainedOf } from "../../state.ts";
import { WorkerClocks } from "./clocks.ts";
import { ENTER, PULL, PUSH, RECOVERY, VALUES } from "./messages.ts";
import type { ParameterServerOptions } from "./options.ts";

interface WaitingRead extends PendingRead {
  readonly from: NodeId;
  readonly worker: number;
  readonly need: number;
  readonly own: number;
  /** The incarnation of a joiner, with its first read. */
  readonly joins: number | undefined;
  /** When it came. */
  readonly since: Micros;
  /** Sites that held it back, once any did. */
  blockers: readonly string[];
}

export interface OwnerSetup {
  readonly options: ParameterServerOptions;
  readonly training: Training;
  readonly domains: readonly Domain[];
  readonly domain: Domain;
  readonly owner: OwnerPlan;
  readonly between: Between;
  /** Whether the observer judges this domain's copy. */
  readonly judged: boolean;
}

export class ShardOwner implements ShardContext {
  readonly world: World;
  readonly scope: Scope;
  readonly training: Training;
  readonly domains: readonly Domain[];
  readonly domain: Domain;
  readonly owner: OwnerPlan;
  readonly values: Float32Array;

  readonly #setup: OwnerSetup;
  readonly #rule: Rule;
  readonly #between: BetweenShard | undefined;
  /** Position of a worker in the domain, by its number in the run. */
  readonly #position = new Map<number, number>();
  readonly #clocks: WorkerClocks;
  /** Clocks that every worker has finished. */
  #minimum = 0;
  /** BSP: the pushes of a clock, by worker position, until all are in. */
  readonly #pushes = new Map<number, (Message | undefined)[]>();
  #reads: WaitingRead[] = [];
  #snapshot: Float32Array | undefined;
  /**
   * BSP: the values a clock ago. A worker that crashed while its push was on its way to several shards repeats
   * that clock from the same values, though some shards have gone on without it.
   */
  readonly #previous: Float32Array | undefined;
  /** Scratch of the shard's length. */
  readonly #sum: Float32Array;
  readonly #delta: Float32Array;
  readonly #touched: Uint8Array;

  constructor(setup: OwnerSetup, world: World, scope: Scope) {
    this.#setup = setup;
    this.world = world;
    this.scope = scope;
    this.training = setup.training;
    this.domains = setup.domains;
    this.domain = setup.domain;
    this.owner = setup.owner;
    const { start, end } = this.#range;
    const { kernels } = world;
    this.values = kernels.allocate(end - start);
    kernels.copy(this.values, this.training.initial.subarray(start, end));
    this.#sum = kernels.allocate(end - start);
    this.#delta = kernels.allocate(end - start);
    const alone = this.domain.owners.length === 1 && this.training.learner.privateLength === 0;
    if (setup.options.consistency === "bsp" && !alone) {
      this.#previous = kernels.allocate(end - start);
    }
    this.#touched = new Uint8Array(this.training.learner.workingSet ? end - start : 0);
    this.#rule = createRule(
      {
        optimizer: this.training.optimizer,
        length: end - start,
        trained: Math.max(0, Math.min(end, trainedOf(this.training.learner)) - start),
        part: this.domain.workers.length / this.domain.divisor,
      },
      kernels,
    );
    const { members } = world;
    const first = (node: NodeId): boolean =>
      members.present(node) && members.incarnation(node) === 0;
    this.#clocks = new WorkerClocks(
      this.domain.workers.map(({ node }) => ({ counted: first(node.id) })),
    );
    this.domain.workers.forEach((worker, position) => {
      this.#position.set(worker.number, position);
    });
    members.watch((change) => this.#member(change));
    this.#between = setup.between.open?.(this);
    world.network.handle(PUSH, (message) => this.#push(message));
    world.network.handle(PULL, (message, from) => this.#pull(message, from));
    world.network.handle(ENTER, (message) => this.#enter(message));
    if (setup.judged) this.training.observer.attach(this.domain.id, this.#range, this.values);
  }

  get bulkSynchronous(): boolean {
    return this.#setup.options.consistency === "bsp";
  }

  get #range(): Range {
    return this.owner.range;
  }

  add(update: Float32Array): void {
    this.world.kernels.add(this.values, update);
    this.#snapshot = undefined;
  }

  addSparse(indices: Uint32Array, update: Float32Array): void {
    this.world.kernels.scatterAdd(this.values, indices, update);
    this.#snapshot = undefined;
  }

  replace(replacement: Float32Array): void {
    this.world.kernels.copy(this.values, replacement);
    this.#rule.reset();
    this.#snapshot = undefined;
  }

  changed(): void {
    this.#serve();
  }

  enter(clock: number, copy: Float32Array): void {
    this.replace(copy);
    this.#minimum = clock;
    this.#serve();
  }

  /** Whom the reads here wait for: workers that are behind, or what the between says. */
  waitingFor(): readonly string[] {
    const whom = new Set<string>();
    for (const read of this.#reads) for (const name of this.#blockers(read)) whom.add(name);
    return [...whom];
  }

  #push(message: Message): void {
    const clock = message.header["clock"] as number;
    const position = this.#position.get(message.header["worker"] as number);
    if (position === undefined || clock < this.#clocks.of(position)) return;
    if (!this.#clocks.counts(position)) return;
    if (this.#setup.options.consistency === "bsp") {
      const pushes = this.#pushes.get(clock) ?? new Array(this.domain.workers.length);
      if (pushes[position] !== undefined) return;
      this.#pushes.set(clock, pushes);
      pushes[position] = message;
    } else {
      this.#applyAll([message], clock, this.#clocks.count);
    }
    this.#clocks.finished(position, clock + 1);
    this.#advance();
  }

  /** Every clock that all workers have now finished. */
  #advance(): void {
    const minimum = this.#clocks.minimum(this.#minimum);
    while (this.#minimum < minimum) {
      const clock = this.#minimum;
      const pushes = this.#pushes.get(clock)?.filter((push) => push !== undefined) ?? [];
      this.#pushes.delete(clock);
      if (pushes.length > 0) {
        if (this.#previous) this.world.kernels.copy(this.#previous, this.values);
        this.#applyAll(pushes, clock, pushes.length);
      }
      this.#minimum = clock + 1;
      // Judged before the mirrors have their say: what has come from them by now depends on times.
      if (this.#setup.judged) {
        this.training.observer.reached(this.domain.id, this.#range, this.#minimum);
      }
      this.#between?.afterClock(this.#minimum);
    }
    this.#serve();
  }

  /** A worker of this domain has left; one that joins speaks for itself. */
  #member({ node, present }: MemberChange): void {
    const position = this.domain.workers.findIndex((worker) => worker.node.id === node);
    if (present || position < 0) return;
    this.#reads = this.#reads.filter((read) => read.from !== node);
    const bsp = this.#setup.options.consistency === "bsp";
    this.#clocks.leave(position, bsp ? this.#minimum : Number.POSITIVE_INFINITY);
    for (const pushes of this.#pushes.values()) pushes[position] = undefined;
    this.#advance();
  }

  /** A joiner has seen all owners and begins at the latest of their clocks. */
  #enter({ header }: Message): void {
    const position = this.#position.get(header["worker"] as number);
    if (position === undefined || !this.#clocks.counts(position)) return;
    this.#clocks.enter(position, header["clock"] as number);
    this.#advance();
  }

  /** @param share the changes are divided by so many. */
  #applyAll(pushes: readonly Message[], clock: number, share: number): void {
    if (this.training.learner.workingSet) this.#applySparse(pushes, clock, share);
    else this.#apply(pushes, clock, share);
  }

  /** Sums the pushes in the given order, divides, and lets the rule change the values. */
  #apply(pushes: readonly Message[], clock: number, share: number): void {
    const { kernels } = this.world;
    kernels.copy(this.#sum, pushes[0]?.payload[0] as Float32Array);
    for (let i = 1; i < pushes.length; i++) {
      kernels.add(this.#sum, pushes[i]?.payload[0] as Float32Array);
    }
    kernels.scale(this.#sum, 1 / share);
    this.#rule.delta(this.#sum, clock, this.#delta);
    this.add(this.#delta);
    this.#between?.applied?.(this.#delta);
  }

  #applySparse(pushes: readonly Message[], clock: number, share: number): void {
    const { kernels } = this.world;
    const length = this.values.length;
    const touched = this.#touched;
    let least = length;
    let most = -1;
    for (const push of pushes) {
      const indices = decodeIndices(push.payload[0] as Uint8Array, length);
      kernels.scatterAdd(this.#sum, indices, push.payload[1] as Float32Array);
      for (let k = 0; k < indices.length; k++) touched[indices[k] as number] = 1;
      least = Math.min(least, indices[0] ?? length);
      most = Math.max(most, indices.at(-1) ?? -1);
    }
    const union = new Uint32Array(Math.max(0, most - least + 1));
    let count = 0;
    for (let i = least; i <= most; i++) {
      if (touched[i] === 1) union[count++] = i;
      touched[i] = 0;
    }
    const indices = union.subarray(0, count);
    const gradient = new Float32Array(count);
    kernels.take(gradient, this.#sum, indices);
    kernels.scale(gradient, 1 / share);
    const delta = this.#delta.subarray(0, count);
    this.#rule.sparseDelta(indices, gradient, clock, delta);
    this.addSparse(indices, delta);
    this.#between?.applied?.(delta, indices);
  }

  #pull(message: Message, from: NodeId): void {
    const header = message.header as Record<string, number>;
    const encoded = message.payload[0] as Uint8Array | undefined;
    this.#reads.push({
      from,
      worker: header["worker"] as number,
      clock: header["clock"] as number,
      need: header["need"] as number,
      own: header["own"] as number,
      joins: header["joins"],
      indices: encoded ? decodeIndices(encoded, this.values.length) : undefined,
      ticket: this.#between?.admit?.() ?? 0,
      since: this.world.clock.now(),
      blockers: [],
    });
    this.#serve();
  }

  #serve(): void {
    if (this.#reads.length === 0 || this.#between?.joining) return;
    const reads = this.#reads;
    this.#reads = [];
    for (const read of reads) {
      const inDomain = this.#minimum >= read.need && this.#ownIn(read);
      if (read.joins !== undefined) this.#answerJoiner(read);
      else if (inDomain && (this.#between?.ready(read) ?? true)) this.#answer(read);
      else {
        if (inDomain) read.blockers = this.#between?.waitingFor(read) ?? [];
        this.#reads.push(read);
      }
    }
  }

  #ownIn(read: WaitingRead): boolean {
    return this.#ownClock(read) >= read.own;
  }

  #ownClock(read: WaitingRead): number {
    return this.#clocks.of(this.#position.get(read.worker) ?? -1);
  }

  /** From now on no clock is closed without it. */
  #answerJoiner(read: WaitingRead): void {
    const position = this.#position.get(read.worker);
    if (position === undefined) return;
    this.#clocks.enter(position, this.#minimum);
    this.#answer(read);
  }

  #answer(read: WaitingRead): void {
    const { kernels } = this.world;
    const bsp = this.#setup.options.consistency === "bsp";
    const recovery = read.clock === RECOVERY;
    const earlier = !recovery && read.clock < this.#minimum ? this.#previous : undefined;
    const values = earlier ?? this.values;
    const completed = earlier ? read.clock : this.#minimum;
    let payload: Float32Array;
    if (read.indices) {
      payload = new Float32Array(read.indices.length);
      kernels.gather(payload, values, read.indices);
    } else if (recovery || earlier) {
      payload = kernels.snapshot(values);
    } else {
      this.#snapshot ??= this.#still ? values : kernels.snapshot(values);
      payload = this.#snapshot;
    }
    this.world.network.send(
      read.from,
      VALUES,
      {
        clock: read.clock,
        completed,
        // Under BSP a push that is buffered is not yet in the values.
        own: bsp ? completed : this.#ownClock(read),
        held: this.world.clock.now() - read.since,
        waited: read.blockers.join(),
        ...(read.joins === undefined ? {} : { joins: read.joins }),
      },
      [payload],
    );
  }

  /**
   * Under BSP, with no mirrors that write here, the values do not change until every worker has installed
   * this answer and pushed again: the message may be a view.
   */
  get #still(): boolean {
    return this.#setup.options.consistency === "bsp" && this.#between === undefined;
  }

  #blockers(read: WaitingRead): readonly string[] {
    if (this.#minimum < read.need) {
      return this.domain.workers
        .filter((_, at) => this.#clocks.counts(at) && this.#clocks.of(at) < read.need)
        .map((worker) => worker.node.id);
    }
    return this.#between?.waitingFor(read) ?? [];
  }
}
