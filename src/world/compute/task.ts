/** What crosses between the caller and a compute thread. Shared arrays cross as views, without a copy. */
import type { Dataset, Draw } from "../../core/dataset.ts";
import type { Judgement, StepResult } from "../../model/learner.ts";
import type { ModelSpec } from "../../model/spec.ts";

/** What steps and judgements have in common. */
export interface Job {
  readonly learner: string;
  readonly dataset: string;
  readonly rows: Uint32Array;
  readonly parameters: Float32Array;
  readonly own?: Float32Array | undefined;
}

/** `worker` and `clock` name what the step draws. */
export interface StepJob extends Job, Draw {
  readonly out: Float32Array;
}

export type Task =
  | (StepJob & { readonly id: number; readonly kind: "step" })
  | (Job & { readonly id: number; readonly kind: "judge" });

export type Answer =
  | { readonly id: number; readonly result: StepResult | Judgement }
  | { readonly id: number; readonly failure: Failure };

/** What a thread says: answers, or something that the user should know. */
export type Report = readonly Answer[] | { readonly warning: string };

/** An error in a form that crosses threads. */
export interface Failure {
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string | undefined;
}

/** What a thread gets when it starts. */
export interface ThreadData {
  readonly learners: Readonly<Record<string, ModelSpec>>;
  readonly datasets: Readonly<Record<string, Dataset>>;
}

export function toFailure(error: unknown): Failure {
  if (!(error instanceof Error))
    return { code: undefined, message: String(error), stack: undefined };
  const { code } = error as { code?: unknown };
  return {
    code: typeof code === "string" ? code : undefined,
    message: error.message,
    stack: error.stack,
  };
}
