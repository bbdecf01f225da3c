/**
 * A learner whose model is an ONNX graph. Layout and FLOPs are known at once; ONNX Runtime is loaded at
 * the first step. Graphs are built and kept per batch size.
 *
 * Memory: parameters and gradients are bound to ONNX Runtime as views of one flat array each, without a
 * copy. Shared arrays, which ONNX Runtime refuses, are copied once into a private flat array of the
 * learner and once out of it.
 */
import type { Tensor } from "onnxruntime-web";
import type { Batch, DataShape, DenseDataset } from "../core/dataset.ts";
import { invariant } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { FlatTensors } from "./flat-tensors.ts";
import { gather, type Rows, rowsFor } from "./gather.ts";
import { initialise } from "./initialise.ts";
import { createLayout, type Layout } from "./layout.ts";
import type { Judgement, Learner, StepResult } from "./learner.ts";
import { modelShape } from "./model-shape.ts";
import type { Engine, Program, Runtime, Tensors } from "./onnx/run.ts";
import {
  FEATURES,
  type FeatureFormat,
  judgingGraph,
  type ModelShape,
  TARGETS,
  trainingGraph,
} from "./onnx/training.ts";
import { ProgramCache } from "./program-cache.ts";
import type { SequentialSpec } from "./spec.ts";

/** Rows of a judging graph at most, and elements of the batch's widest value. */
const JUDGE_ROWS = 1000;
const JUDGE_ELEMENTS = 8e6;

interface TrainProgram {
  readonly program: Program;
  readonly rows: Rows;
  readonly feeds: Tensors;
  readonly loss: Float32Array;
  readonly lossFetch: Tensors;
  readonly gradients: ReadonlyMap<string, string>;
}

interface JudgeProgram {
  readonly program: Program;
  readonly rows: Rows;
  readonly feeds: Tensors;
  readonly fetches: Tensors;
  readonly output: Float32Array;
  readonly losses: Float32Array;
}

