/** Draws from gamma and Dirichlet distributions. */
import type { Random } from "../core/random.ts";

/** Logarithm of a Gamma(alpha, 1) draw: tiny alphas give draws that float64 cannot hold otherwise. */
export function logGamma(alpha: number, random: Random): number {
  const boost = alpha < 1 ? Math.log(1 - random.next()) / alpha : 0;
  // Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", ACM TOMS 26(3), 2000.
  const d = (alpha < 1 ? alpha + 1 : alpha) - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.next()) < x * x * 0.5 + d - d * v + d * Math.log(v))
      return Math.log(d * v) + boost;
  }
}

/** Shares that sum to 1 from the symmetric Dirichlet(alpha) distribution of `parts` parts. */
export function dirichlet(alpha: number, parts: number, random: Random): Float64Array {
  const logs = Float64Array.from({ length: parts }, () => logGamma(alpha, random));
  const most = logs.reduce((a, b) => Math.max(a, b));
  const weights = logs.map((log) => Math.exp(log - most));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}
