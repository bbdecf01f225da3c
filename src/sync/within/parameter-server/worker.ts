/**
 * The worker: read, compute, push, once a clock (Li et al., "Scaling Distributed Machine Learning with the
 * Parameter Server", OSDI'14). Pulls go out before they are needed; private parameters stay here.
 */

import type { Scope } from "../../../core/scope.ts";
import { createBatches } from "../../../data/batches.ts";
import { createRule } from "../../../optimize/rule.ts";
import type { World } from "../../../world/contract.ts";
import type { Between, Domain, Training, WorkerPlan } from "../../contract.ts";
import { ParameterCache } from "./cache.ts";
import type { ParameterServerOptions } from "./options.ts";

export interface WorkerSetup {
  readonly options: ParameterServerOptions;
  readonly training: Training;
  readonly domain: Domain;
  readonly worker: WorkerPlan;
  readonly between: Between;
  /** The copy with which private parameters are judged. */
  readonly copy: string;
}

/** A batch that is known ahead of its clock. */
interface Upcoming {
  readonly clock: number;
  readonly rows: Uint32Array;
  readonly shared: Uint32Array | undefined;
  readonly own: Uint32Array | undefined;
}

export async function runWorker(setup: WorkerSetup, world: World, scope: Scope): Promise<void> {
  const { training, worker } = setup;
  const cache = new ParameterCache(setup, world);
  const own = new PrivateParameters(setup, world);
  const ahead = upcoming(setup, world);
  const longest = world.kernels.allocate(outLength(training));
  const started = await restarted(cache, world, scope);
  await own.restore(started);
  await setup.between.beforeTraining?.(world, scope);

  for (let clock = 0; clock < training.maxClocks; clock++) {
    const batch = ahead.next(clock);
    if (clock < started) continue;
    for (const next of ahead.known()) cache.ask(next.clock, next.shared);
    const asked = world.clock.now();
    await cache.read(clock, scope);
    const read = world.clock.now();
    const sharedLength = batch.shared?.length ?? longest.length;
    const out = longest.subarray(0, sharedLength + (batch.own?.length ?? 0));
    const result = await world.compute(
      {
        learner: training.learnerId,
        dataset: training.datasetId,
        rows: batch.rows,
        parameters: cache.values,
        own: own.values,
        out,
        flops: training.learner.flops(batch.rows.length),
        worker: worker.number,
        clock,
      },
      scope,
    );
    const computed = world.clock.now();
    const shared = out.subarray(0, sharedLength);
    if (batch.own) await own.update(clock, batch.own, out.subarray(sharedLength));
    cache.push(clock, shared, batch.shared);
    cache.preview(clock, shared, batch.shared);
    world.emit({
      type: "clock",
      t: computed,
      node: world.node.id,
      site: world.node.site,
      clock: clock + 1,
      loss: result.loss,
      examples: result.examples,
      computeMicros: computed - read,
      waitMicros: read - asked,
      wireMicros: Math.max(0, read - asked - cache.heldMicros),
      ...(read > asked && cache.waitedFor.length > 0 ? { waitedFor: cache.waitedFor } : {}),
    });
  }
  await cache.settle(training.maxClocks, scope);
}

/** Length of a step's result: all parameters, or the largest working and private set of a batch. */
function outLength({ learner, batch, dataset }: Training): number {
  if (!learner.workingSet || dataset.kind !== "ratings") return learner.layout.length;
  const itemWidth = learner.layout.length / dataset.itemCount;
  const userWidth = learner.privateLength / dataset.userCount;
  return Math.ceil(batch * (itemWidth + userWidth));
}

/** The first clock: after a crash, how many the owners already have of this worker; in mid-run, where they are. */
async function restarted(cache: ParameterCache, world: World, scope: Scope): Promise<number> {
  if ((await world.store.get("started")) === undefined) {
    await world.store.put("started", new Uint8Array(1));
    return world.members.incarnation(world.node.id) > 0 ? cache.join(scope) : 0;
  }
  return cache.recover(scope);
}

/** Batches in order, known as many clocks ahead as pulls may run ahead. */
function upcoming(setup: WorkerSetup, world: World) {
  const { training, worker, options } = setup;
  const batches = createBatches(worker.rows, training.batch, world.random.stream("batches"));
  const { learner, dataset } = training;
  const depth = { bsp: 0, ssp: options.staleness, tap: 1 }[options.consistency];
  const queue: Upcoming[] = [];
  let drawn = 0;
  return {
    next(clock: number): Upcoming {
      while (queue[0] && queue[0].clock < clock) queue.shift();
      while (drawn <= Math.min(clock + (learner.workingSet ? depth : 0), training.maxClocks - 1)) {
        const batch = { dataset, rows: batches.next() };
        queue.push({
          clock: drawn++,
          rows: batch.rows,
          shared: learner.workingSet?.(batch),
          own: learner.privateSet?.(batch),
        });
      }
      return queue[0] as Upcoming;
    },
    known: (): readonly Upcoming[] => queue,
  };
}

const slot = (clocks: number): string => `private.${clocks % 2}`;

/** Parameters that never leave this worker, with a rule of their own. */
class PrivateParameters {
  readonly values: Float32Array | undefined;
  readonly #world: World;
  readonly #rule;
  readonly #delta: Float32Array | undefined;

  readonly #share: number;

  constructor({ training, worker, copy, domain }: WorkerSetup, world: World) {
    this.#world = world;
    // As shared gradients are: the whole domain's clock counts as one batch.
    this.#share = 1 / domain.divisor;
    const { optimizer, learner } = training;
    const length = learner.privateLength;
    if (length === 0) return;
    this.values = world.kernels.allocate(length);
    const initial = learner.initialisePrivate?.(world.random.stream("private"));
    if (initial) world.kernels.copy(this.values, initial);
    const trained = learner.kind === "delta" ? 0 : length;
    this.#rule = createRule({ optimizer, length, trained, part: 1 }, world.kernels);
    this.#delta = world.kernels.allocate(length);
    training.observer.attachPrivate(worker, copy, this.values);
  }

  /**
   * Applies a step's private gradient, and keeps the result across a crash. The last two states are kept: under
   * BSP a restarted worker may have to repeat one clock.
   */
  async update(clock: number, indices: Uint32Array, gradient: Float32Array): Promise<void> {
    if (!this.values || !this.#rule || !this.#delta) return;
    const delta = this.#delta.subarray(0, indices.length);
    this.#world.kernels.scale(gradient, this.#share);
    this.#rule.sparseDelta(indices, gradient, clock, delta);
    this.#world.kernels.scatterAdd(this.values, indices, delta);
    const kept = this.#world.kernels.snapshot(this.values);
    await this.#world.store.put(
      slot(clock + 1),
      new Uint8Array(kept.buffer, kept.byteOffset, kept.byteLength),
    );
  }

  /** The state after so many clocks. */
  async restore(clocks: number): Promise<void> {
    const kept = clocks > 0 ? await this.#world.store.get(slot(clocks)) : undefined;
    if (!kept || !this.values) return;
    this.#world.kernels.copy(
      this.values,
      new Float32Array(kept.buffer, kept.byteOffset, kept.byteLength / 4),
    );
  }
}
