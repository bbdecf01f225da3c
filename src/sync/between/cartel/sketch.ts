/**
 * What a site's features are like, in a few numbers: the share of recent rows on the positive side of each of some random
 * directions (the statistics of Charikar's one-bit random projections, STOC 2002). All sites draw the same directions
 * from the run's seed, so that their shares compare. No row can be told from them.
 */
import type { Dataset } from "../../../core/dataset.ts";
import type { Random } from "../../../core/random.ts";

/** Rows of a batch that are looked at. */
const SAMPLE = 16;
/** How slowly the shares follow: a batch counts by this. */
const RATE = 0.1;

export class Sketch {
  readonly shares: Float32Array;
  readonly #directions: readonly Int8Array[];
  #fresh = true;

  /** @param random the same at every site. @param size number of directions */
  constructor(random: Random, size: number, features: number) {
    this.shares = new Float32Array(size).fill(0.5);
    this.#directions = Array.from({ length: size }, () =>
      // As many pluses as minuses: what all features have in common does not decide.
      random.shuffle(Int8Array.from({ length: features }, (_, i) => (i % 2 === 0 ? 1 : -1))),
    );
  }

  observe(dataset: Dataset, rows: Uint32Array): void {
    if (dataset.kind !== "dense" || rows.length === 0) return;
    const width = this.#directions[0]?.length ?? 0;
    const step = Math.max(1, Math.floor(rows.length / SAMPLE));
    this.#directions.forEach((direction, j) => {
      let [above, seen] = [0, 0];
      for (let i = 0; i < rows.length; i += step) {
        const start = rows[i]! * width;
        let sum = 0;
        for (let f = 0; f < width; f++) sum += direction[f]! * dataset.features[start + f]!;
        if (sum > 0) above++;
        seen++;
      }
      const rate = this.#fresh ? 1 : RATE;
      this.shares[j] = this.shares[j]! + rate * (above / seen - this.shares[j]!);
    });
    this.#fresh = false;
  }
}
