/**
 * What the leaves of a tree remember of their examples to find a split: for a few features, drawn for each leaf, how many
 * examples of each class lay in which interval. The bounds of the intervals are the first different values that the leaf
 * met, as online extremely randomised trees draw thresholds (Saffari et al., "On-line random forests", OLCV 2009), so that
 * they follow the data whatever its distribution; what lay below a bound before it came counts as above it.
 *
 * Slot k of each array is leaf k's. Weights are integers below 2^16.
 */
import type { DenseDataset } from "../../core/dataset.ts";
import type { PortionReader, PortionWriter } from "./bytes.ts";
import { portionInvalid } from "./bytes.ts";
import type { Dice } from "./dice.ts";

export interface HistogramShape {
  readonly features: number;
  readonly classes: number;
  /** Features that a leaf considers. */
  readonly subspace: number;
  readonly bins: number;
}

type Floats = Float32Array<ArrayBuffer>;

export class Histograms {
  readonly shape: HistogramShape;
  /** subspace a leaf: the feature. */
  places = new Uint32Array(0);
  /** subspace x (bins - 1) a leaf: bounds, ascending; an interval holds what is at most its bound. */
  bounds: Floats = new Float32Array(0);
  /** subspace a leaf: how many bounds there are. */
  filled = new Uint8Array(0);
  /** subspace x bins x classes a leaf. */
  counts = new Uint16Array(0);
  #slots = 0;
  /** Entries of `counts` that are not zero. */
  #present = 0;

  constructor(shape: HistogramShape) {
    this.shape = shape;
  }

  /** Forgets what was at the slot, if anything, and draws features for it. */
  begin(slot: number, dice: Dice): void {
    this.#reserve(slot + 1);
    const { subspace, features } = this.shape;
    this.#clear(slot);
    const first = slot * subspace;
    const has = (end: number, place: number): boolean => {
      for (let at = first; at < end; at++) if (this.places[at] === place) return true;
      return false;
    };
    // Floyd's algorithm: subspace different ones out of features.
    for (let j = 0; j < subspace; j++) {
      const last = features - subspace + j;
      const drawn = dice.below(last + 1);
      this.places[first + j] = has(first + j, drawn) ? last : drawn;
    }
  }

  /** Counts an example, `weight` times. Its features begin at `base`. */
  add(slot: number, data: DenseDataset, base: number, label: number, weight: number): void {
    const { subspace, bins, classes } = this.shape;
    const { features, scale, offset } = data;
    const { places, bounds, filled, counts } = this;
    for (let k = slot * subspace; k < (slot + 1) * subspace; k++) {
      const value = Math.fround(
        (features[base + (places[k] as number)] as number) * scale + offset,
      );
      const first = k * (bins - 1);
      const have = filled[k] as number;
      let b = 0;
      while (b < have && value > (bounds[first + b] as number)) b++;
      if (have < bins - 1 && (b === have || value !== bounds[first + b])) this.#insert(k, b, value);
      const at = (k * bins + b) * classes + label;
      if (counts[at] === 0) this.#present++;
      counts[at]! += weight;
    }
  }

  /** Halves all counts of a leaf, rounded down. */
  halve(slot: number): void {
    const { subspace, bins, classes } = this.shape;
    const each = subspace * bins * classes;
    for (let at = slot * each; at < (slot + 1) * each; at++) {
      if (this.counts[at] === 1) this.#present--;
      this.counts[at]! >>= 1;
    }
  }

  bytes(slots: number): number {
    const { subspace, bins, classes } = this.shape;
    const all = slots * subspace * bins * classes;
    return slots * subspace * (4 + 1 + 4 * (bins - 1)) + Math.ceil(all / 8) + 2 * this.#present;
  }

