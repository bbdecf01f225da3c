/**
 * The contract between a learning algorithm and everything else: one flat array of shared parameters, and
 * a step that turns a batch into an update of it.
 */
import type { Batch } from "../core/dataset.ts";
import type { Metrics } from "../core/events.ts";
import type { Random } from "../core/random.ts";
import type { Layout } from "./layout.ts";

export interface StepResult {
  /** Mean loss of the batch before the update. */
  readonly loss: number;
  readonly examples: number;
}

/** Sums, so that slices judged apart can be merged exactly. */
export interface Judgement {
  readonly examples: number;
  readonly lossSum: number;
  /** Examples whose class is right (classification). */
  readonly correct?: number | undefined;
  /** Sum of squared errors (regression, ratings). */
  readonly squaredErrorSum?: number | undefined;
}

export interface Learner {
  /**
   * `gradient`: `out` is dLoss/dParameters of the batch's mean loss in the layout's trained part, and the
   * additive change (new - given) in its state part. `delta`: `out` is the change itself everywhere.
   */
  readonly kind: "gradient" | "delta";
  readonly layout: Layout;
  /** Length of the parameters that never leave the worker (user factors); 0 if there are none. */
  readonly privateLength: number;

  /** Starting values of the shared parameters. */
  initialise(random: Random): Float32Array;
  /** Starting values of the private parameters (length `privateLength`). */
  initialisePrivate?(random: Random): Float32Array;

  /** Floating-point operations of one step on a batch of this size: the simulated clock and the planner use it. */
  flops(batchSize: number): number;

  /** Sorted indices of the shared parameters that a step on this batch reads and changes. Absent: all. */
  workingSet?(batch: Batch): Uint32Array;
  /** Sorted indices of the private parameters that the step changes. */
  privateSet?(batch: Batch): Uint32Array;

  /**
   * One unit of local work. Without `workingSet`, `out` has the length of the layout. With it, `out` holds
   * one value for each index of `workingSet`, then one for each index of `privateSet`; entries of
   * `parameters` outside the working set may be stale. Neither `parameters` nor `own` is changed.
   */
  step(
    parameters: Float32Array,
    batch: Batch,
    out: Float32Array,
    own?: Float32Array,
  ): Promise<StepResult>;

  /** Judges the parameters on a batch of any size. */
  judge(parameters: Float32Array, batch: Batch, own?: Float32Array): Promise<Judgement>;
  /** Gives back native memory. The learner is not used afterwards. */
  close(): Promise<void>;
}

export const toMetrics = (judgements: readonly Judgement[]): Metrics => {
  let examples = 0;
  let loss = 0;
  let correct: number | undefined;
  let squares: number | undefined;
  for (const part of judgements) {
    examples += part.examples;
    loss += part.lossSum;
    if (part.correct !== undefined) correct = (correct ?? 0) + part.correct;
    if (part.squaredErrorSum !== undefined) squares = (squares ?? 0) + part.squaredErrorSum;
  }
  const count = Math.max(1, examples);
  return {
    examples,
    loss: loss / count,
    ...(correct === undefined ? {} : { accuracy: correct / count }),
    ...(squares === undefined ? {} : { rmse: Math.sqrt(squares / count) }),
  };
};
