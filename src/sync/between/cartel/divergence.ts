/**
 * The Jensen-Shannon divergence (Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on
 * Information Theory 37, 1991), base 2: JS(p, q) = (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2. It lies in [0, 1],
 * is symmetric, and its root is a metric (Endres and Schindelin, 2003).
 */
import { invariant } from "../../../core/errors.ts";

type Numbers = ArrayLike<number>;

/** Added to each share before they are made to sum up to 1, so that what was not seen is unlikely, not impossible. */
const SMOOTHING = 1e-6;

function sharesOf(counts: Numbers): Float64Array {
  const shares = Float64Array.from(counts);
  const sum = shares.reduce((total, count) => total + count, 0);
  // Nothing seen: everything alike.
  for (let c = 0; c < shares.length; c++) shares[c] = (sum > 0 ? shares[c]! / sum : 0) + SMOOTHING;
  const smoothed = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / smoothed);
}

/** Of two histograms of one length; counts of any scale. */
export function jensenShannon(a: Numbers, b: Numbers): number {
  invariant(a.length === b.length, `histograms of ${a.length} and ${b.length} classes`);
  const [p, q] = [sharesOf(a), sharesOf(b)];
  let sum = 0;
  for (let c = 0; c < p.length; c++) {
    const middle = (p[c]! + q[c]!) / 2;
    sum += p[c]! * Math.log2(p[c]! / middle) + q[c]! * Math.log2(q[c]! / middle);
  }
  return Math.min(1, Math.max(0, sum / 2));
}

/** Of two feature sketches (sketch.ts): the mean over their shares, each that of a coin. */
export function sketchDivergence(a: Numbers, b: Numbers): number {
  invariant(a.length === b.length && a.length > 0, "sketches of one length");
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += jensenShannon([a[j]!, 1 - a[j]!], [b[j]!, 1 - b[j]!]);
  return sum / a.length;
}
