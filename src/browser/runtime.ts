/** What only a browser can say: which of ONNX Runtime's builds runs best in it. */
import { createRuntime, type Runtime } from "../model/onnx/run.ts";

interface Gpu {
  requestAdapter(): Promise<unknown>;
}

/** WebGPU where there is an adapter (a browser may know WebGPU and have none), else WebAssembly. */
export async function browserRuntime(): Promise<Runtime> {
  // The types of browsers are not among those of Node.
  const { gpu } = (globalThis as { readonly navigator?: { readonly gpu?: Gpu } }).navigator ?? {};
  return createRuntime({ only: (await gpu?.requestAdapter()) ? "webgpu" : "wasm" });
}
