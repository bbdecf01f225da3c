/** Rows of several sites as one data set, and labels by other numbers. */
import type { DenseDataset } from "../../core/dataset.ts";
import { invariant } from "../../core/errors.ts";
import { sharedBytes, sharedFloats, sharedInts } from "../bytes.ts";

/** One after another: sets of one shape. */
export function joined(sets: readonly DenseDataset[]): DenseDataset {
  const [first] = sets;
  invariant(first, "a run has sites");
  const rows = sets.reduce((sum, set) => sum + set.rows, 0);
  const length = sets.reduce((sum, set) => sum + set.features.length, 0);
  const features =
    first.features instanceof Uint8Array ? sharedBytes(length) : sharedFloats(length);
  const labels = first.labels instanceof Int32Array ? sharedInts(rows) : sharedFloats(rows);
  let [row, at] = [0, 0];
  for (const set of sets) {
    features.set(set.features, at);
    labels.set(set.labels, row);
    at += set.features.length;
    row += set.rows;
  }
  return { ...first, rows, features, labels };
}

/** @param place the new number of each class. Numbers to predict stay as they are. */
export function renumbered(
  labels: DenseDataset["labels"],
  place: readonly number[],
): DenseDataset["labels"] {
  if (labels instanceof Float32Array) return labels;
  invariant(!place.includes(-1), "a survey of all sites has the classes of each");
  const changed = sharedInts(labels.length);
  for (let row = 0; row < labels.length; row++) changed[row] = place[labels[row]!]!;
  return changed;
}
