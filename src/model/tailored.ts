/**
 * The contract of models that learn online and are tailored to one site: no layout is shared, so they agree by
 * exchanging *portions* (a tree, a class's weights, output rows with the hidden units behind them), which a model can
 * rank by their use for given classes, pack, and take in.
 */
import type { Batch } from "../core/dataset.ts";
import type { Bytes, Flops } from "../core/units.ts";

/** A part of a model that can be sent alone. */
export interface Portion {
  /** Within its model: "tree 4", "class 7". */
  readonly id: string;
  readonly bytes: Bytes;
  /** How well it serves each class, 0..1 (recall on what the model has seen recently); NaN where unknown. */
  readonly use: Float32Array;
}

export interface PackRequest {
  /** Classes that the asker needs. */
  readonly classes: readonly number[];
  readonly maxBytes: Bytes;
}

export interface MergeContext {
  /** Classes for which the portions were asked. */
  readonly classes: readonly number[];
  /**
   * Labelled examples of each class that this site has lately had (length `classes` of the model). What it has had many
   * of is averaged, by examples; of the others the portion takes the place of its own. All zero: always the latter.
   */
  readonly counts: Uint32Array;
}

export interface TailoredModel {
  /** Models of one kind and shape can exchange portions: "forest", "svm", "logistic", "naive-bayes", "graph". */
  readonly kind: string;
  readonly classes: number;
  /** Grows with every change. */
  readonly version: number;
  /** Of the whole model, as `save` would write it. */
  bytes(): Bytes;
  /** The predicted class of each row of the batch, into `out`. Changes nothing. */
  predict(batch: Batch, out: Int32Array): Promise<Flops>;
  /**
   * Learns the batch's labelled rows in their order; the answer is what it cost (modelled operations). A batch that was
   * predicted just before is not predicted again.
   */
  learn(batch: Batch): Promise<Flops>;
  portions(): readonly Portion[];
  /**
   * The portions of most use for the classes, within the bound; undefined where none is of use. Never holds records: what
   * comes nearest to one is a threshold of a tree, or the mean features of a class.
   */
  pack(request: PackRequest): Uint8Array | undefined;
  /**
   * Takes in what another model of the kind has packed. Throws PORTION_INVALID, and has not changed, when the bytes are
   * malformed, of another shape, or hold numbers that are none.
   */
  merge(packed: Uint8Array, context: MergeContext): void;
  /** Everything that `restore` needs, for rollback and for shipping the whole model: it then goes on as this one would. */
  save(): Uint8Array;
  /** Throws PORTION_INVALID as `merge` does. */
  restore(saved: Uint8Array): void;
  /**
   * Becomes the mean of models of its kind and shape, as `save` wrote them, by their weights (federated averaging on
   * streams). A forest becomes a sample of their trees by those weights. Absent: nothing to average.
   */
  average?(saved: readonly Uint8Array[], weights: readonly number[]): void;
  /** Gives native memory back. */
  close(): Promise<void>;
}
