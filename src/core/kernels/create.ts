/** The fastest kernels that this platform runs. */
import type { Kernels } from "./contract.ts";
import { createPlainKernels } from "./plain.ts";
import { createSimdKernels } from "./simd.ts";

/** New kernels with a memory of their own: SIMD where WebAssembly has it, else the plain twin. */
export function createKernels(): Kernels {
  try {
    return createSimdKernels();
  } catch {
    return createPlainKernels();
  }
}
