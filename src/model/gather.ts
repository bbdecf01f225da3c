/**
 * Gathers the rows of a batch from a data set into buffers that a graph reads. Raw values are copied as
 * they are (bytes stay bytes); the graph scales them.
 */
import type { DenseDataset } from "../core/dataset.ts";
import { invariant } from "../core/errors.ts";

export interface Rows {
  /** size x row length */
  readonly features: Uint8Array | Float32Array;
  /** size x outputs: one-hot classes, or the regression target. */
  readonly targets: Float32Array;
}

export const rowLength = (data: DenseDataset): number =>
  data.shape.reduce((product, size) => product * size, 1);

export function rowsFor(data: DenseDataset, size: number, outputs: number): Rows {
  const length = size * rowLength(data);
  return {
    features:
      data.features instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length),
    targets: new Float32Array(size * outputs),
  };
}

/** Short rows are copied element by element: a view costs more than it saves. */
const SHORT = 48;

/** Puts rows[start .. start+count) of the data set at the beginning of `into`. */
export function gather(
  data: DenseDataset,
  rows: Uint32Array,
  start: number,
  count: number,
  into: Rows,
): void {
  const length = rowLength(data);
  const { features } = into;
  for (let i = 0; i < count; i++) {
    const row = rows[start + i] ?? 0;
    invariant(row < data.rows, `row ${row} of a data set with ${data.rows} rows`);
    const from = row * length;
    if (length > SHORT) features.set(data.features.subarray(from, from + length), i * length);
    else for (let k = 0; k < length; k++) features[i * length + k] = data.features[from + k] ?? 0;
  }
  if (data.classes > 0) oneHot(data, rows, start, count, into.targets);
  else for (let i = 0; i < count; i++) into.targets[i] = data.labels[rows[start + i] ?? 0] ?? 0;
}

function oneHot(
  data: DenseDataset,
  rows: Uint32Array,
  start: number,
  count: number,
  targets: Float32Array,
): void {
  targets.fill(0);
  for (let i = 0; i < count; i++) {
    const label = data.labels[rows[start + i] ?? 0] ?? -1;
    invariant(label >= 0 && label < data.classes, `label ${label} of ${data.classes} classes`);
    targets[i * data.classes + label] = 1;
  }
}
