/**
 * Data sets lie in shared memory (SharedArrayBuffer-backed typed arrays), so that compute threads read
 * them without a copy. A batch names rows of a data set; the learner gathers them.
 */

/** Rows of equal shape with one label each. Value of a feature = raw * scale + offset. */
export interface DenseDataset {
  readonly kind: "dense";
  readonly rows: number;
  /** Shape of one row, without the batch axis: [1, 28, 28]. */
  readonly shape: readonly number[];
  /** rows x product(shape), row by row. */
  readonly features: Uint8Array | Float32Array;
  readonly scale: number;
  readonly offset: number;
  /** Class indices (Int32Array) or regression targets (Float32Array), one a row. */
  readonly labels: Int32Array | Float32Array;
  /** Number of classes; 0 for regression. */
  readonly classes: number;
}

/** Ratings of items by users. Users and items are dense indices from 0. */
export interface RatingsDataset {
  readonly kind: "ratings";
  readonly rows: number;
  readonly users: Int32Array;
  readonly items: Int32Array;
  readonly ratings: Float32Array;
  readonly userCount: number;
  readonly itemCount: number;
}

export type Dataset = DenseDataset | RatingsDataset;

/** What a learner must know of the data to lay out its parameters. */
export type DataShape =
  | { readonly kind: "dense"; readonly shape: readonly number[]; readonly classes: number }
  | { readonly kind: "ratings"; readonly userCount: number; readonly itemCount: number };

/** Rows of a data set, in the order in which they are used. */
export interface Batch {
  readonly dataset: Dataset;
  readonly rows: Uint32Array;
}

export const shapeOf = (dataset: Dataset): DataShape =>
  dataset.kind === "dense"
    ? { kind: "dense", shape: dataset.shape, classes: dataset.classes }
    : { kind: "ratings", userCount: dataset.userCount, itemCount: dataset.itemCount };
