/** Some rows of a data set as a data set. */

import type { Dataset } from "../core/dataset.ts";
import { sharedMemory } from "../core/memory.ts";
import type { Random } from "../core/random.ts";
import { sharedBytes, sharedFloats, sharedInts } from "./bytes.ts";

/** A copy of the named rows, in the order named, in shared memory; a text itself is not copied. */
export function takeRows<D extends Dataset>(dataset: D, rows: Uint32Array): D;
export function takeRows(dataset: Dataset, rows: Uint32Array): Dataset {
  const count = rows.length;
  if (dataset.kind === "ratings")
    return {
      ...dataset,
      rows: count,
      users: pick(dataset.users, sharedInts(count), rows),
      items: pick(dataset.items, sharedInts(count), rows),
      ratings: pick(dataset.ratings, sharedFloats(count), rows),
    };
  if (dataset.kind === "text") {
    const starts = new Uint32Array(sharedMemory(4 * count));
    return { ...dataset, rows: count, starts: pick(dataset.starts, starts, rows) };
  }
  const width = dataset.shape.reduce((product, size) => product * size, 1);
  const { features, labels } = dataset;
  const taken =
    features instanceof Uint8Array ? sharedBytes(count * width) : sharedFloats(count * width);
  for (let k = 0; k < count; k++)
    taken.set(features.subarray(rows[k]! * width, (rows[k]! + 1) * width), k * width);
  const kept =
    labels instanceof Int32Array
      ? pick(labels, sharedInts(count), rows)
      : pick(labels, sharedFloats(count), rows);
  return { ...dataset, rows: count, features: taken, labels: kept };
}

function pick<A extends Int32Array | Uint32Array | Float32Array>(
  from: A,
  into: A,
  rows: Uint32Array,
): A {
  for (let k = 0; k < rows.length; k++) into[k] = from[rows[k]!]!;
  return into;
}

export const allRows = (count: number): Uint32Array =>
  Uint32Array.from({ length: count }, (_, row) => row);

/** Holds out round(share * rows) rows drawn at random: [train rows, test rows], both ascending. */
export function holdOut(
  rows: number,
  share: number,
  random: Random,
): readonly [Uint32Array, Uint32Array] {
  const order = random.shuffle(allRows(rows));
  const held = Math.round(share * rows);
  return [order.slice(held).sort(), order.slice(0, held).sort()];
}
