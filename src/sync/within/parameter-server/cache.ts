/**
 * A worker's copy of the parameters: pulls ahead, waits only as long as the consistency model asks, and
 * always shows the worker its own writes (Ho et al., NIPS'13; Wei et al., "Managed Communication and
 * Consistency for Fast Data-Parallel Iterative Analytics", SoCC'15).
 *
 * Every node derives the same starting values from the run's seed, so the first reads need no message.
 * Answers that arrive during a step are kept and installed before the next one: parameters do not change
 * under a running computation.
 */
import { encodeIndices } from "../../../codec/indices.ts";
import type { Condition } from "../../../core/condition.ts";
import type { Scope } from "../../../core/scope.ts";
import { lowerBound } from "../../../core/sorted.ts";
import type { Micros } from "../../../core/units.ts";
import { scheduleFactor } from "../../../optimize/schedule.ts";
import type { World } from "../../../world/contract.ts";
import type { Header, Message } from "../../../world/message.ts";
import {
  type Between,
  type Domain,
  type OwnerPlan,
  siteOf,
  type Training,
  type WorkerPlan,
} from "../../contract.ts";
import { trainedOf } from "../../state.ts";
import { ENTER, PULL, PUSH, RECOVERY, VALUES } from "./messages.ts";
import type { ParameterServerOptions } from "./options.ts";

/** An own update that may not be in what the owners sent. */
interface OwnWrite {
  readonly clock: number;
  readonly indices: Uint32Array | undefined;
  readonly delta: Float32Array;
}

interface Shard {
  readonly owner: OwnerPlan;
  /** What the installed values contain: clocks finished by all, and by this worker. */
  completed: number;
  own: number;
  /** The freshest state asked for so far, in clocks finished by all. */
  needAsked: number;
  /** Pulls on their way, with the indices (from the range's start) that each asked for. */
  readonly asked: Map<number, Uint32Array | undefined>;
  /** Answers not yet installed, in order of arrival. */
  arrived: Message[];
}

export interface CacheSetup {
  readonly options: ParameterServerOptions;
  readonly training: Training;
  readonly domain: Domain;
  readonly worker: WorkerPlan;
  readonly between: Between;
}

export class ParameterCache {
  readonly values: Float32Array;
  /** Sites that the last read waited for. */
  waitedFor: readonly string[] = [];
  /** For how long the owners held what the last read waited for, longest of the last to come. */
  heldMicros: Micros = 0;

  readonly #world: World;
  readonly #setup: CacheSetup;
  readonly #shards: readonly Shard[];
  readonly #byNode = new Map<string, Shard>();
  readonly #condition: Condition;
  #writes: OwnWrite[] = [];
  /** The number of this incarnation, which the owners send back to a joiner. */
  #expected: number | undefined;

