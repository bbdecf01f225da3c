/**
 * A decision tree that grows with its stream (Domingos and Hulten, "Mining high-speed data streams", KDD 2000): a leaf
 * counts its examples until Hoeffding's bound says that one of its features splits them best, and then splits. Nodes are
 * rows of typed arrays; their number is bounded, and a full tree gives the memory of its histograms back.
 */
import type { DenseDataset } from "../../core/dataset.ts";
import type { Flops } from "../../core/units.ts";
import type { Dice } from "./dice.ts";
import { type HistogramShape, Histograms } from "./histograms.ts";
import { CutFinder, type SplitRule, shouldSplit } from "./split.ts";

export interface TreeShape extends HistogramShape, SplitRule {
  /** Odd. */
  readonly maxNodes: number;
  readonly grace: number;
}

/** Weight at which a leaf halves its counts, so that it follows slow changes; below 2^16, which histograms hold. */
export const LEAF_MEMORY = 8192;

export const LEAF = -1;

export class HoeffdingTree {
  readonly shape: TreeShape;
  nodes = 1;
  leaves = 1;
  /** A node: the feature that it asks for, or LEAF. */
  feature = new Int32Array(1).fill(LEAF);
  /** A branch: examples whose feature is at most this go left. */
  threshold: Float32Array = new Float32Array(1);
  /** A branch: its left child, which the right one follows. A leaf: its slot. */
  next = new Int32Array(1);
  /** Classes a slot: weight of the leaf's examples. */
  weights: Float32Array;
  /** A slot: their sum. */
  total: Float32Array = new Float32Array(1);
  /** A slot: what `total` was when a split was last tried. */
  tried: Float32Array = new Float32Array(1);
  /** A slot: the class with most weight. */
  major = new Uint16Array(1);
  /** Absent once the tree is full. */
  histograms: Histograms | undefined;
  readonly #finder: CutFinder;

  /** Without `dice`: to be filled by who reads a tree. */
  constructor(shape: TreeShape, dice?: Dice) {
    this.shape = shape;
    this.weights = new Float32Array(shape.classes);
    this.#finder = new CutFinder(shape.classes);
    if (!dice || shape.maxNodes < 3) return;
    this.histograms = new Histograms(shape);
    this.histograms.begin(0, dice);
  }

  /** The node of the leaf that an example falls into. Its features begin at `base`. */
  find({ features, scale, offset }: DenseDataset, base: number): number {
    const { feature, threshold, next } = this;
    let node = 0;
    for (;;) {
      const at = feature[node] as number;
      if (at === LEAF) return node;
      const value = Math.fround((features[base + at] as number) * scale + offset);
      node = (next[node] as number) + (value <= (threshold[node] as number) ? 0 : 1);
    }
  }

  /** Learns an example that falls into the leaf `node`, `weight` times. */
  learn(
    node: number,
    data: DenseDataset,
    base: number,
    label: number,
    weight: number,
    dice: Dice,
  ): Flops {
    const { classes, subspace, bins, grace } = this.shape;
    const slot = this.next[node] as number;
    const at = slot * classes;
    const { weights, total, major } = this;
    weights[at + label]! += weight;
    total[slot]! += weight;
    if ((weights[at + label] as number) > (weights[at + (major[slot] as number)] as number))
      major[slot] = label;
    const { histograms } = this;
    if (histograms) histograms.add(slot, data, base, label, weight);
    let flops = histograms ? subspace * (bins / 2 + 3) + 2 : 2;
    if (histograms && (total[slot] as number) - (this.tried[slot] as number) >= grace) {
      this.tried[slot] = total[slot] as number;
      if ((weights[at + (major[slot] as number)] as number) < (total[slot] as number))
        flops += this.#attempt(node, slot, histograms, dice);
    }
    if ((total[slot] as number) >= LEAF_MEMORY) this.#halve(slot);
    return flops;
  }

