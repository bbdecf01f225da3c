/**
 * The kernels in TypeScript: the oracle of the WebAssembly module, and the fallback where it cannot run.
 * Float32 sums, products, quotients and roots computed in float64 and rounded once equal those computed in
 * float32 (Figueroa, "When is double rounding innocuous?", 1995), so `fround` after each operation is exact.
 */
import { indexWithin, outOfMemory, roomFor, sameLength } from "./check.ts";
import type { AdamSettings, Kernels } from "./contract.ts";

const f = Math.fround;

/** Memory that threads share, where threads exist. */
function zeroed(bytes: number): ArrayBufferLike {
  try {
    return typeof SharedArrayBuffer === "undefined"
      ? new ArrayBuffer(bytes)
      : new SharedArrayBuffer(bytes);
  } catch (cause) {
    throw outOfMemory(bytes, 0, 2 ** 32, cause);
  }
}

function largestOf(indices: Uint32Array): number {
  let largest = 0;
  for (let k = 0; k < indices.length; k++) if (indices[k]! > largest) largest = indices[k]!;
  return largest;
}

const elementwise = {
  copy(into: Float32Array, from: Float32Array): void {
    sameLength(into, from);
    into.set(from);
  },
  fill(into: Float32Array, value: number): void {
    into.fill(value);
  },
  add(into: Float32Array, from: Float32Array): void {
    sameLength(into, from);
    for (let i = 0; i < into.length; i++) into[i] = into[i]! + from[i]!;
  },
  subtract(into: Float32Array, from: Float32Array): void {
    sameLength(into, from);
    for (let i = 0; i < into.length; i++) into[i] = into[i]! - from[i]!;
  },
  axpy(into: Float32Array, alpha: number, from: Float32Array): void {
    sameLength(into, from);
    const a = f(alpha);
    for (let i = 0; i < into.length; i++) into[i] = into[i]! + f(a * from[i]!);
  },
  scale(into: Float32Array, alpha: number): void {
    const a = f(alpha);
    for (let i = 0; i < into.length; i++) into[i] = into[i]! * a;
  },
};

/** Element i goes to sum i mod 4; the total is (s0 + s1) + (s2 + s3). */
const reductions = {
  sumOfSquares(values: Float32Array): number {
    const sums = new Float64Array(4);
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      sums[i & 3] = sums[i & 3]! + value * value;
    }
    return sums[0]! + sums[1]! + (sums[2]! + sums[3]!);
  },
  squaredDistance(a: Float32Array, b: Float32Array): number {
    sameLength(a, b);
    const sums = new Float64Array(4);
    for (let i = 0; i < a.length; i++) {
      const difference = a[i]! - b[i]!;
      sums[i & 3] = sums[i & 3]! + difference * difference;
    }
    return sums[0]! + sums[1]! + (sums[2]! + sums[3]!);
  },
};

const rules = {
  momentum(
    history: Float32Array,
    gradient: Float32Array,
    rate: number,
    mu: number,
    delta: Float32Array,
  ): void {
    sameLength(history, gradient, delta);
    const [r, m] = [f(rate), f(mu)];
    for (let i = 0; i < history.length; i++) {
      const next = f(f(m * history[i]!) + f(r * gradient[i]!));
      history[i] = next;
      delta[i] = -next;
    }
  },
  adagrad(
    sum: Float32Array,
    gradient: Float32Array,
    rate: number,
    epsilon: number,
    delta: Float32Array,
  ): void {
    sameLength(sum, gradient, delta);
    const [r, e] = [f(-rate), f(epsilon)];
    for (let i = 0; i < sum.length; i++) {
      const g = gradient[i]!;
      const next = f(sum[i]! + f(g * g));
      sum[i] = next;
      delta[i] = f(r * g) / f(f(Math.sqrt(next)) + e);
    }
  },
  adam(
    moments: { readonly first: Float32Array; readonly second: Float32Array },
    gradient: Float32Array,
    rate: number,
    settings: AdamSettings,
    delta: Float32Array,
  ): void {
    const { first, second } = moments;
    sameLength(first, second, gradient, delta);
    const [b1, b2] = [f(settings.beta1), f(settings.beta2)];
    const [r1, r2] = [f(1 - settings.beta1), f(1 - settings.beta2)];
    const [c1, c2] = [f(settings.correction1), f(settings.correction2)];
    const [r, e] = [f(-rate), f(settings.epsilon)];
    for (let i = 0; i < first.length; i++) {
      const g = gradient[i]!;
      const m = f(f(b1 * first[i]!) + f(r1 * g));
      const v = f(f(b2 * second[i]!) + f(f(r2 * g) * g));
      first[i] = m;
      second[i] = v;
      delta[i] = f(r * f(m / c1)) / f(f(Math.sqrt(f(v / c2))) + e);
    }
  },
};

const scans = {
  significantRelative(
    accumulated: Float32Array,
    values: Float32Array,
    threshold: number,
    out: Uint32Array,
  ): number {
    sameLength(accumulated, values);
    roomFor(out, accumulated.length);
    const t = f(threshold);
    let count = 0;
    for (let i = 0; i < accumulated.length; i++) {
      const a = accumulated[i]!;
      const v = values[i]!;
      if (a !== 0 && (v === 0 || Math.abs(a) > f(t * Math.abs(v)))) out[count++] = i;
    }
    return count;
  },
  significantAbsolute(accumulated: Float32Array, threshold: number, out: Uint32Array): number {
    roomFor(out, accumulated.length);
    const t = f(threshold);
    let count = 0;
    for (let i = 0; i < accumulated.length; i++)
      if (Math.abs(accumulated[i]!) > t) out[count++] = i;
    return count;
  },
};

const indexed = {
  gather(into: Float32Array, from: Float32Array, indices: Uint32Array): void {
    sameLength(into, indices);
    indexWithin(largestOf(indices), indices.length, from.length);
    for (let k = 0; k < indices.length; k++) into[k] = from[indices[k]!]!;
  },
  take(into: Float32Array, from: Float32Array, indices: Uint32Array): void {
    sameLength(into, indices);
    indexWithin(largestOf(indices), indices.length, from.length);
    for (let k = 0; k < indices.length; k++) {
      const i = indices[k]!;
      into[k] = from[i]!;
      from[i] = 0;
    }
  },
  scatterAdd(into: Float32Array, indices: Uint32Array, values: Float32Array): void {
    sameLength(indices, values);
    indexWithin(largestOf(indices), indices.length, into.length);
    for (let k = 0; k < indices.length; k++) {
      const i = indices[k]!;
      into[i] = into[i]! + values[k]!;
    }
  },
  scatter(into: Float32Array, indices: Uint32Array, values: Float32Array): void {
    sameLength(indices, values);
    indexWithin(largestOf(indices), indices.length, into.length);
    for (let k = 0; k < indices.length; k++) into[indices[k]!] = values[k]!;
  },
};

export function createPlainKernels(): Kernels {
  return {
    name: "plain",
    allocate: (length) => new Float32Array(zeroed(length * 4)),
    allocateIndices: (length) => new Uint32Array(zeroed(length * 4)),
    snapshot: (from) => new Float32Array(from),
    ...elementwise,
    ...reductions,
    ...rules,
    ...scans,
    ...indexed,
  };
}
