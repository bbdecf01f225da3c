/** The pool without threads: work is done where it is asked for. */
import type { ComputePool } from "./contract.ts";
import type { Workbench } from "./workbench.ts";

export const inlinePool = (bench: Workbench): ComputePool => ({
  step: async (work) => bench.step(work),
  judge: async (work) => bench.judge(work),
  close: () => bench.close(),
});
