/**
 * Means and variances of the features of one class, brought up to date example by example (Welford, "Note on a method
 * for calculating corrected sums of squares and products", Technometrics 4, 1962), and pooled exactly with those of
 * other examples (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
 * COMPSTAT 1982). Beyond `memory` examples older ones fade.
 */
import type { Flops } from "../../core/units.ts";
import type { NonZeros } from "./rows.ts";

export class Gaussians {
  /** Examples, at most `memory`. */
  count = 0;
  readonly mean: Float32Array;
  /** Population variances: the mean squared distance to the mean. */
  readonly variance: Float32Array;
  readonly #inverse: Float32Array;
  #base = 0;
  /** Whether `#inverse` and `#base` are those of the means and variances. */
  #fresh = false;

  constructor(features: number) {
    this.mean = new Float32Array(features);
    this.variance = new Float32Array(features);
    this.#inverse = new Float32Array(features);
  }

  /** `x` holds all features of the example, from `at` on, as raw values. */
  add(
    x: Uint8Array | Float32Array,
    at: number,
    format: { readonly scale: number; readonly offset: number },
    memory: number,
  ): void {
    const { mean, variance } = this;
    const { scale, offset } = format;
    this.count = Math.min(this.count + 1, memory);
    const part = 1 / this.count;
    for (let k = 0; k < mean.length; k++) {
      const before = mean[k] as number;
      const from = (x[at + k] as number) * scale + offset - before;
      const spread = variance[k] as number;
      mean[k] = before + part * from;
      variance[k] = spread + part * (from * from * (1 - part) - spread);
    }
    this.#fresh = false;
  }

  /** Takes in the statistics of other examples, as if they had been added here. */
  pool(other: Gaussians, memory: number): void {
    const total = this.count + other.count;
    if (total === 0) return;
    const part = other.count / total;
    const { mean, variance } = this;
    for (let k = 0; k < mean.length; k++) {
      const apart = (other.mean[k] as number) - (mean[k] as number);
      const spread = variance[k] as number;
      mean[k]! += part * apart;
      variance[k] =
        spread +
        part * ((other.variance[k] as number) - spread) +
        part * (1 - part) * apart * apart;
    }
    this.count = Math.min(total, memory);
    this.#fresh = false;
  }

  /**
   * The logarithm of the density at x, but for a constant that all classes share. With v = variance + smoothing,
   * (x - m)^2 / v = m^2 / v + x (x - 2m) / v, whose first part does not depend on x: features that are zero cost nothing.
   */
  logDensity({ places, values, count }: NonZeros, smoothing: number): number {
    if (!this.#fresh) this.#refresh(smoothing);
    const mean = this.mean;
    const inverse = this.#inverse;
    let sum = this.#base;
    for (let i = 0; i < count; i++) {
      const k = places[i] as number;
      const x = values[i] as number;
      sum += x * (x - 2 * (mean[k] as number)) * (inverse[k] as number);
    }
    return -sum / 2;
  }

  /** What the next density costs beyond its own two products and sums a feature. */
  refreshFlops(): Flops {
    return this.#fresh ? 0 : 5 * this.mean.length;
  }

  /** One logarithm for many variances: of their product, while it is no extreme number. */
  #refresh(smoothing: number): void {
    const inverse = this.#inverse;
    let base = 0;
    let product = 1;
    for (let k = 0; k < inverse.length; k++) {
      const wide = (this.variance[k] as number) + smoothing;
      const mean = this.mean[k] as number;
      inverse[k] = 1 / wide;
      base += mean * mean * (inverse[k] as number);
      product *= wide;
      if (product < 1e-200 || product > 1e200) {
        base += Math.log(product);
        product = 1;
      }
    }
    this.#base = base + Math.log(product);
    this.#fresh = true;
  }
}
