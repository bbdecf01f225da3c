/**
 * The acceptance test: a portion stays in the model only if the site's own recent labelled rows are predicted better with
 * it. What it is tested on never leaves the site. A portion that lies (malformed, harmful) so costs a test, and no more.
 *
 * The model has learned the rows of the window by now, and what it has just learned flatters it: right after a change a
 * model that memorised a dozen rows would beat a neighbour that knows the class. On the classes in need it is therefore
 * held to what it said when it first saw the rows; on all others both are judged now. What this forgives the portion,
 * its probation on rows that nobody has seen (probation.ts) does not.
 */
import type { Dataset } from "../../../core/dataset.ts";
import type { Flops } from "../../../core/units.ts";
import type { MergeContext, TailoredModel } from "../../../model/tailored.ts";
import { compare, labelsOf } from "../../site-loop.ts";

/** A labelled batch of the window, and how many of each class were wrong when it came. */
export interface SeenBatch {
  readonly rows: Uint32Array;
  readonly wrong: Uint32Array;
}

export interface Trial {
  readonly dataset: Dataset;
  readonly batches: readonly SeenBatch[];
  /** Its classes are those in need. */
  readonly context: MergeContext;
  /** By so much the share of wrong rows must fall. */
  readonly margin: number;
  /** The portion has been tried before: of many tries one succeeds by chance, so that it must gain more than chance. */
  readonly again?: boolean;
}

export interface TrialResult {
  readonly accepted: boolean;
  /** Refused, but by no more than chance: a few rows more of the class may tell. */
  readonly undecided: boolean;
  /** For people. */
  readonly reason: string;
  /** The batches as the model with the portion predicts them; none where there was no portion. */
  readonly judged: readonly SeenBatch[];
  /** The model without the portion, as `save` wrote it. */
  readonly saved: Uint8Array;
  readonly flops: Flops;
}

/** So many standard deviations of chance are needed to say that a portion does harm. */
const CLEARLY = 2;

/** The model is afterwards as it was, or has taken the portion in. Nobody else may touch it meanwhile. */
export async function tryPortion(
  model: TailoredModel,
  packed: Uint8Array,
  trial: Trial,
): Promise<TrialResult> {
  const now = await judgeWindow(model, trial);
  const saved = model.save();
  try {
    model.merge(packed, trial.context);
  } catch (error) {
    // Whatever is wrong with somebody else's bytes is wrong with the bytes.
    model.restore(saved);
    const reason = `no portion: ${error instanceof Error ? error.message : String(error)}`;
    return { accepted: false, undecided: false, reason, judged: [], saved, flops: now.flops };
  }
  const merged = await judgeWindow(model, trial);
  const before = sum(
    now.wrong.map((wrong, i) => held(wrong, trial.batches[i]!.wrong, trial.context.classes)),
  );
  const after = sum(merged.wrong.map(sum));
  const chance = trial.again ? Math.sqrt(before + after) : 0;
  const accepted =
    after < before && before - after >= Math.max(trial.margin * now.examples, chance);
  if (!accepted) model.restore(saved);
  // Of n rows on which the two differ, n is at most the errors of both.
  const undecided = !accepted && after - before <= CLEARLY * Math.sqrt(after + before);
  const percent = (errors: number): string => `${((100 * errors) / now.examples).toFixed(1)} %`;
  return {
    accepted,
    undecided,
    reason: `errs ${percent(after)} with it, ${percent(before)} without`,
    judged: trial.batches.map(({ rows }, i) => ({ rows, wrong: merged.wrong[i]! })),
    saved,
    flops: now.flops + merged.flops,
  };
}

/** Errors of the model without the portion: as first seen on the classes in need, as of now on the others. */
const held = (now: Uint32Array, first: Uint32Array, need: readonly number[]): number =>
  sum(now) + sum(need.map((c) => Math.max(0, first[c]! - now[c]!)));

function sum(values: ArrayLike<number>): number {
  let all = 0;
  for (let i = 0; i < values.length; i++) all += values[i]!;
  return all;
}

async function judgeWindow(model: TailoredModel, { dataset, batches }: Trial) {
  let [examples, flops] = [0, 0];
  const wrong: Uint32Array[] = [];
  // Batch by batch: a compiled model has one shape of input.
  for (const { rows } of batches) {
    const predicted = new Int32Array(rows.length);
    flops += await model.predict({ dataset, rows }, predicted);
    const judged = compare(labelsOf(dataset, rows), predicted, model.classes);
    examples += judged.examples;
    wrong.push(judged.classErrors);
  }
  return { examples, wrong, flops };
}
