/**
 * The kernels on the WebAssembly SIMD module. Arrays from `allocate` are worked on in place; others are
 * staged through the module's memory, chunk by chunk, with equal results.
 */
import { type Access, type Arena, createArena } from "./arena.ts";
import { indexWithin, roomFor, sameLength } from "./check.ts";
import type { AdamSettings, Kernels } from "./contract.ts";
import { createPlainKernels } from "./plain.ts";

const IN: readonly Access[] = ["in", "in"];
const UPDATE: readonly Access[] = ["inout", "in"];
const RULE: readonly Access[] = ["inout", "in", "out"];
const ADAM_RULE: readonly Access[] = ["inout", "inout", "in", "out"];

function elementwise({ kernels: k, inside, staged }: Arena) {
  return {
    copy(into: Float32Array, from: Float32Array): void {
      sameLength(into, from);
      if (inside(into) && inside(from)) k.copy(into.byteOffset, from.byteOffset, into.length);
      else into.set(from);
    },
    fill(into: Float32Array, value: number): void {
      if (inside(into)) k.fill(into.byteOffset, value, into.length);
      else into.fill(value);
    },
    add(into: Float32Array, from: Float32Array): void {
      sameLength(into, from);
      if (inside(into) && inside(from)) k.add(into.byteOffset, from.byteOffset, into.length);
      else staged([into, from], UPDATE, ([a, b], count) => k.add(a!, b!, count));
    },
    subtract(into: Float32Array, from: Float32Array): void {
      sameLength(into, from);
      if (inside(into) && inside(from)) k.subtract(into.byteOffset, from.byteOffset, into.length);
      else staged([into, from], UPDATE, ([a, b], count) => k.subtract(a!, b!, count));
    },
    axpy(into: Float32Array, alpha: number, from: Float32Array): void {
      sameLength(into, from);
      if (inside(into) && inside(from))
        k.axpy(into.byteOffset, alpha, from.byteOffset, into.length);
      else staged([into, from], UPDATE, ([a, b], count) => k.axpy(a!, alpha, b!, count));
    },
    scale(into: Float32Array, alpha: number): void {
      if (inside(into)) k.scale(into.byteOffset, alpha, into.length);
      else staged([into], UPDATE, ([a], count) => k.scale(a!, alpha, count));
    },
  };
}

function reductions({ kernels: k, inside, staged, reduce }: Arena) {
  return {
    sumOfSquares: (values: Float32Array): number =>
      reduce((sums) => {
        if (inside(values)) k.sumOfSquares(sums, values.byteOffset, values.length);
        else staged([values], IN, ([a], count) => k.sumOfSquares(sums, a!, count));
      }),
    squaredDistance: (a: Float32Array, b: Float32Array): number => {
      sameLength(a, b);
      return reduce((sums) => {
        if (inside(a) && inside(b)) k.squaredDistance(sums, a.byteOffset, b.byteOffset, a.length);
        else staged([a, b], IN, ([x, y], count) => k.squaredDistance(sums, x!, y!, count));
      });
    },
  };
}

