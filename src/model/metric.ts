/** How a model's output is judged besides its loss: right classes, right tokens, squared errors, or nothing. */
import type { Judgement } from "./learner.ts";
import type { TermPlan, Trainable } from "./trainable.ts";

export interface Totals {
  lossSum: number;
  correct: number;
  squaredErrorSum: number;
}

type Numbers = Float32Array | BigInt64Array;

export interface Metric {
  /** Adds the first `count` examples. */
  add(output: Float32Array, targets: Numbers, count: number, totals: Totals): void;
  judgement(examples: number, totals: Totals): Judgement;
}

/** `width` is the number of outputs of one example. */
export function metricOf({ data, objectives }: Trainable, width: number): Metric {
  const term = objectives[0]?.terms[0] as TermPlan;
  if (term.target !== "label") return lossOnly;
  if (data.kind === "text")
    return tokens(
      data.length,
      data.vocabulary,
      term.loss.kind === "softmax-cross-entropy" ? term.loss.ignoreIndex : undefined,
    );
  if (term.loss.kind === "binary-cross-entropy" && width === 1)
    return binary(Math.max(1, data.classes));
  return data.classes > 0 ? classes(data.classes) : squares;
}

const lossOnly: Metric = {
  add: () => {},
  judgement: (examples, { lossSum }) => ({ examples, lossSum }),
};

const byCorrect: Metric["judgement"] = (examples, { lossSum, correct }) => ({
  examples,
  lossSum,
  correct,
});

const largest = (values: Float32Array, start: number, width: number): number => {
  let best = 0;
  for (let k = 1; k < width; k++)
    if ((values[start + k] ?? 0) > (values[start + best] ?? 0)) best = k;
  return best;
};

/** Examples whose largest output (the first, if several are equal) is that of their class. */
const classes = (width: number): Metric => ({
  add: (output, targets, count, totals) => {
    for (let i = 0; i < count; i++)
      if (targets[i * width + largest(output, i * width, width)] === 1) totals.correct++;
  },
  judgement: byCorrect,
});

/** An example counts by the share of its positions, those to ignore left out, whose next token is foretold. */
const tokens = (length: number, vocabulary: number, ignored: number | undefined): Metric => ({
  add: (output, targets, count, totals) => {
    for (let row = 0; row < count; row++) {
      let right = 0;
      let counted = 0;
      for (let at = row * length; at < (row + 1) * length; at++) {
        const target = Number(targets[at]);
        if (target === ignored) continue;
        counted++;
        if (largest(output, at * vocabulary, vocabulary) === target) right++;
      }
      totals.correct += counted === 0 ? 1 : right / counted;
    }
  },
  judgement: byCorrect,
});

/** One logit an example: right if its sign is that of the label, the last of `columns` targets. */
const binary = (columns: number): Metric => ({
  add: (output, targets, count, totals) => {
    for (let i = 0; i < count; i++)
      if ((output[i] ?? 0) > 0 === Number(targets[(i + 1) * columns - 1]) > 0.5) totals.correct++;
  },
  judgement: byCorrect,
});

const squares: Metric = {
  add: (output, targets, count, totals) => {
    for (let i = 0; i < count; i++)
      totals.squaredErrorSum += ((output[i] ?? 0) - Number(targets[i])) ** 2;
  },
  judgement: (examples, { lossSum, squaredErrorSum }) => ({ examples, lossSum, squaredErrorSum }),
};
