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

/**
 * Windows of a text for language models. Row i reads tokens[starts[i] .. starts[i] + length) and is to
 * predict the same window shifted by one: each token's successor.
 */
export interface TextDataset {
  readonly kind: "text";
  readonly rows: number;
  /** The whole text as token numbers below `vocabulary`. */
  readonly tokens: Uint8Array | Uint16Array | Int32Array;
  /** First token of each row; starts[i] + length < tokens.length. */
  readonly starts: Uint32Array;
  /** Tokens that a row reads, and predicts. */
  readonly length: number;
  readonly vocabulary: number;
}

export type Dataset = DenseDataset | RatingsDataset | TextDataset;

/** What a learner must know of the data to lay out its parameters. */
export type DataShape =
  | { readonly kind: "dense"; readonly shape: readonly number[]; readonly classes: number }
  | { readonly kind: "ratings"; readonly userCount: number; readonly itemCount: number }
  | { readonly kind: "text"; readonly length: number; readonly vocabulary: number };

/** Names a step of the run: random numbers that are drawn from it are the same whatever thread computes. */
export interface Draw {
  readonly worker: number;
  readonly clock: number;
}

/** Rows of a data set, in the order in which they are used. */
export interface Batch {
  readonly dataset: Dataset;
  readonly rows: Uint32Array;
  /** Of a training step: what it draws (dropout masks) depends on this and the model's seed alone. */
  readonly draw?: Draw | undefined;
}

export function shapeOf(dataset: Dataset): DataShape {
  switch (dataset.kind) {
    case "dense":
      return { kind: "dense", shape: dataset.shape, classes: dataset.classes };
    case "ratings":
      return { kind: "ratings", userCount: dataset.userCount, itemCount: dataset.itemCount };
    case "text":
      return { kind: "text", length: dataset.length, vocabulary: dataset.vocabulary };
    default:
      return dataset satisfies never;
  }
}
