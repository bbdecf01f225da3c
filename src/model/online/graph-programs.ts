/**
 * Predictions of a graph model, on the runtime that trains it: the outputs of a batch, and what the last layer reads.
 * Holds no parameters, so that the models of all sites of one process share it.
 */
import type { Batch, DenseDataset } from "../../core/dataset.ts";
import type { Flops } from "../../core/units.ts";
import { type BatchBuffers, batchBuffers, formatOf } from "../batch-buffers.ts";
import { FlatTensors } from "../flat-tensors.ts";
import type { Layout } from "../layout.ts";
import { sizeOf } from "../onnx/graph.ts";
import type { Program, Runtime, Tensors } from "../onnx/run.ts";
import { predictingGraph } from "../onnx/training.ts";
import { ProgramCache } from "../program-cache.ts";
import type { Trainable } from "../trainable.ts";

interface Loaded {
  readonly program: Program;
  readonly batch: BatchBuffers;
  readonly feeds: Tensors;
  readonly fetches: Tensors;
  readonly results: readonly Float32Array[];
  readonly flops: Flops;
}

export class GraphPrograms {
  readonly #trainable: Trainable;
  readonly #values: readonly string[];
  readonly #runtime: Runtime;
  readonly #parameters: FlatTensors;
  readonly #programs = new ProgramCache<Loaded>();
  /** Buffers are reused, so runs take turns. */
  #last: Promise<unknown> = Promise.resolve();

  /** `values`: those of the model that each run computes. */
  constructor(trainable: Trainable, layout: Layout, values: readonly string[], runtime: Runtime) {
    this.#trainable = trainable;
    this.#values = values;
    this.#runtime = runtime;
    this.#parameters = new FlatTensors(layout);
  }

  /** Calls `take` with each value's elements, rows first; they are overwritten by the next run. */
  run(
    parameters: Float32Array,
    batch: Batch,
    take: (results: readonly Float32Array[]) => void,
  ): Promise<Flops> {
    const result = this.#last.then(async () => {
      // Without classes nothing is asked of labels: rows may bear none.
      const data = { ...(batch.dataset as DenseDataset), classes: 0 };
      const { type, scale, offset } = formatOf(data);
      const size = batch.rows.length;
      const engine = await this.#runtime.engine();
      const key = `${size} ${type} ${scale} ${offset}`;
      const loaded = await this.#programs.get(key, () => this.#load(size, data));
      loaded.batch.gather(data, batch.rows, 0, size);
      const bound = this.#parameters.read(engine, parameters);
      await loaded.program.run({ ...loaded.feeds, ...bound }, loaded.fetches);
      take(loaded.results);
      return loaded.flops;
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#programs.close();
  }

  async #load(size: number, data: DenseDataset): Promise<Loaded> {
    const engine = await this.#runtime.engine();
    const made = predictingGraph(this.#trainable, size, formatOf(data), this.#values);
    const batch = batchBuffers(engine, made.graph, data, size);
    const results = made.results.map(({ shape }) => new Float32Array(sizeOf(shape)));
    const fetches = Object.fromEntries(
      made.results.map(({ name, shape }, i) => [
        name,
        engine.tensor("float32", results[i] as Float32Array, shape),
      ]),
    );
    const program = await engine.load(made.graph);
    return { program, batch, feeds: batch.feeds, fetches, results, flops: made.flops };
  }
}
