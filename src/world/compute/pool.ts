/** A compute pool: worker threads, or with 0 threads the caller's own. Results are the same either way. */
import { createRuntime } from "../../model/onnx/run.ts";
import type { ComputePool, ComputePoolOptions } from "./contract.ts";
import { inlinePool } from "./inline.ts";
import { ThreadPool } from "./threads.ts";
import { Workbench } from "./workbench.ts";

export function createComputePool(options: ComputePoolOptions): ComputePool {
  if (options.threads > 0) return new ThreadPool(options);
  return inlinePool(new Workbench(options, createRuntime({ warn: options.warn })));
}
