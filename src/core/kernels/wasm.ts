/**
 * The compiled module and the memory it works on. Types of the WebAssembly JavaScript interface that
 * TypeScript keeps in its browser library, cut down to what is used.
 */
import { MODULE_BASE64 } from "./module.ts";

interface WasmMemory {
  /** A new object after each growth; views of the old one stay valid, as the memory is shared. */
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}

interface WasmInterface {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
  readonly Memory: new (shape: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
}

/** Exports of assembly/kernels.ts: addresses in bytes, counts in elements. */
export interface WasmKernels {
  copy(into: number, from: number, count: number): void;
  fill(into: number, value: number, count: number): void;
  add(into: number, from: number, count: number): void;
  subtract(into: number, from: number, count: number): void;
  axpy(into: number, alpha: number, from: number, count: number): void;
  scale(into: number, alpha: number, count: number): void;
  sumOfSquares(sums: number, values: number, count: number): void;
  squaredDistance(sums: number, a: number, b: number, count: number): void;
  momentum(h: number, g: number, rate: number, mu: number, delta: number, count: number): void;
  adagrad(s: number, g: number, rate: number, epsilon: number, delta: number, count: number): void;
  /** first, second, gradient, rate, beta1, beta2, 1-beta1, 1-beta2, c1, c2, epsilon, delta, count */
  adam(...settings: number[]): void;
  significantRelative(
    accumulated: number,
    values: number,
    threshold: number,
    out: number,
    base: number,
    count: number,
  ): number;
  significantAbsolute(
    accumulated: number,
    threshold: number,
    out: number,
    base: number,
    count: number,
  ): number;
  largest(indices: number, count: number): number;
  gather(into: number, from: number, indices: number, count: number): void;
  take(into: number, from: number, indices: number, count: number): void;
  scatterAdd(into: number, indices: number, values: number, count: number): void;
  scatter(into: number, indices: number, values: number, count: number): void;
}

export const PAGE = 65536;

/** Instantiates the module over a new shared memory; throws where SIMD or shared memory is missing. */
export function instantiate(
  initial: number,
  maximum: number,
): { readonly memory: WasmMemory; readonly kernels: WasmKernels } {
  const wasm = (globalThis as unknown as { WebAssembly: WasmInterface }).WebAssembly;
  const bytes = Uint8Array.from(atob(MODULE_BASE64), (character) => character.charCodeAt(0));
  const memory = new wasm.Memory({ initial, maximum, shared: true });
  const { exports } = new wasm.Instance(new wasm.Module(bytes), { env: { memory } });
  return { memory, kernels: exports as WasmKernels };
}
