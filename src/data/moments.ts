/**
 * Count, sum and sum of squares, each sum in two doubles (Knuth's and Dekker's error-free transformations: about 106
 * bits). So mean and deviation do not depend on the order in which numbers are added, nor on how they are dealt over
 * sites that each tell their moments.
 */

/** A number as the sum of two doubles that do not overlap. */
export type Twofold = readonly [high: number, low: number];

export interface Moments {
  readonly count: number;
  readonly sum: Twofold;
  readonly squares: Twofold;
}

export const NO_MOMENTS: Moments = { count: 0, sum: [0, 0], squares: [0, 0] };

/** Of numbers whose squares are doubles: single precision, or whole numbers. NaN stands for none. */
export function momentsOf(values: Iterable<number>): Moments {
  let count = 0;
  let [sum, squares]: [Twofold, Twofold] = [
    [0, 0],
    [0, 0],
  ];
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    count++;
    sum = plus(sum, [value, 0]);
    squares = plus(squares, [value * value, 0]);
  }
  return { count, sum, squares };
}

/** Of bytes: whole numbers, whose sums are exact. */
export function momentsOfBytes(bytes: Uint8Array): Moments {
  const times = new Float64Array(256);
  for (let i = 0; i < bytes.length; i++) times[bytes[i]!] = times[bytes[i]!]! + 1;
  const sum = times.reduce((all, count, value) => all + count * value, 0);
  const squares = times.reduce((all, count, value) => all + count * value * value, 0);
  return { count: bytes.length, sum: [sum, 0], squares: [squares, 0] };
}

export const mergeMoments = (a: Moments, b: Moments): Moments => ({
  count: a.count + b.count,
  sum: plus(a.sum, b.sum),
  squares: plus(a.squares, b.squares),
});

/** Of all numbers, not of a sample; 0 and 0 where there are none. */
export function meanAndVariance({ count, sum, squares }: Moments): {
  readonly mean: number;
  readonly variance: number;
} {
  if (count === 0) return { mean: 0, variance: 0 };
  const mean = (sum[0] + sum[1]) / count;
  // sum (x - m)^2 = squares - m sum - m (sum - count m)
  const rest = plus(sum, negative(product(count, mean)));
  const inner = plus(squares, negative(plus(product(mean, sum[0]), [mean * sum[1], 0])));
  const spread = inner[0] + (inner[1] - mean * (rest[0] + rest[1]));
  return { mean, variance: Math.max(0, spread / count) };
}

const negative = ([high, low]: Twofold): Twofold => [-high, -low];

function plus(a: Twofold, b: Twofold): Twofold {
  const high = a[0] + b[0];
  const part = high - a[0];
  const low = a[0] - (high - part) + (b[0] - part) + a[1] + b[1];
  const sum = high + low;
  return [sum, low - (sum - high)];
}

function product(a: number, b: number): Twofold {
  const high = a * b;
  const [a1, a2] = halves(a);
  const [b1, b2] = halves(b);
  return [high, a2 * b2 - (high - a1 * b1 - a2 * b1 - a1 * b2)];
}

/** Of 26 bits each. */
function halves(a: number): Twofold {
  const scaled = 134_217_729 * a;
  const high = scaled - (scaled - a);
  return [high, a - high];
}