  /** Of the slots in this order. */
  write(writer: PortionWriter, slots: readonly number[]): void {
    const { subspace, bins, classes } = this.shape;
    const counts = new Uint16Array(slots.length * subspace * bins * classes);
    for (const [i, slot] of slots.entries()) {
      const part = <T extends Floats | Uint32Array | Uint8Array | Uint16Array>(
        all: T,
        each: number,
      ) => all.subarray(slot * subspace * each, (slot + 1) * subspace * each) as T;
      for (const place of part(this.places, 1)) writer.u32(place);
      writer.bytes(part(this.filled, 1));
      writer.f32s(part(this.bounds, bins - 1));
      counts.set(part(this.counts, bins * classes), i * subspace * bins * classes);
    }
    const mask = new Uint8Array(Math.ceil(counts.length / 8));
    for (let at = 0; at < counts.length; at++)
      if (counts[at] !== 0) mask[at >> 3]! |= 1 << (at & 7);
    writer.bytes(mask);
    writer.u16s(counts.filter((count) => count !== 0));
  }

  /** Of slots 0 .. slots - 1. */
  static read(reader: PortionReader, shape: HistogramShape, slots: number): Histograms {
    const read = new Histograms(shape);
    const { subspace, bins, classes, features } = shape;
    // Before memory is taken: the bytes must be there.
    const parts = Array.from({ length: slots }, () => ({
      places: Uint32Array.from({ length: subspace }, () =>
        reader.within(reader.u32(), 0, features - 1, "a feature of a leaf"),
      ),
      filled: reader.u8s(subspace),
      bounds: reader.f32s(subspace * (bins - 1), "a bound of an interval"),
    }));
    const all = slots * subspace * bins * classes;
    const mask = reader.u8s(Math.ceil(all / 8));
    read.#reserve(slots);
    for (const [slot, { places, filled, bounds }] of parts.entries()) {
      if (filled.some((count) => count > bins - 1)) throw portionInvalid("a leaf has many bounds");
      read.places.set(places, slot * subspace);
      read.filled.set(filled, slot * subspace);
      read.bounds.set(bounds, slot * subspace * (bins - 1));
    }
    for (let at = 0; at < all; at++)
      if (((mask[at >> 3] as number) >> (at & 7)) & 1) {
        read.counts[at] = reader.within(reader.u16(), 1, 2 ** 15, "examples of an interval");
        read.#present++;
      }
    return read;
  }

  #insert(k: number, b: number, value: number): void {
    const { bins, classes } = this.shape;
    const { bounds, counts, filled } = this;
    const first = k * (bins - 1);
    const have = filled[k] as number;
    bounds.copyWithin(first + b + 1, first + b, first + have);
    bounds[first + b] = value;
    const cells = k * bins * classes;
    counts.copyWithin(cells + (b + 1) * classes, cells + b * classes, cells + (have + 1) * classes);
    counts.fill(0, cells + b * classes, cells + (b + 1) * classes);
    filled[k] = have + 1;
  }

  #clear(slot: number): void {
    const { subspace, bins, classes } = this.shape;
    const [from, to] = [slot * subspace, (slot + 1) * subspace];
    this.filled.fill(0, from, to);
    this.bounds.fill(0, from * (bins - 1), to * (bins - 1));
    for (let at = from * bins * classes; at < to * bins * classes; at++) {
      if (this.counts[at] !== 0) this.#present--;
      this.counts[at] = 0;
    }
  }

  #reserve(slots: number): void {
    if (slots <= this.#slots) return;
    this.#slots = Math.max(slots, Math.ceil(1.5 * this.#slots));
    const { subspace, bins, classes } = this.shape;
    const entries = this.#slots * subspace;
    const grown = <T extends { set(from: T): void }>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    this.places = grown(new Uint32Array(entries), this.places);
    this.filled = grown(new Uint8Array(entries), this.filled);
    this.bounds = grown(new Float32Array(entries * (bins - 1)), this.bounds);
    this.counts = grown(new Uint16Array(entries * bins * classes), this.counts);
  }
}
