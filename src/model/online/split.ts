/**
 * Whether a leaf should split, and how: the test of Hoeffding trees (Domingos and Hulten, "Mining high-speed data
 * streams", KDD 2000). A leaf's histogram of a feature counts its examples by interval and class.
 */

/** Gain of a split below which even equally good ones are not worth their memory, in bits. */
const LEAST_GAIN = 0.01;
/** Share of the examples that either side must have. */
const LEAST_SIDE = 0.01;

/** sqrt(range^2 ln(1/delta) / 2n): how far a mean of n numbers within `range` may be off, but for chance delta. */
export const hoeffdingBound = (range: number, delta: number, n: number): number =>
  Math.sqrt((range * range * Math.log(1 / delta)) / (2 * n));

/** Of weights from `at` on, in bits, times their sum. */
function totalEntropy(weights: ArrayLike<number>, classes: number): number {
  let sum = 0;
  let logs = 0;
  for (let c = 0; c < classes; c++) {
    const weight = weights[c] as number;
    if (weight <= 0) continue;
    sum += weight;
    logs += weight * Math.log2(weight);
  }
  return sum > 0 ? sum * Math.log2(sum) - logs : 0;
}

export interface BestCut {
  /** Information gain in bits; 0 where there is nothing to cut. */
  gain: number;
  /** The last interval of the left side. */
  interval: number;
}

/** Finds the best cut of one feature's histogram: counts[interval * classes + class]. Allocates once. */
export class CutFinder {
  readonly best: BestCut = { gain: 0, interval: 0 };
  readonly #left: Float64Array;
  readonly #right: Float64Array;
  readonly #classes: number;

  constructor(classes: number) {
    this.#classes = classes;
    this.#left = new Float64Array(classes);
    this.#right = new Float64Array(classes);
  }

  /** Into `best`; answers the weight of the examples. `counts` begin at `at`. */
  find(counts: ArrayLike<number>, at: number, intervals: number): number {
    const left = this.#left.fill(0);
    const right = this.#right.fill(0);
    const classes = this.#classes;
    let total = 0;
    for (let b = 0; b < intervals; b++)
      for (let c = 0; c < classes; c++) {
        const count = counts[at + b * classes + c] as number;
        right[c]! += count;
        total += count;
      }
    const before = totalEntropy(right, classes);
    this.best.gain = 0;
    this.best.interval = 0;
    let below = 0;
    for (let b = 0; b < intervals - 1; b++) {
      for (let c = 0; c < classes; c++) {
        const count = counts[at + b * classes + c] as number;
        left[c]! += count;
        right[c]! -= count;
        below += count;
      }
      if (below < LEAST_SIDE * total || total - below < LEAST_SIDE * total) continue;
      const gain = (before - totalEntropy(left, classes) - totalEntropy(right, classes)) / total;
      if (gain > this.best.gain) {
        this.best.gain = gain;
        this.best.interval = b;
      }
    }
    return total;
  }
}

export interface SplitRule {
  readonly delta: number;
  readonly tie: number;
}

/**
 * Whether the best feature is the best with confidence 1 - delta, or as good as the second-best. `second` is 0 where no
 * other feature gains anything: not to split is a candidate, too.
 */
export function shouldSplit(
  best: number,
  second: number,
  classes: number,
  n: number,
  { delta, tie }: SplitRule,
): boolean {
  if (best < LEAST_GAIN) return false;
  const range = Math.log2(Math.max(2, classes));
  const bound = hoeffdingBound(range, delta, n);
  return best - second > bound || bound < tie * range;
}
