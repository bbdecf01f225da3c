/**
 * The acceptance test: a portion stays in the model only if the site's own recent labelled rows are predicted better with
 * it. What it is tested on never leaves the site. A portion that lies (malformed, harmful) so costs a test, and no more.
 */
import type { Dataset } from "../../../core/dataset.ts";
import type { Flops } from "../../../core/units.ts";
import type { MergeContext, TailoredModel } from "../../../model/tailored.ts";
import { compare, labelsOf } from "../../site-loop.ts";

export interface Trial {
  readonly dataset: Dataset;
  /** Of each batch of the window. */
  readonly batches: readonly Uint32Array[];
  readonly context: MergeContext;
  /** By so much the share of wrong rows must fall. */
  readonly margin: number;
}

export interface TrialResult {
  readonly accepted: boolean;
  /** For people. */
  readonly reason: string;
  /** Shares of wrong rows with the model as it was and with the portion. */
  readonly before: number;
  readonly after: number;
  /** With the portion: wrong rows of each batch by class. */
  readonly wrong: readonly Uint32Array[];
  readonly flops: Flops;
}

/** The model is afterwards as it was, or has taken the portion in. Nobody else may touch it meanwhile. */
export async function tryPortion(
  model: TailoredModel,
  packed: Uint8Array,
  trial: Trial,
): Promise<TrialResult> {
  const before = await judgeWindow(model, trial);
  const saved = model.save();
  try {
    model.merge(packed, trial.context);
  } catch (error) {
    // Whatever is wrong with somebody else's bytes is wrong with the bytes.
    model.restore(saved);
    const reason = `no portion: ${error instanceof Error ? error.message : String(error)}`;
    return {
      accepted: false,
      reason,
      before: before.error,
      after: Number.NaN,
      wrong: [],
      flops: before.flops,
    };
  }
  const after = await judgeWindow(model, trial);
  const accepted = after.error < before.error && after.error <= before.error - trial.margin;
  if (!accepted) model.restore(saved);
  return {
    accepted,
    reason: `errs ${percent(after.error)} with it, ${percent(before.error)} without`,
    before: before.error,
    after: after.error,
    wrong: after.wrong,
    flops: before.flops + after.flops,
  };
}

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

async function judgeWindow(model: TailoredModel, { dataset, batches }: Trial) {
  let [errors, examples, flops] = [0, 0, 0];
  const wrong: Uint32Array[] = [];
  // Batch by batch: a compiled model has one shape of input.
  for (const rows of batches) {
    const predicted = new Int32Array(rows.length);
    flops += await model.predict({ dataset, rows }, predicted);
    const judged = compare(labelsOf(dataset, rows), predicted, model.classes);
    errors += judged.errors;
    examples += judged.examples;
    wrong.push(judged.classErrors);
  }
  return { error: examples > 0 ? errors / examples : 1, wrong, flops };
}