export class GraphLearner implements Learner {
  readonly kind = "gradient";
  readonly privateLength = 0;
  readonly layout: Layout;
  readonly #model: ModelShape;
  readonly #runtime: Runtime;
  readonly #flops = new Map<number, number>();
  readonly #training = new ProgramCache<TrainProgram>();
  readonly #judging = new ProgramCache<JudgeProgram>();
  readonly #parameters: FlatTensors;
  readonly #gradients: FlatTensors;
  /** The buffers are reused, so steps of one learner run one after another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(spec: SequentialSpec, data: DataShape, runtime: Runtime) {
    this.#model = modelShape(spec, data);
    this.#runtime = runtime;
    this.layout = createLayout(this.#model.parameters);
    this.#parameters = new FlatTensors(this.layout);
    this.#gradients = new FlatTensors(this.layout);
  }

  initialise(random: Random): Float32Array {
    return initialise(this.layout, this.#model.parameters, random);
  }

  flops(batchSize: number): number {
    const known = this.#flops.get(batchSize);
    if (known !== undefined) return known;
    const plain: FeatureFormat = { type: "float32", scale: 1, offset: 0 };
    const { flops } = trainingGraph(this.#model, batchSize, plain);
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
    const data = denseOf(batch);
    const engine = await this.#runtime.engine();
    const examples = batch.rows.length;
    invariant(examples > 0, "a step needs at least one row");
    const train = await this.#training.get(keyOf(examples, data), () =>
      this.#loadTraining(engine, examples, data),
    );
    gather(data, batch.rows, 0, examples, train.rows);
    const feeds = { ...train.feeds, ...this.#parameters.read(engine, parameters) };
    const bound = this.#gradients.write(engine, out);
    const fetches: Record<string, Tensor> = { ...train.lossFetch };
    for (const [parameter, gradient] of train.gradients)
      fetches[gradient] = bound[parameter] as Tensor;
    await train.program.run(feeds, fetches);
    this.#gradients.deliver(out);
    return { loss: train.loss[0] ?? Number.NaN, examples };
  }

  /** `lossSum` is the sum of the examples' own losses, without L2. */
  async #judge(parameters: Float32Array, batch: Batch): Promise<Judgement> {
    const data = denseOf(batch);
    const engine = await this.#runtime.engine();
    const bound = this.#parameters.read(engine, parameters);
    const total = batch.rows.length;
    const block = this.#judgeRows(total);
    let lossSum = 0;
    let correct = 0;
    let squaredErrorSum = 0;
    for (let start = 0; start < total; start += block) {
      const judge = await this.#judging.get(keyOf(block, data), () =>
        this.#loadJudging(engine, block, data),
      );
      const count = Math.min(block, total - start);
      gather(data, batch.rows, start, count, judge.rows);
      await judge.program.run({ ...judge.feeds, ...bound }, judge.fetches);
      for (let i = 0; i < count; i++) lossSum += judge.losses[i] ?? 0;
      if (data.classes > 0) correct += countCorrect(judge, count, this.#model.outputs);
      else squaredErrorSum += sumSquaredErrors(judge, count);
    }
    return data.classes > 0
      ? { examples: total, lossSum, correct }
      : { examples: total, lossSum, squaredErrorSum };
  }

  /** A power of two that is enough for all rows, within the limits; a last block that is short is padded. */
  #judgeRows(total: number): number {
    const elements = this.#model.widest;
    const limit = Math.max(1, Math.min(JUDGE_ROWS, Math.floor(JUDGE_ELEMENTS / elements)));
    let rows = 1;
    while (rows < total && rows * 2 <= limit) rows *= 2;
    return rows;
  }

  async #loadTraining(engine: Engine, size: number, data: DenseDataset): Promise<TrainProgram> {
    const { graph, loss: name, gradients } = trainingGraph(this.#model, size, formatOf(data));
    const rows = rowsFor(data, size, this.#model.outputs);
    const loss = new Float32Array(1);
    return {
      program: await engine.load(graph),
      rows,
      feeds: this.#batchTensors(engine, size, data, rows),
      loss,
      lossFetch: { [name]: engine.tensor("float32", loss, []) },
      gradients,
    };
  }

  async #loadJudging(engine: Engine, size: number, data: DenseDataset): Promise<JudgeProgram> {
    const { graph, output: name, losses } = judgingGraph(this.#model, size, formatOf(data));
    const rows = rowsFor(data, size, this.#model.outputs);
    const output = new Float32Array(size * this.#model.outputs);
    const lossOf = new Float32Array(size);
    return {
      program: await engine.load(graph),
      rows,
      feeds: this.#batchTensors(engine, size, data, rows),
      fetches: {
        [name]: engine.tensor("float32", output, [size, this.#model.outputs]),
        [losses]: engine.tensor("float32", lossOf, [size, 1]),
      },
      output,
      losses: lossOf,
    };
  }

  #batchTensors(engine: Engine, size: number, data: DenseDataset, rows: Rows): Tensors {
    const type = data.features instanceof Uint8Array ? "uint8" : "float32";
    return {
      [FEATURES]: engine.tensor(type, rows.features, [size, ...this.#model.input]),
      [TARGETS]: engine.tensor("float32", rows.targets, [size, this.#model.outputs]),
    };
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function denseOf(batch: Batch): DenseDataset {
  invariant(batch.dataset.kind === "dense", "a graph learns from rows of features");
  return batch.dataset;
}

const formatOf = (data: DenseDataset): FeatureFormat => ({
  type: data.features instanceof Uint8Array ? "uint8" : "float32",
  scale: data.scale,
  offset: data.offset,
});

const keyOf = (size: number, data: DenseDataset): string =>
  `${size} ${data.features instanceof Uint8Array ? "uint8" : "float32"} ${data.scale} ${data.offset}`;

/** Examples whose largest output (the first, if several are equal) is that of their class. */
function countCorrect({ output, rows }: JudgeProgram, count: number, width: number): number {
  let correct = 0;
  for (let i = 0; i < count; i++) {
    let best = 0;
    for (let k = 1; k < width; k++)
      if ((output[i * width + k] ?? 0) > (output[i * width + best] ?? 0)) best = k;
    if (rows.targets[i * width + best] === 1) correct++;
  }
  return correct;
}

function sumSquaredErrors({ output, rows }: JudgeProgram, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += ((output[i] ?? 0) - (rows.targets[i] ?? 0)) ** 2;
  return sum;
}
