/**
 * A learner whose model is an ONNX graph. Layout and FLOPs are known at once; ONNX Runtime is loaded at
 * the first step. Graphs are built and kept per batch size.
 *
 * Memory: parameters and gradients are bound to ONNX Runtime as views of one flat array each, without a
 * copy. Shared arrays, which ONNX Runtime refuses, are copied once into a private flat array of the
 * learner and once out of it.
 */
import type { Tensor } from "onnxruntime-web";
import type { Batch } from "../core/dataset.ts";
import { invariant } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import {
  type BatchBuffers,
  batchBuffers,
  formatOf,
  type GraphDataset,
  graphDataset,
  type RandomBuffers,
  randomBuffers,
} from "./batch-buffers.ts";
import { checkFit } from "./fit.ts";
import { FlatTensors } from "./flat-tensors.ts";
import { createLayout, type Layout } from "./layout.ts";
import type { Judgement, Learner, StepResult } from "./learner.ts";
import { type Metric, metricOf } from "./metric.ts";
import { sizeOf } from "./onnx/graph.ts";
import type { LossOptions } from "./onnx/loss/options.ts";
import type { Engine, Program, Runtime, Tensors } from "./onnx/run.ts";
import { type FeatureFormat, judgingGraph, trainingGraph } from "./onnx/training.ts";
import { ProgramCache } from "./program-cache.ts";
import { startingValues } from "./starting-values.ts";
import type { Trainable } from "./trainable.ts";

/** Rows of a judging graph at most, and elements of the batch's widest value. */
const JUDGE_ROWS = 1000;
const JUDGE_ELEMENTS = 8e6;

interface TrainProgram {
  readonly program: Program;
  readonly batch: BatchBuffers;
  readonly randoms: RandomBuffers;
  readonly feeds: Tensors;
  readonly loss: Float32Array;
  readonly lossFetch: Tensors;
  /** Shared tensor to the name of its gradient, or of its change. */
  readonly updates: ReadonlyMap<string, string>;
}

interface JudgeProgram {
  readonly program: Program;
  readonly batch: BatchBuffers;
  readonly feeds: Tensors;
  readonly fetches: Tensors;
  readonly output: Float32Array;
  readonly losses: Float32Array;
}

export class GraphLearner implements Learner {
  readonly kind = "gradient";
  readonly privateLength = 0;
  readonly layout: Layout;
  readonly #trainable: Trainable;
  readonly #metric: Metric;
  readonly #seed: number;
  readonly #runtime: Runtime;
  readonly #flops = new Map<number, number>();
  readonly #training = new ProgramCache<TrainProgram>();
  readonly #judging = new ProgramCache<JudgeProgram>();
  readonly #parameters: FlatTensors;
  readonly #updates: FlatTensors;
  /** Whether an example's loss depends on the others of its batch, so that no row may be padded. */
  readonly #looksAcross: boolean;
  #widest: number | undefined;
  /** The buffers are reused, so steps of one learner run one after another. */
  #last: Promise<unknown> = Promise.resolve();

