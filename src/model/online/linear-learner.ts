/**
 * The same linear models with one fixed layout, as learners of the other tiers: a step gives the gradient of the batch's
 * mean loss, and the run's optimizer and tiers do the rest. Pegasos's rate is that optimizer's schedule.
 */
import type { Batch } from "../../core/dataset.ts";
import { invariant } from "../../core/errors.ts";
import { createLayout, type Layout } from "../layout.ts";
import type { Judgement, Learner, StepResult } from "../learner.ts";
import type { RowShape } from "./frame.ts";
import type { LinearRule } from "./linear-rule.ts";
import { denseOf, labelOf, NonZeros } from "./rows.ts";

export type LinearLoss = Pick<LinearRule, "l2" | "loss" | "slope">;

export class LinearLearner implements Learner {
  readonly kind = "gradient";
  readonly layout: Layout;
  readonly privateLength = 0;
  readonly #rule: LinearLoss;
  readonly #shape: RowShape;
  readonly #x: NonZeros;
  readonly #scores: Float64Array;

  constructor(rule: LinearLoss, shape: RowShape) {
    this.layout = createLayout([
      { name: "weight", shape: [shape.classes, shape.features] },
      { name: "bias", shape: [shape.classes] },
    ]);
    this.#rule = rule;
    this.#shape = shape;
    this.#x = new NonZeros(shape.features);
    this.#scores = new Float64Array(shape.classes);
  }

  /** Zeros: the objective is convex. */
  initialise(): Float32Array {
    return new Float32Array(this.layout.length);
  }

  flops(batchSize: number): number {
    return 4 * batchSize * this.layout.length;
  }

  /** Loss and gradient are those of l2/2 |w|^2 (constants included) + the mean over examples of the classes' losses. */
  async step(parameters: Float32Array, batch: Batch, out: Float32Array): Promise<StepResult> {
    const examples = batch.rows.length;
    invariant(examples > 0, "a step needs at least one row");
    const { l2, slope } = this.#rule;
    let penalty = 0;
    for (let k = 0; k < out.length; k++) {
      const weight = parameters[k] as number;
      out[k] = l2 * weight;
      penalty += (l2 / 2) * weight * weight;
    }
    const { features, classes } = this.#shape;
    const { lossSum } = this.#pass(parameters, batch, (label) => {
      const { places, values, count } = this.#x;
      for (let c = 0; c < classes; c++) {
        const sign = c === label ? 1 : -1;
        const by = (sign * slope(sign * (this.#scores[c] as number))) / examples;
        if (by === 0) continue;
        const base = c * features;
        for (let i = 0; i < count; i++)
          out[base + (places[i] as number)]! += by * (values[i] as number);
        out[classes * features + c]! += by;
      }
    });
    return { loss: penalty + lossSum / examples, examples };
  }

  async judge(parameters: Float32Array, batch: Batch): Promise<Judgement> {
    return { examples: batch.rows.length, ...this.#pass(parameters, batch, () => {}) };
  }

  async close(): Promise<void> {}

  /** Scores every example; `each` is told its label while its features and scores are at hand. */
  #pass(parameters: Float32Array, batch: Batch, each: (label: number) => void): Totals {
    const data = denseOf(batch, this.#shape);
    const { features, classes } = this.#shape;
    const { places, values } = this.#x;
    const totals = { lossSum: 0, correct: 0 };
    for (const row of batch.rows) {
      const label = labelOf(data, row);
      invariant(label >= 0, `row ${row} bears no class`);
      this.#x.read(data, row);
      let best = 0;
      for (let c = 0; c < classes; c++) {
        let score = parameters[classes * features + c] as number;
        const base = c * features;
        for (let i = 0; i < this.#x.count; i++)
          score += (parameters[base + (places[i] as number)] as number) * (values[i] as number);
        this.#scores[c] = score;
        if (score > (this.#scores[best] as number)) best = c;
        totals.lossSum += this.#rule.loss(c === label ? score : -score);
      }
      if (best === label) totals.correct++;
      each(label);
    }
    return totals;
  }
}

interface Totals {
  readonly lossSum: number;
  readonly correct: number;
}
