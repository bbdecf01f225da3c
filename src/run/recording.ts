/**
 * A run whose arithmetic does not depend on time (bulk-synchronous updates of one copy) is computed once; on
 * other links and processors only its timing is new. A recording keeps what the arithmetic gave: the loss of
 * each step, the verdict of each judgement, the model.
 */
import { PangaeaError } from "../core/errors.ts";
import type { StepResult } from "../model/learner.ts";
import type { ComputePool } from "../world/compute/contract.ts";
import type { Verdict } from "./observer.ts";
import type { RunSpec } from "./spec.ts";

export interface Judged extends Verdict {
  readonly change: number | undefined;
}

export interface Recording {
  /** By worker number, one a clock. */
  readonly steps: Map<number, StepResult[]>;
  /** By clock of the judgement. */
  readonly judged: Map<number, Judged>;
  final: { readonly clock: number; readonly verdict: Verdict } | undefined;
  model: Float32Array | undefined;
}

export const newRecording = (): Recording => ({
  steps: new Map(),
  judged: new Map(),
  final: undefined,
  model: undefined,
});

/** Equal keys, equal arithmetic. Undefined where the arithmetic, or its end, depends on time. */
export function arithmeticKey(spec: RunSpec, siteIds: readonly string[]): string | undefined {
  const { within, between } = spec;
  if (between.kind !== "stretched" || within.consistency !== "bsp") return undefined;
  if (spec.faults.length > 0 || spec.stop.maxSeconds !== undefined) return undefined;
  const { data, model, optimizer, batch, seed, evaluate, stop } = spec;
  const { workers } = spec.sites;
  return JSON.stringify({
    data,
    model,
    optimizer,
    batch,
    seed,
    evaluate,
    stop,
    workers,
    siteIds,
  });
}

/** The last judgement of the recorded run at or before a clock. */
export function judgedBy(
  { judged, final }: Recording,
  clock: number,
): { readonly clock: number; readonly verdict: Verdict } | undefined {
  if (final && final.clock <= clock) return final;
  const marks = [...judged.keys()].filter((mark) => mark <= clock);
  const last = Math.max(...marks);
  const verdict = judged.get(last);
  return verdict && { clock: last, verdict: { metrics: verdict.metrics, sites: verdict.sites } };
}

/** A pool that also writes down what it computed. */
export function recordingPool(pool: ComputePool, recording: Recording): ComputePool {
  return {
    ...pool,
    judge: (work) => pool.judge(work),
    flush: () => pool.flush?.(),
    close: () => pool.close(),
    async step(work) {
      const result = await pool.step(work);
      let steps = recording.steps.get(work.worker);
      if (!steps) recording.steps.set(work.worker, (steps = []));
      steps[work.clock] = result;
      return result;
    },
  };
}

/** A pool that computes nothing and answers what was recorded. */
export function replayPool(recording: Recording): ComputePool {
  const missing = (): never => {
    throw new PangaeaError("RECORDING_TOO_SHORT", "the recorded run ended before this one");
  };
  return {
    step: async (work) => recording.steps.get(work.worker)?.[work.clock] ?? missing(),
    judge: async () => missing(),
    close: async () => {},
  };
}