  constructor(setup: CacheSetup, world: World) {
    this.#setup = setup;
    this.#world = world;
    this.values = world.kernels.allocate(setup.training.initial.length);
    world.kernels.copy(this.values, setup.training.initial);
    this.#condition = world.condition();
    this.#shards = setup.domain.owners.map((owner) => ({
      owner,
      completed: 0,
      own: 0,
      needAsked: 0,
      asked: new Map(),
      arrived: [],
    }));
    for (const shard of this.#shards) this.#byNode.set(shard.owner.node.id, shard);
    world.network.handle(VALUES, (message, from) => {
      const shard = this.#byNode.get(from);
      // What an earlier incarnation of this node asked for is not ours, or the same again.
      const clock = message.header["clock"] as number;
      if (!shard?.asked.has(clock)) return;
      const joins = message.header["joins"];
      if (clock === RECOVERY && joins !== this.#expected) return;
      if (shard.arrived.some((other) => other.header["clock"] === clock)) return;
      shard.arrived.push(message);
      this.#condition.notify();
    });
  }

  /** Clocks of all workers that a read at `clock` must contain. */
  need(clock: number): number {
    const { consistency, staleness } = this.#setup.options;
    if (this.#fenced(clock)) return clock;
    if (consistency === "tap") return 0;
    return consistency === "bsp" ? clock : Math.max(0, clock - staleness);
  }

  /** Asks every owner for what a read at `clock` needs, ahead of the read. Indices: the working set. */
  ask(clock: number, indices: Uint32Array | undefined): void {
    const fenced = this.#fenced(clock);
    if (clock === 0 && !fenced) return;
    for (const shard of this.#shards) {
      if (shard.asked.has(clock)) continue;
      const enough = this.#previewed && this.need(clock) <= shard.needAsked;
      // A dense pull brings everything: one on its way that is fresh enough will do.
      if (indices === undefined && shard.asked.size > 0 && enough && !fenced) continue;
      const wanted = indices && within(indices, shard.owner);
      // Under BSP, and at a fence, an empty read still waits for every worker's clock.
      const waits = fenced || this.#setup.options.consistency === "bsp";
      if (wanted?.length === 0 && !waits) continue;
      shard.asked.set(clock, wanted);
      shard.needAsked = Math.max(shard.needAsked, this.need(clock));
      const length = shard.owner.range.end - shard.owner.range.start;
      this.#world.network.send(
        shard.owner.node.id,
        PULL,
        {
          clock,
          need: this.need(clock),
          own: this.#previewed ? 0 : clock,
          worker: this.#setup.worker.number,
        },
        wanted ? [encodeIndices(wanted, length)] : [],
      );
    }
  }

  /** Waits until the values may be read at `clock`; `ask` was called for it. */
  async read(clock: number, scope: Scope): Promise<void> {
    const sparse = this.#setup.training.learner.workingSet !== undefined;
    const fenced = this.#fenced(clock);
    const lacking = (shard: Shard): boolean => {
      if (clock === 0 && !fenced) return false;
      if (sparse || fenced) {
        if (!fenced && this.need(clock) === 0 && this.#previewed) return false;
        return shard.asked.has(clock) && !shard.arrived.some((m) => m.header["clock"] === clock);
      }
      const latest = shard.arrived.at(-1)?.header;
      const completed = (latest?.["completed"] as number | undefined) ?? shard.completed;
      const own = (latest?.["own"] as number | undefined) ?? shard.own;
      return completed < this.need(clock) || (!this.#previewed && own < clock);
    };
    const slow = this.#shards.filter(lacking);
    this.waitedFor = [];
    this.heldMicros = 0;
    if (slow.length > 0) {
      let last = slow;
      await this.#condition.until(
        () => {
          const still = last.filter(lacking);
          if (still.length > 0) last = still;
          return still.length === 0;
        },
        {
          what: `values for clock ${clock}`,
          whom: () => last.map((shard) => shard.owner.node.id),
        },
        scope,
      );
      this.waitedFor = this.#blame(last);
      const held = last.map((shard) => (shard.arrived.at(-1)?.header["held"] as number) ?? 0);
      this.heldMicros = Math.max(...held);
    }
    for (const shard of this.#shards) this.#install(shard);
    const own = Math.min(...this.#shards.map((shard) => shard.own));
    this.#writes = this.#writes.filter((write) => write.clock >= own);
  }

  /**
   * Sends an update to the owners. Under BSP the message is a view: every owner has applied it before this
   * worker's next read returns, hence before the next step overwrites it.
   */
  push(clock: number, update: Float32Array, indices: Uint32Array | undefined): void {
    const { kernels, network } = this.#world;
    const bsp = this.#setup.options.consistency === "bsp";
    const part = (from: number, to: number): Float32Array => {
      const view = update.subarray(from, to);
      return bsp ? view : kernels.snapshot(view);
    };
    for (const { owner } of this.#shards) {
      const header = { clock, worker: this.#setup.worker.number };
      const { start, end } = owner.range;
      if (indices === undefined) {
        network.send(owner.node.id, PUSH, header, [part(start, end)]);
        continue;
      }
      const from = lowerBound(indices, start);
      const to = lowerBound(indices, end);
      network.send(owner.node.id, PUSH, header, [
        encodeIndices(within(indices, owner), end - start),
        part(from, to),
      ]);
    }
  }

  /** The immediate effect of the own update, shown at once (under BSP the next read brings it). */
  preview(clock: number, update: Float32Array, indices: Uint32Array | undefined): void {
    if (!this.#previewed) return;
    const { kernels } = this.#world;
    const delta = this.#immediate(clock, update, indices);
    // After a restart some shards have this update already.
    for (const { own, owner } of this.#shards) {
      if (clock >= own) continue;
      const { start, end } = owner.range;
      if (indices) delta.fill(0, lowerBound(indices, start), lowerBound(indices, end));
      else delta.fill(0, start, end);
    }
    this.#writes.push({ clock, indices, delta });
    if (indices) kernels.scatterAdd(this.values, indices, delta);
    else kernels.add(this.values, delta);
  }

  /** -rate * gradient where the optimizer trains, the change itself where there is state; over all workers. */
  #immediate(clock: number, update: Float32Array, indices: Uint32Array | undefined): Float32Array {
    const { training, domain } = this.#setup;
    const { kernels } = this.#world;
    const { learningRate, schedule } = training.optimizer;
    const trained = trainedOf(training.learner);
    const border = indices ? lowerBound(indices, trained) : trained;
    const delta = new Float32Array(update.length);
    const add = (factor: number, from: number, to: number): void =>
      kernels.axpy(delta.subarray(from, to), factor / domain.divisor, update.subarray(from, to));
    add(-learningRate * scheduleFactor(schedule, clock), 0, border);
    add(1, border, update.length);
    return delta;
  }

  /**
   * After the last clock: waits until every owner has all own updates, and all others that a read would need.
   * The copy is then as consistent as it was at every clock, and lacks nothing of this worker.
   */
  async settle(clock: number, scope: Scope): Promise<void> {
    const { training, worker } = this.#setup;
    for (const { owner, asked } of this.#shards) {
      const length = owner.range.end - owner.range.start;
      const one = training.learner.workingSet && new Uint32Array(Math.min(1, length));
      asked.set(clock, one);
      const header = { clock, need: this.need(clock), own: clock, worker: worker.number };
      const payload = one ? [encodeIndices(one, length)] : [];
      this.#world.network.send(owner.node.id, PULL, header, payload);
    }
    const open = (): Shard[] =>
      this.#shards.filter(({ arrived }) => !arrived.some((m) => m.header["clock"] === clock));
    await this.#condition.until(
      () => open().length === 0,
      { what: "its last updates to be in", whom: () => open().map(({ owner }) => owner.node.id) },
      scope,
    );
  }

  /**
   * After a crash: fetches everything anew; answers how many own clocks all owners have. Under BSP the next read
   * asks for the values of just that clock.
   */
  async recover(scope: Scope): Promise<number> {
    await this.#fetch({}, "the parameters after a restart", scope);
    return this.#begin(Math.min(...this.#shards.map((shard) => shard.own)));
  }

  /**
   * In mid-run: fetches the live copy. Every owner counts this worker from its answer on, at the clock that all others
   * have finished there; it begins at the latest of these clocks, and tells the owners.
   */
  async join(scope: Scope): Promise<number> {
    const { members, node } = this.#world;
    this.#expected = members.incarnation(node.id);
    await this.#fetch({ joins: this.#expected }, "the live copy", scope);
    const clock = this.#begin(Math.max(...this.#shards.map((shard) => shard.own)));
    for (const shard of this.#shards) {
      const header = { clock, worker: this.#setup.worker.number };
      this.#world.network.send(shard.owner.node.id, ENTER, header);
    }
    return clock;
  }

  async #fetch(more: Header, what: string, scope: Scope): Promise<void> {
    for (const shard of this.#shards) {
      shard.asked.set(RECOVERY, undefined);
      const header = { clock: RECOVERY, need: 0, own: 0, worker: this.#setup.worker.number };
      this.#world.network.send(shard.owner.node.id, PULL, { ...header, ...more });
    }
    const open = (): Shard[] => this.#shards.filter((shard) => shard.arrived.length === 0);
    const whom = (): string[] => open().map(({ owner }) => owner.node.id);
    await this.#condition.until(() => open().length === 0, { what, whom }, scope);
    for (const shard of this.#shards) this.#install(shard);
  }

  /** Under BSP only the values of just that clock will do. */
  #begin(clock: number): number {
    if (this.#setup.options.consistency === "bsp") {
      for (const shard of this.#shards) shard.completed = shard.own = RECOVERY;
      if (clock === 0) this.#world.kernels.copy(this.values, this.#setup.training.initial);
    }
    return clock;
  }

  #fenced(clock: number): boolean {
    const { between, domain, training } = this.#setup;
    return between.fence?.(domain, clock, training) ?? false;
  }

  /** Whether own writes are shown from here rather than waited for. */
  get #previewed(): boolean {
    const { kind } = this.#setup.training.optimizer;
    const linear = kind === "sgd" || kind === "momentum";
    return this.#setup.options.consistency !== "bsp" && linear;
  }

  #install(shard: Shard): void {
    const { kernels } = this.#world;
    const { start, end } = shard.owner.range;
    for (const message of shard.arrived) {
      const clock = message.header["clock"] as number;
      const own = message.header["own"] as number;
      const asked = shard.asked.get(clock);
      shard.asked.delete(clock);
      const payload = message.payload[0] as Float32Array;
      const values = this.values.subarray(start, end);
      if (asked) kernels.scatter(values, asked, payload);
      else kernels.copy(values, payload);
      for (const write of this.#writes) {
        if (write.clock < own) continue;
        if (asked && write.indices) addCommon(values, asked, write, start);
        else kernels.add(values, write.delta.subarray(start, end));
      }
      shard.completed = message.header["completed"] as number;
      shard.own = own;
    }
    shard.arrived = [];
  }

  #blame(shards: readonly Shard[]): readonly string[] {
    const sites = new Set<string>();
    for (const shard of shards) {
      const waited = shard.arrived.at(-1)?.header["waited"] as string | undefined;
      for (const site of waited ? waited.split(",") : [siteOf(shard.owner.node.id)])
        sites.add(site);
    }
    return [...sites];
  }
}

/** The indices that fall in the owner's range, counted from its start. */
function within(indices: Uint32Array, { range }: OwnerPlan): Uint32Array {
  const part = indices.subarray(lowerBound(indices, range.start), lowerBound(indices, range.end));
  return range.start === 0 ? part : part.map((index) => index - range.start);
}

/** values[i] += delta for the indices that both the answer and the own write name. */
function addCommon(values: Float32Array, asked: Uint32Array, write: OwnWrite, start: number): void {
  const indices = write.indices as Uint32Array;
  let k = lowerBound(indices, start + (asked[0] ?? 0));
  for (let a = 0; a < asked.length && k < indices.length; a++) {
    const wanted = start + (asked[a] as number);
    while (k < indices.length && (indices[k] as number) < wanted) k++;
    if (indices[k] === wanted) {
      const at = asked[a] as number;
      values[at] = (values[at] as number) + (write.delta[k] as number);
    }
  }
}
