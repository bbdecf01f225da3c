/** Rows of a batch as online models read them: one at a time, into memory that is reused. */
import type { Batch, DenseDataset } from "../../core/dataset.ts";
import { invariant } from "../../core/errors.ts";
import type { RowShape } from "./frame.ts";

/** The data set of a batch for a model of this shape. */
export function denseOf({ dataset }: Batch, { features, classes }: RowShape): DenseDataset {
  invariant(dataset.kind === "dense", "online models learn from rows of features");
  invariant(
    dataset.features.length === dataset.rows * features && dataset.classes === classes,
    `rows of ${dataset.shape.join(" x ")} and ${dataset.classes} classes do not fit the model`,
  );
  return dataset;
}

/** The class of a row; -1 where it bears none. */
export function labelOf({ labels, classes }: DenseDataset, row: number): number {
  const label = labels[row] as number;
  return label >= 0 && label < classes ? label : -1;
}

/** The features of one row that are not zero: value `values[i]` at `places[i]`, i < `count`. */
export class NonZeros {
  readonly places: Uint32Array;
  readonly values: Float32Array;
  count = 0;
  /** Sum of the squared values. */
  squares = 0;

  constructor(features: number) {
    this.places = new Uint32Array(features);
    this.values = new Float32Array(features);
  }

  read({ features, rows, scale, offset }: DenseDataset, row: number): void {
    invariant(row < rows, `row ${row} of a data set with ${rows} rows`);
    const { places, values } = this;
    const length = places.length;
    const base = row * length;
    let count = 0;
    let squares = 0;
    for (let k = 0; k < length; k++) {
      const value = (features[base + k] as number) * scale + offset;
      if (value === 0) continue;
      places[count] = k;
      values[count++] = value;
      squares += value * value;
    }
    this.count = count;
    this.squares = squares;
  }
}