  /** `seed` is that of everything a step draws. */
  constructor(trainable: Trainable, seed: number, runtime: Runtime) {
    this.#trainable = trainable;
    this.#metric = metricOf(trainable, sizeOf(checkFit(trainable)));
    this.#seed = seed;
    this.#looksAcross = trainable.objectives.some(({ terms }) =>
      terms.some(({ loss }) => looksAcross(loss)),
    );
    this.#runtime = runtime;
    this.layout = createLayout(trainable.trained, trainable.states);
    this.#parameters = new FlatTensors(this.layout);
    this.#updates = new FlatTensors(this.layout);
  }

  initialise(random: Random): Float32Array {
    return startingValues(this.layout, this.#trainable, random);
  }

  /** Of the mean objective where several take turns. */
  flops(batchSize: number): number {
    const known = this.#flops.get(batchSize);
    if (known !== undefined) return known;
    const plain: FeatureFormat = { type: "float32", scale: 1, offset: 0 };
    const { objectives } = this.#trainable;
    const each = objectives.map(
      (_, i) => trainingGraph(this.#trainable, i, batchSize, plain).flops,
    );
    const flops = Math.round(each.reduce((sum, one) => sum + one, 0) / each.length);
    this.#flops.set(batchSize, flops);
    return flops;
  }

  step(parameters: Float32Array, batch: Batch, out: Float32Array): Promise<StepResult> {
    return this.#inTurn(() => this.#step(parameters, batch, out));
  }

  judge(parameters: Float32Array, batch: Batch): Promise<Judgement> {
    return this.#inTurn(() => this.#judge(parameters, batch));
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#training.close();
      await this.#judging.close();
    });
  }

  async #step(parameters: Float32Array, batch: Batch, out: Float32Array): Promise<StepResult> {
    const data = graphDataset(batch.dataset);
    const engine = await this.#runtime.engine();
    const examples = batch.rows.length;
    invariant(examples > 0, "a step needs at least one row");
    const { worker = 0, clock = 0 } = batch.draw ?? {};
    const objective = clock % this.#trainable.objectives.length;
    const train = await this.#training.get(`${objective} ${keyOf(examples, data)}`, () =>
      this.#loadTraining(engine, objective, examples, data),
    );
    train.batch.gather(data, batch.rows, 0, examples);
    train.randoms.draw(this.#seed, `draw/${worker}/${clock}`);
    const feeds = { ...train.feeds, ...this.#parameters.read(engine, parameters) };
    if (train.updates.size < this.layout.tensors.length) this.#updates.clear(out);
    const bound = this.#updates.write(engine, out);
    const fetches: Record<string, Tensor> = { ...train.lossFetch };
    for (const [tensor, update] of train.updates) fetches[update] = bound[tensor] as Tensor;
    await train.program.run(feeds, fetches);
    this.#updates.deliver(out);
    return { loss: train.loss[0] ?? Number.NaN, examples };
  }

  /** `lossSum` is the sum of the examples' own losses, without penalties. */
  async #judge(parameters: Float32Array, batch: Batch): Promise<Judgement> {
    const data = graphDataset(batch.dataset);
    const engine = await this.#runtime.engine();
    const bound = this.#parameters.read(engine, parameters);
    const total = batch.rows.length;
    const block = this.#judgeRows(total, data);
    const totals = { lossSum: 0, correct: 0, squaredErrorSum: 0 };
    for (let start = 0; start < total; start += block) {
      const count = Math.min(block, total - start);
      const size = this.#looksAcross ? count : block;
      const judge = await this.#judging.get(keyOf(size, data), () =>
        this.#loadJudging(engine, size, data),
      );
      judge.batch.gather(data, batch.rows, start, count);
      await judge.program.run({ ...judge.feeds, ...bound }, judge.fetches);
      for (let i = 0; i < count; i++) totals.lossSum += judge.losses[i] ?? 0;
      this.#metric.add(judge.output, judge.batch.targets, count, totals);
    }
    return this.#metric.judgement(total, totals);
  }

  /** A power of two that is enough for all rows, within the limits; a last block that is short is padded. */
  #judgeRows(total: number, data: GraphDataset): number {
    this.#widest ??= judgingGraph(this.#trainable, 1, formatOf(data)).widest;
    const limit = Math.max(1, Math.min(JUDGE_ROWS, Math.floor(JUDGE_ELEMENTS / this.#widest)));
    let rows = 1;
    while (rows < total && rows * 2 <= limit) rows *= 2;
    return rows;
  }

  async #loadTraining(
    engine: Engine,
    objective: number,
    size: number,
    data: GraphDataset,
  ): Promise<TrainProgram> {
    const made = trainingGraph(this.#trainable, objective, size, formatOf(data));
    const loss = new Float32Array(1);
    const batch = batchBuffers(engine, made.graph, data, size);
    const randoms = randomBuffers(engine, made.randoms);
    return {
      program: await engine.load(made.graph),
      batch,
      randoms,
      feeds: { ...batch.feeds, ...randoms.feeds },
      loss,
      lossFetch: { [made.loss]: engine.tensor("float32", loss, []) },
      updates: new Map([...made.gradients, ...made.changes]),
    };
  }

  async #loadJudging(engine: Engine, size: number, data: GraphDataset): Promise<JudgeProgram> {
    const made = judgingGraph(this.#trainable, size, formatOf(data));
    const output = new Float32Array(sizeOf(made.outputShape));
    const losses = new Float32Array(size);
    const batch = batchBuffers(engine, made.graph, data, size);
    const randoms = randomBuffers(engine, made.randoms);
    randoms.draw(this.#seed, "judge");
    return {
      program: await engine.load(made.graph),
      batch,
      feeds: { ...batch.feeds, ...randoms.feeds },
      fetches: {
        [made.output]: engine.tensor("float32", output, made.outputShape),
        [made.losses]: engine.tensor("float32", losses, [size]),
      },
      output,
      losses,
    };
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

const looksAcross = (loss: LossOptions): boolean =>
  loss.kind === "info-nce" ||
  (loss.kind === "softmax-cross-entropy" &&
    (loss.classWeights !== undefined || loss.ignoreIndex !== undefined));

const keyOf = (size: number, data: GraphDataset): string => {
  const { type, scale, offset } = formatOf(data);
  return `${size} ${type} ${scale} ${offset}`;
};