function rules({ kernels: k, inside, staged }: Arena) {
  return {
    momentum(
      history: Float32Array,
      gradient: Float32Array,
      rate: number,
      mu: number,
      delta: Float32Array,
    ): void {
      sameLength(history, gradient, delta);
      if (inside(history) && inside(gradient) && inside(delta)) {
        const [h, g, d] = [history.byteOffset, gradient.byteOffset, delta.byteOffset];
        k.momentum(h, g, rate, mu, d, history.length);
      } else {
        staged([history, gradient, delta], RULE, ([h, g, d], count) =>
          k.momentum(h!, g!, rate, mu, d!, count),
        );
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
      if (inside(sum) && inside(gradient) && inside(delta)) {
        const [s, g, d] = [sum.byteOffset, gradient.byteOffset, delta.byteOffset];
        k.adagrad(s, g, rate, epsilon, d, sum.length);
      } else {
        staged([sum, gradient, delta], RULE, ([s, g, d], count) =>
          k.adagrad(s!, g!, rate, epsilon, d!, count),
        );
      }
    },
    adam(
      { first, second }: { readonly first: Float32Array; readonly second: Float32Array },
      gradient: Float32Array,
      rate: number,
      { beta1, beta2, correction1, correction2, epsilon }: AdamSettings,
      delta: Float32Array,
    ): void {
      sameLength(first, second, gradient, delta);
      const run = (m: number, v: number, g: number, d: number, count: number): void => {
        const [r1, r2] = [1 - beta1, 1 - beta2];
        k.adam(m, v, g, rate, beta1, beta2, r1, r2, correction1, correction2, epsilon, d, count);
      };
      if (inside(first) && inside(second) && inside(gradient) && inside(delta)) {
        const [m, v] = [first.byteOffset, second.byteOffset];
        run(m, v, gradient.byteOffset, delta.byteOffset, first.length);
      } else {
        staged([first, second, gradient, delta], ADAM_RULE, ([m, v, g, d], count) =>
          run(m!, v!, g!, d!, count),
        );
      }
    },
  };
}

function scans({ kernels: k, inside, staged, room }: Arena) {
  return {
    significantRelative(
      accumulated: Float32Array,
      values: Float32Array,
      threshold: number,
      out: Uint32Array,
    ): number {
      sameLength(accumulated, values);
      roomFor(out, accumulated.length);
      if (inside(accumulated) && inside(values) && inside(out)) {
        const [a, v] = [accumulated.byteOffset, values.byteOffset];
        return k.significantRelative(a, v, threshold, out.byteOffset, 0, accumulated.length);
      }
      let total = 0;
      staged([accumulated, values], IN, ([a, v], count, start) => {
        const found = k.significantRelative(a!, v!, threshold, room.byteOffset, start, count);
        out.set(room.subarray(0, found), total);
        total += found;
      });
      return total;
    },
    significantAbsolute(accumulated: Float32Array, threshold: number, out: Uint32Array): number {
      roomFor(out, accumulated.length);
      if (inside(accumulated) && inside(out)) {
        const a = accumulated.byteOffset;
        return k.significantAbsolute(a, threshold, out.byteOffset, 0, accumulated.length);
      }
      let total = 0;
      staged([accumulated], IN, ([a], count, start) => {
        const found = k.significantAbsolute(a!, threshold, room.byteOffset, start, count);
        out.set(room.subarray(0, found), total);
        total += found;
      });
      return total;
    },
  };
}

/** Indexed access. The array pointed into must lie inside; else the plain loop does as well. */
function indexed({ kernels: k, inside, staged }: Arena, plain: Kernels) {
  /** Runs `body` over the list of indices and its values, indices checked before memory is touched. */
  const over = (
    pointedInto: Float32Array,
    indices: Uint32Array,
    listed: Float32Array,
    access: Access,
    body: (indices: number, listed: number, count: number) => void,
  ): void => {
    sameLength(indices, listed);
    staged([indices, listed], ["in", access], ([i, v], count) => {
      indexWithin(k.largest(i!, count) >>> 0, count, pointedInto.length);
      body(i!, v!, count);
    });
  };
  return {
    gather(into: Float32Array, from: Float32Array, indices: Uint32Array): void {
      const run = (i: number, v: number, n: number) => k.gather(v, from.byteOffset, i, n);
      if (inside(from)) over(from, indices, into, "out", run);
      else plain.gather(into, from, indices);
    },
    take(into: Float32Array, from: Float32Array, indices: Uint32Array): void {
      const run = (i: number, v: number, n: number) => k.take(v, from.byteOffset, i, n);
      if (inside(from)) over(from, indices, into, "out", run);
      else plain.take(into, from, indices);
    },
    scatterAdd(into: Float32Array, indices: Uint32Array, values: Float32Array): void {
      const run = (i: number, v: number, n: number) => k.scatterAdd(into.byteOffset, i, v, n);
      if (inside(into)) over(into, indices, values, "in", run);
      else plain.scatterAdd(into, indices, values);
    },
    scatter(into: Float32Array, indices: Uint32Array, values: Float32Array): void {
      const run = (i: number, v: number, n: number) => k.scatter(into.byteOffset, i, v, n);
      if (inside(into)) over(into, indices, values, "in", run);
      else plain.scatter(into, indices, values);
    },
  };
}

/** Throws where the platform lacks WebAssembly SIMD or shared memory; `createKernels` then falls back. */
export function createSimdKernels(maximumPages?: number): Kernels {
  const arena = createArena(maximumPages);
  return {
    name: "simd",
    allocate: (length) => {
      const { buffer, at } = arena.reserve(length * 4);
      return new Float32Array(buffer, at, length);
    },
    allocateIndices: (length) => {
      const { buffer, at } = arena.reserve(length * 4);
      return new Uint32Array(buffer, at, length);
    },
    snapshot: (from) => new Float32Array(from),
    ...elementwise(arena),
    ...reductions(arena),
    ...rules(arena),
    ...scans(arena),
    ...indexed(arena, createPlainKernels()),
  };
}
