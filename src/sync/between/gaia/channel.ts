/**
 * One shard's way to one mirror. While the link keeps up, batches leave as they come. When it does not, what
 * waits is merged (a parameter that changes again costs nothing more), its indexes go ahead on the
 * control queue, and one batch leaves when the link is free: the selective barrier's sender (Hsieh et al.,
 * NSDI'17, section 3.3). Nothing is dropped: sent + waiting = offered.
 */
import { encodeIndices } from "../../../codec/indices.ts";
import {
  type EncodedUpdate,
  encodeUpdate,
  type SparseUpdate,
  type Update,
} from "../../../codec/update.ts";
import type { NodeId } from "../../../core/ids.ts";
import type { Scope } from "../../../core/scope.ts";
import type { World } from "../../../world/contract.ts";
import { INDEXES, UPDATE } from "./messages.ts";

/** An update on its way to several mirrors: encoded once. */
export class Batch {
  readonly #length: number;
  #sparse: SparseUpdate | undefined;
  readonly #dense: Float32Array | undefined;
  #encoded: EncodedUpdate | undefined;

  constructor(update: Update | ({ readonly format: "sparse" } & SparseUpdate), length: number) {
    this.#length = length;
    if (update.format === "dense") this.#dense = update.values;
    else this.#sparse = update;
  }

  get sparse(): SparseUpdate {
    this.#sparse ??= nonZero(this.#dense as Float32Array);
    return this.#sparse;
  }

  get encoded(): EncodedUpdate {
    this.#encoded ??= encodeUpdate(this.#dense ?? this.sparse, this.#length);
    return this.#encoded;
  }
}

/** States of an index at a channel. */
const ABSENT = 0;
const FRESH = 1;
const ANNOUNCED = 2;

export interface ChannelSetup {
  readonly world: World;
  readonly scope: Scope;
  readonly to: NodeId;
  /** Group that the updates on this channel come from, as the receiver counts it. */
  readonly group: number;
  readonly length: number;
  /** Announce the indexes of what waits. */
  readonly barrier: boolean;
  /** Every clock's batch leaves at once, even an empty one: the receiver waits for it. */
  readonly lockstep: boolean;
}

export class Channel {
  /** Bytes of payload sent so far. */
  sentBytes = 0;

  readonly #setup: ChannelSetup;
  /** What waits: sums, and the state of each index (allocated when first needed). */
  #waiting: Float32Array | undefined;
  #state: Uint8Array | undefined;
  /** Indices that wait, and those of them that were not announced. */
  #count = 0;
  #fresh = 0;
  #sequence = 0;
  #clock = 0;
  #draining = false;

  constructor(setup: ChannelSetup) {
    this.#setup = setup;
  }

  get to(): NodeId {
    return this.#setup.to;
  }

  /** Takes a batch; it leaves at the next `release`. */
  offer(batch: Batch): void {
    const { indices, values } = batch.sparse;
    if (indices.length === 0) return;
    const { kernels } = this.#setup.world;
    this.#waiting ??= kernels.allocate(this.#setup.length);
    this.#state ??= new Uint8Array(this.#setup.length);
    kernels.scatterAdd(this.#waiting, indices, values);
    const state = this.#state;
    for (let k = 0; k < indices.length; k++) {
      const index = indices[k] as number;
      if (state[index] !== ABSENT) continue;
      state[index] = FRESH;
      this.#fresh++;
      this.#count++;
    }
  }

  /** Sends a batch at once if nothing is in its way, else lets it wait for the link. */
  send(batch: Batch, clock: number): void {
    const { world, to, lockstep } = this.#setup;
    const free = this.#count === 0 && world.network.backlog(to) === 0;
    if (lockstep || free) {
      this.#clock = clock;
      if (batch.sparse.indices.length > 0 || lockstep) this.#transmit(batch.encoded);
      return;
    }
    this.offer(batch);
    this.release(clock);
  }

  /** Lets what waits go: now, or announced and as soon as the link is free. */
  release(clock: number): void {
    this.#clock = clock;
    const { world, to, lockstep, barrier } = this.#setup;
    if (this.#count === 0 && !lockstep) return;
    if (lockstep || (!this.#draining && world.network.backlog(to) === 0)) {
      this.#flush();
      return;
    }
    if (barrier) this.#announce();
    if (this.#draining) return;
    this.#draining = true;
    this.#setup.scope.spawn(async (scope) => {
      await world.network.drained(to, 0, scope);
      this.#draining = false;
      this.#flush();
    });
  }

  /** The sums that wait here, by index: for the books. */
  waiting(): SparseUpdate {
    if (!this.#waiting || this.#count === 0) {
      return { indices: new Uint32Array(0), values: new Float32Array(0) };
    }
    const indices = this.#indices();
    const values = new Float32Array(indices.length);
    this.#setup.world.kernels.gather(values, this.#waiting, indices);
    return { indices, values };
  }

  #announce(): void {
    if (this.#fresh === 0) return;
    const { world, to, length } = this.#setup;
    const state = this.#state as Uint8Array;
    const indices = new Uint32Array(this.#fresh);
    let at = 0;
    for (let i = 0; i < state.length; i++) {
      if (state[i] !== FRESH) continue;
      state[i] = ANNOUNCED;
      indices[at++] = i;
    }
    this.#fresh = 0;
    this.#sequence++;
    const payload = [encodeIndices(indices, length)];
    world.network.send(to, INDEXES, { sequence: this.#sequence }, payload);
  }

  #indices(): Uint32Array {
    const state = this.#state as Uint8Array;
    const indices = new Uint32Array(this.#count);
    let at = 0;
    for (let i = 0; i < state.length; i++) if (state[i] !== ABSENT) indices[at++] = i;
    return indices;
  }

  #flush(): void {
    const { world, length } = this.#setup;
    const empty = this.#count === 0;
    const indices = empty ? new Uint32Array(0) : this.#indices();
    const values = new Float32Array(indices.length);
    if (this.#waiting) world.kernels.take(values, this.#waiting, indices);
    this.#state?.fill(ABSENT);
    const announced = this.#fresh === 0 && !empty && this.#setup.barrier;
    this.#count = 0;
    this.#fresh = 0;
    // The receiver knows the indexes already: the values alone go over the link.
    if (announced)
      this.#transmit({ format: "announced", payload: [values], bytes: 4 * values.length });
    else this.#transmit(encodeUpdate({ indices, values }, length));
  }

  #transmit(update: {
    readonly format: string;
    readonly payload: readonly ArrayBufferView[];
    readonly bytes: number;
  }): void {
    const { world, to, group } = this.#setup;
    this.sentBytes += update.bytes;
    world.network.send(
      to,
      UPDATE,
      { group, clock: this.#clock, settles: this.#sequence, format: update.format },
      update.payload,
    );
  }
}

function nonZero(dense: Float32Array): SparseUpdate {
  const indices = new Uint32Array(dense.length);
  let count = 0;
  for (let i = 0; i < dense.length; i++) if (dense[i] !== 0) indices[count++] = i;
  const values = new Float32Array(count);
  for (let k = 0; k < count; k++) values[k] = dense[indices[k] as number] as number;
  return { indices: indices.slice(0, count), values };
}
