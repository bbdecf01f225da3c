/**
 * Gaussian naive Bayes with a fixed layout: for each class the number of its examples, the sums of their features and of
 * those's squares. These add up over batches, workers and sites, and only their ratios count, so that any tier's mean of
 * them is as good as their sum: one pass over the data is training, at whatever number of sites. Features should be
 * standardised or otherwise of about one unit: variances are differences of squares in float32.
 */
import type { Batch } from "../../core/dataset.ts";
import { createLayout, type Layout, viewOf } from "../layout.ts";
import type { Judgement, Learner, StepResult } from "../learner.ts";
import type { RowShape } from "./frame.ts";
import { Gaussians } from "./gaussian.ts";
import { denseOf, labelOf, NonZeros } from "./rows.ts";

export class NaiveBayesLearner implements Learner {
  readonly kind = "delta";
  readonly layout: Layout;
  readonly privateLength = 0;
  readonly #smoothing: number;
  readonly #shape: RowShape;
  readonly #x: NonZeros;

  constructor({ smoothing }: { readonly smoothing: number }, shape: RowShape) {
    const { classes, features } = shape;
    this.layout = createLayout([
      { name: "count", shape: [classes] },
      { name: "sum", shape: [classes, features] },
      { name: "squares", shape: [classes, features] },
    ]);
    this.#smoothing = smoothing;
    this.#shape = shape;
    this.#x = new NonZeros(shape.features);
  }

  initialise(): Float32Array {
    return new Float32Array(this.layout.length);
  }

  flops(batchSize: number): number {
    return 4 * batchSize * this.#shape.features;
  }

  /** The loss is that of `judge`: judging and counting are separate passes. */
  async step(parameters: Float32Array, batch: Batch, out: Float32Array): Promise<StepResult> {
    const data = denseOf(batch, this.#shape);
    const { features } = this.#shape;
    const [count, sum, squares] = this.#views(out.fill(0));
    for (const row of batch.rows) {
      const label = labelOf(data, row);
      if (label < 0) continue;
      this.#x.read(data, row);
      count[label]! += 1;
      for (let i = 0; i < this.#x.count; i++) {
        const at = label * features + (this.#x.places[i] as number);
        const x = this.#x.values[i] as number;
        sum[at]! += x;
        squares[at]! += x * x;
      }
    }
    const { lossSum, examples } = await this.judge(parameters, batch);
    return { loss: lossSum / Math.max(1, examples), examples };
  }

  /** `lossSum` is that of -log p(class | features). */
  async judge(parameters: Float32Array, batch: Batch): Promise<Judgement> {
    const data = denseOf(batch, this.#shape);
    const { classes } = this.#shape;
    const densities = this.#densities(parameters);
    const scores = new Float64Array(classes);
    let [lossSum, correct] = [0, 0];
    for (const row of batch.rows) {
      this.#x.read(data, row);
      for (let c = 0; c < classes; c++) scores[c] = densities[c]?.(this.#x) ?? UNKNOWN;
      const best = scores.indexOf(scores.reduce((a, b) => Math.max(a, b)));
      const most = scores[best] as number;
      const label = labelOf(data, row);
      if (best === label) correct++;
      const total = scores.reduce((all, score) => all + Math.exp(score - most), 0);
      lossSum += most + Math.log(total) - (scores[label] ?? UNKNOWN);
    }
    return { examples: batch.rows.length, lossSum, correct };
  }

  async close(): Promise<void> {}

  /** The logarithm of p(x, class) of each class, but for a constant; undefined where it has no examples. */
  #densities(parameters: Float32Array): (((x: NonZeros) => number) | undefined)[] {
    const { classes, features } = this.#shape;
    const [count, sum, squares] = this.#views(parameters);
    const total = count.reduce((a, b) => a + b, 0);
    return Array.from({ length: classes }, (_, c) => {
      const examples = count[c] as number;
      if (!(examples > 0)) return undefined;
      const gaussians = new Gaussians(features);
      for (let k = 0; k < features; k++) {
        const mean = (sum[c * features + k] as number) / examples;
        gaussians.mean[k] = mean;
        const spread = (squares[c * features + k] as number) / examples - mean * mean;
        gaussians.variance[k] = Math.max(0, spread);
      }
      const prior = Math.log(examples / total);
      return (x) => prior + gaussians.logDensity(x, this.#smoothing);
    });
  }

  #views(flat: Float32Array): [Float32Array, Float32Array, Float32Array] {
    const [count, sum, squares] = this.layout.tensors.map((tensor) => viewOf(flat, tensor));
    return [count as Float32Array, sum as Float32Array, squares as Float32Array];
  }
}

/** Of a class without examples: so unlikely that any other is preferred, and still a number. */
const UNKNOWN = -1e6;
