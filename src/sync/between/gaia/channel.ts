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
import { union } from "../../../core/sorted.ts";
import type { World } from "../../../world/contract.ts";
import type { Header } from "../../../world/message.ts";
import { siteOf } from "../../contract.ts";
import { INDEXES, MARK, UPDATE } from "./messages.ts";

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

  subtractFrom(values: Float32Array): void {
    const { indices, values: own } = this.sparse;
    for (let k = 0; k < indices.length; k++) {
      const i = indices[k] as number;
      values[i] = (values[i] as number) - (own[k] as number);
    }
  }

  get encoded(): EncodedUpdate {
    this.#encoded ??= encodeUpdate(this.#dense ?? this.sparse, this.#length);
    return this.#encoded;
  }
}

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
  /** What waits: sums, and a mark for each index (allocated when first needed). */
  #waiting: Float32Array | undefined;
  #marks: Uint8Array | undefined;
  /** Indices that wait: ascending sets, disjoint. Those of `#fresh` were not announced. */
  #known: Uint32Array[] = [];
  #fresh: Uint32Array[] = [];
  #sequence = 0;
  #clock = 0;
  #draining = false;
  #closed = false;

  constructor(setup: ChannelSetup) {
    this.#setup = setup;
  }

  get to(): NodeId {
    return this.#setup.to;
  }

  get site(): string {
    return siteOf(this.#setup.to);
  }

  /** Group that the updates on this channel come from. */
  get group(): number {
    return this.#setup.group;
  }

  get #empty(): boolean {
    return this.#known.length === 0 && this.#fresh.length === 0;
  }

  /** Takes a batch; it leaves at the next `release`. */
  offer(batch: Batch): void {
    const { indices, values } = batch.sparse;
    if (indices.length === 0) return;
    const { kernels } = this.#setup.world;
    this.#waiting ??= kernels.allocate(this.#setup.length);
    this.#marks ??= new Uint8Array(this.#setup.length);
    kernels.scatterAdd(this.#waiting, indices, values);
    const marks = this.#marks;
    const fresh = new Uint32Array(indices.length);
    let count = 0;
    for (let k = 0; k < indices.length; k++) {
      const index = indices[k] as number;
      if (marks[index] !== 0) continue;
      marks[index] = 1;
      fresh[count++] = index;
    }
    if (count > 0) this.#fresh.push(count === fresh.length ? fresh : fresh.slice(0, count));
  }

  /** Sends a batch at once if nothing is in its way, else lets it wait for the link. */
  send(batch: Batch, clock: number): void {
    const { world, to, lockstep } = this.#setup;
    const free = this.#empty && world.network.backlog(to) === 0;
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
    if (this.#empty && !lockstep) return;
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
      if (!this.#closed && !this.#empty) this.#flush();
    });
  }

  /** Everything offered so far leaves, and then a mark, in the order of the bulk queue. */
  mark(header: Header): void {
    if (!this.#empty) this.#flush();
    this.#setup.world.network.send(this.#setup.to, MARK, header);
  }

  /** The receiver has left, or gets its updates another way: what waits is for nobody. */
  close(): void {
    this.#closed = true;
  }

  /** The sums that wait here, by index: for the books. */
  waiting(): SparseUpdate {
    if (!this.#waiting || this.#empty) {
      return { indices: new Uint32Array(0), values: new Float32Array(0) };
    }
    const indices = union([...this.#known, ...this.#fresh]);
    const values = new Float32Array(indices.length);
    this.#setup.world.kernels.gather(values, this.#waiting, indices);
    return { indices, values };
  }

  #announce(): void {
    if (this.#fresh.length === 0) return;
    const { world, to, group, length } = this.#setup;
    const indices = union(this.#fresh);
    this.#known.push(indices);
    this.#fresh = [];
    this.#sequence++;
    const payload = [encodeIndices(indices, length)];
    world.network.send(to, INDEXES, { group, sequence: this.#sequence }, payload);
  }

  #flush(): void {
    const { world, length, barrier } = this.#setup;
    const announced = this.#fresh.length === 0 && this.#known.length > 0 && barrier;
    const indices = union([...this.#known, ...this.#fresh]);
    const values = new Float32Array(indices.length);
    if (this.#waiting) world.kernels.take(values, this.#waiting, indices);
    const marks = this.#marks;
    if (marks) for (let k = 0; k < indices.length; k++) marks[indices[k] as number] = 0;
    this.#known = [];
    this.#fresh = [];
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