  /** Room for so many nodes and leaves. */
  reserve(nodes: number, leaves: number): void {
    const grown = <T extends { set(from: T): void }>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    if (nodes > this.feature.length) {
      const size = Math.min(this.shape.maxNodes, Math.max(nodes, 2 * this.feature.length));
      this.feature = grown(new Int32Array(size).fill(LEAF), this.feature);
      this.threshold = grown(new Float32Array(size), this.threshold);
      this.next = grown(new Int32Array(size), this.next);
    }
    if (leaves > this.total.length) {
      const size = Math.max(leaves, 2 * this.total.length);
      this.weights = grown(new Float32Array(size * this.shape.classes), this.weights);
      this.total = grown(new Float32Array(size), this.total);
      this.tried = grown(new Float32Array(size), this.tried);
      this.major = grown(new Uint16Array(size), this.major);
    }
  }

  /** Gives histograms to leaves that came without, or drops those of a full tree. */
  settle(dice: Dice): void {
    if (this.nodes + 2 > this.shape.maxNodes) this.histograms = undefined;
    else if (!this.histograms) {
      this.histograms = new Histograms(this.shape);
      for (let slot = 0; slot < this.leaves; slot++) this.histograms.begin(slot, dice);
    }
  }

  /** Sum, and class with most weight, from the weights of a slot. */
  recount(slot: number): void {
    const { classes } = this.shape;
    let [sum, best] = [0, 0];
    for (let c = 0; c < classes; c++) {
      const weight = this.weights[slot * classes + c] as number;
      sum += weight;
      if (weight > (this.weights[slot * classes + best] as number)) best = c;
    }
    this.total[slot] = sum;
    this.major[slot] = best;
  }

  #halve(slot: number): void {
    const { classes } = this.shape;
    for (let c = 0; c < classes; c++) this.weights[slot * classes + c]! /= 2;
    this.tried[slot]! /= 2;
    this.histograms?.halve(slot);
    this.recount(slot);
  }

  #attempt(node: number, slot: number, histograms: Histograms, dice: Dice): Flops {
    const { subspace, bins, classes } = this.shape;
    const finder = this.#finder;
    let [best, second, chosen, interval, weight] = [0, 0, -1, 0, 0];
    for (let k = slot * subspace; k < (slot + 1) * subspace; k++) {
      const intervals = (histograms.filled[k] as number) + 1;
      const n = finder.find(histograms.counts, k * bins * classes, intervals);
      const { gain } = finder.best;
      if (gain > best) {
        second = best;
        best = gain;
        chosen = k;
        interval = finder.best.interval;
        weight = n;
      } else if (gain > second) second = gain;
    }
    const present = this.#present(slot);
    if (chosen >= 0 && shouldSplit(best, second, present, weight, this.shape))
      this.#split(node, slot, histograms, chosen, interval, dice);
    return 8 * subspace * bins * classes;
  }

  #present(slot: number): number {
    const { classes } = this.shape;
    let present = 0;
    for (let c = 0; c < classes; c++)
      if ((this.weights[slot * classes + c] as number) > 0) present++;
    return present;
  }

  /** The left child keeps the slot. */
  #split(
    node: number,
    slot: number,
    histograms: Histograms,
    k: number,
    interval: number,
    dice: Dice,
  ): void {
    const { bins, classes, maxNodes } = this.shape;
    this.reserve(this.nodes + 2, this.leaves + 1);
    const right = this.leaves++;
    const child = this.nodes;
    this.nodes += 2;
    this.feature[node] = histograms.places[k] as number;
    this.threshold[node] = histograms.bounds[k * (bins - 1) + interval] as number;
    this.next[node] = child;
    this.next[child] = slot;
    this.next[child + 1] = right;
    for (let c = 0; c < classes; c++) {
      let [below, above] = [0, 0];
      for (let b = 0; b < bins; b++) {
        const count = histograms.counts[(k * bins + b) * classes + c] as number;
        if (b <= interval) below += count;
        else above += count;
      }
      this.weights[slot * classes + c] = below;
      this.weights[right * classes + c] = above;
    }
    for (const each of [slot, right]) {
      this.recount(each);
      this.tried[each] = this.total[each] as number;
    }
    if (this.nodes + 2 > maxNodes) this.histograms = undefined;
    else for (const each of [slot, right]) histograms.begin(each, dice);
  }
}
