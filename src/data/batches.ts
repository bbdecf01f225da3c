/** Mini-batches of the rows that a worker owns: each epoch a new order, every batch full. */
import { invariant } from "../core/errors.ts";
import type { Random } from "../core/random.ts";

export interface Batches {
  /** The next `size` rows; a batch at the end of an epoch goes on into the next one. Never changed later. */
  next(): Uint32Array;
}

/** Every row occurs once in each epoch of `rows.length` rows; the order comes from `random` alone. */
export function createBatches(rows: Uint32Array, size: number, random: Random): Batches {
  invariant(rows.length > 0 && size > 0, `batches of ${size} from ${rows.length} rows`);
  const order = rows.slice();
  let at = order.length;
  return {
    next: () => {
      const batch = new Uint32Array(size);
      for (let k = 0; k < size; k++) {
        if (at === order.length) {
          random.shuffle(order);
          at = 0;
        }
        batch[k] = order[at++]!;
      }
      return batch;
    },
  };
}
