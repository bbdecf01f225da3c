/**
 * Vector arithmetic of servers, filters, codecs and optimizers. Three implementations: WebAssembly SIMD,
 * its plain TypeScript twin (the oracle; equal bit for bit), and `phantom`, which computes nothing and
 * is used when a run's arithmetic is already known and only its timing is wanted.
 *
 * Contract: arrays that belong together have equal length unless said otherwise; every operation accepts
 * any Float32Array, and is fastest on arrays from `allocate` (they lie in the module's shared memory, so
 * compute threads see them too). Arrays of one call are the same or do not overlap; indices outside the
 * array they point into break an invariant. All arithmetic is float32 with each operation rounded once, in
 * index order or in a fixed lane order; only the payload of a NaN is left open.
 */
export interface Kernels {
  readonly name: "simd" | "plain" | "phantom";

  /** A zeroed array, SharedArrayBuffer-backed where threads exist. Lives as long as these kernels. */
  allocate(length: number): Float32Array;
  /** The same for indices: what `significantRelative` writes to and `gather` reads. */
  allocateIndices(length: number): Uint32Array;
  /** A snapshot to put in a message (ordinary memory; never changed afterwards). */
  snapshot(from: Float32Array): Float32Array;

  copy(into: Float32Array, from: Float32Array): void;
  fill(into: Float32Array, value: number): void;
  /** into += from */
  add(into: Float32Array, from: Float32Array): void;
  /** into -= from */
  subtract(into: Float32Array, from: Float32Array): void;
  /** into += alpha * from, product rounded before the sum (no fused multiply-add) */
  axpy(into: Float32Array, alpha: number, from: Float32Array): void;
  /** into *= alpha */
  scale(into: Float32Array, alpha: number): void;
  /** Sum of squares, accumulated in float64 with a fixed lane order. */
  sumOfSquares(values: Float32Array): number;
  /** Sum of squared differences, as `sumOfSquares`. */
  squaredDistance(a: Float32Array, b: Float32Array): number;

  /** history = mu * history + rate * gradient; delta = -history */
  momentum(
    history: Float32Array,
    gradient: Float32Array,
    rate: number,
    mu: number,
    delta: Float32Array,
  ): void;
  /** sum += g*g; delta = -rate * g / (sqrt(sum) + epsilon) */
  adagrad(
    sum: Float32Array,
    gradient: Float32Array,
    rate: number,
    epsilon: number,
    delta: Float32Array,
  ): void;
  /** m = b1*m + (1-b1)*g; v = b2*v + (1-b2)*g*g; delta = -rate * (m/c1) / (sqrt(v/c2) + epsilon) */
  adam(
    moments: { readonly first: Float32Array; readonly second: Float32Array },
    gradient: Float32Array,
    rate: number,
    settings: AdamSettings,
    delta: Float32Array,
  ): void;

  /**
   * Gaia's significance scan. Writes to `out` the indices i, ascending, with accumulated[i] != 0 and
   * (values[i] == 0 or |accumulated[i]| > threshold * |values[i]|); answers how many. `out` is at least
   * as long as `accumulated`.
   */
  significantRelative(
    accumulated: Float32Array,
    values: Float32Array,
    threshold: number,
    out: Uint32Array,
  ): number;
  /** The same with |accumulated[i]| > threshold. */
  significantAbsolute(accumulated: Float32Array, threshold: number, out: Uint32Array): number;
  /** into[k] = from[indices[k]] for k < indices.length */
  gather(into: Float32Array, from: Float32Array, indices: Uint32Array): void;
  /** into[k] = from[indices[k]]; from[indices[k]] = 0 */
  take(into: Float32Array, from: Float32Array, indices: Uint32Array): void;
  /** into[indices[k]] += values[k], k ascending (repeated indices add up) */
  scatterAdd(into: Float32Array, indices: Uint32Array, values: Float32Array): void;
  /** into[indices[k]] = values[k], k ascending */
  scatter(into: Float32Array, indices: Uint32Array, values: Float32Array): void;
}

export interface AdamSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Bias corrections 1 - beta^t of this step. */
  readonly correction1: number;
  readonly correction2: number;
}
