/**
 * The pool that runs steps and judgements, in worker threads or (0 threads) on the caller's. It knows
 * nothing of virtual time: the simulated and the local world both stand on it.
 */
import type { Dataset } from "../../core/dataset.ts";
import type { Judgement, StepResult } from "../../model/learner.ts";
import type { ModelSpec } from "../../model/spec.ts";
import type { Work } from "../contract.ts";
import type { Job } from "./task.ts";

/** Judges parameters on rows of a data set. Arrays must not change until it is done. */
export type JudgeWork = Job;

export interface ComputePool {
  step(work: Work): Promise<StepResult>;
  judge(work: JudgeWork): Promise<Judgement>;
  /** Hands everything submitted so far to the threads now: the caller is about to wait for a result. */
  flush?(): void;
  /** Ends the threads. Pending work rejects. */
  close(): Promise<void>;
}

export interface ComputePoolOptions {
  /** 0: on the calling thread. */
  readonly threads: number;
  /** Learners and data sets by id; data sets lie in shared memory. */
  readonly learners: Readonly<Record<string, ModelSpec>>;
  readonly datasets: Readonly<Record<string, Dataset>>;
  /** Told once what the user should know: a missing native library. */
  readonly warn?: ((message: string) => void) | undefined;
}
