/**
 * Kernels that compute nothing: for runs whose arithmetic is known already and whose timing alone is
 * wanted. All arrays are views of one buffer of zeros, so a thousand nodes cost the memory of one.
 */
import type { Kernels } from "./contract.ts";

const nothing = (): void => {};
const none = (): number => 0;

export function createPhantomKernels(): Kernels {
  let zeros = new ArrayBuffer(0);
  const room = (length: number): ArrayBuffer => {
    if (zeros.byteLength < length * 4)
      zeros = new ArrayBuffer(Math.max(length * 4, 2 * zeros.byteLength));
    return zeros;
  };
  return {
    name: "phantom",
    allocate: (length) => new Float32Array(room(length), 0, length),
    allocateIndices: (length) => new Uint32Array(room(length), 0, length),
    snapshot: (from) => from,
    copy: nothing,
    fill: nothing,
    add: nothing,
    subtract: nothing,
    axpy: nothing,
    scale: nothing,
    sumOfSquares: none,
    squaredDistance: none,
    momentum: nothing,
    adagrad: nothing,
    adam: nothing,
    significantRelative: none,
    significantAbsolute: none,
    gather: nothing,
    take: nothing,
    scatterAdd: nothing,
    scatter: nothing,
  };
}
