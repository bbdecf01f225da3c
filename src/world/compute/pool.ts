/** A compute pool: worker threads, or with 0 threads the caller's own. Results are the same either way. */
import type { ComputePool, ComputePoolOptions } from "./contract.ts";
import { ThreadPool } from "./threads.ts";
import { Workbench } from "./workbench.ts";

export function createComputePool(options: ComputePoolOptions): ComputePool {
  if (options.threads > 0) return new ThreadPool(options);
  const bench = new Workbench(options, options.warn ?? (() => {}));
  return {
    step: async (work) => bench.step(work),
    judge: async (work) => bench.judge(work),
    close: () => bench.close(),
  };
}
