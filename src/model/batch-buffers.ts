/** What a graph reads of a batch: buffers that its rows are gathered into, and tensors over them. */
import type { Dataset, DenseDataset, TextDataset } from "../core/dataset.ts";
import { invariant } from "../core/errors.ts";
import { createRandom } from "../core/random.ts";
import { gather, type Rows, rowLength, rowsFor } from "./gather.ts";
import { gatherTokens } from "./gather-text.ts";
import type { Graph } from "./onnx/graph.ts";
import { sizeOf } from "./onnx/graph.ts";
import type { Engine, Tensors } from "./onnx/run.ts";
import { FEATURES, type FeatureFormat, type RandomInput, TARGETS } from "./onnx/training.ts";

export type GraphDataset = DenseDataset | TextDataset;

export function graphDataset(dataset: Dataset): GraphDataset {
  invariant(dataset.kind !== "ratings", "a graph learns from rows of features");
  return dataset;
}

export const formatOf = (data: GraphDataset): FeatureFormat =>
  data.kind === "dense"
    ? {
        type: data.features instanceof Uint8Array ? "uint8" : "float32",
        scale: data.scale,
        offset: data.offset,
      }
    : { type: "float32", scale: 1, offset: 0 };

export interface BatchBuffers {
  readonly feeds: Tensors;
  /** Targets of the rows gathered last: one-hot classes or numbers (dense), or the next tokens (text). */
  readonly targets: Float32Array | BigInt64Array;
  /** Puts rows[start .. start + count) at the beginning. `of` is a data set of the same shape and format. */
  gather(of: GraphDataset, rows: Uint32Array, start: number, count: number): void;
}

/** Only what `graph` reads is among the feeds. */
export function batchBuffers(
  engine: Engine,
  graph: Graph,
  data: GraphDataset,
  size: number,
): BatchBuffers {
  const tensors: Record<string, Tensors[string]> = {};
  const reads = (name: string): boolean => graph.inputs.some((input) => input.name === name);
  if (data.kind === "text") {
    const shape = [size, data.length];
    const inputs = new BigInt64Array(size * data.length);
    const targets = new BigInt64Array(size * data.length);
    if (reads(FEATURES)) tensors[FEATURES] = engine.tensor("int64", inputs, shape);
    if (reads(TARGETS)) tensors[TARGETS] = engine.tensor("int64", targets, shape);
    return {
      feeds: tensors,
      targets,
      gather: (of, rows, start, count) => {
        invariant(of.kind === "text", "a graph that reads tokens reads no features");
        gatherTokens(of, rows, start, count, inputs, targets);
      },
    };
  }
  const width = Math.max(1, data.classes);
  const rows: Rows = rowsFor(data, size, width);
  const { type } = formatOf(data);
  if (reads(FEATURES))
    tensors[FEATURES] = engine.tensor(type, rows.features, [size, ...data.shape]);
  if (reads(TARGETS)) tensors[TARGETS] = engine.tensor("float32", rows.targets, [size, width]);
  return {
    feeds: tensors,
    targets: rows.targets,
    gather: (of, taken, start, count) => {
      invariant(of.kind === "dense", "a graph that reads features reads no tokens");
      gather(of, taken, start, count, rows);
    },
  };
}

/** Elements of a row: what a block of rows costs in memory. */
export const elementsOf = (data: GraphDataset): number =>
  data.kind === "dense" ? rowLength(data) : data.length;

export interface RandomBuffers {
  readonly feeds: Tensors;
  /** New numbers, determined by the seed and the draw's name alone. */
  draw(seed: number, name: string): void;
}

export function randomBuffers(engine: Engine, inputs: readonly RandomInput[]): RandomBuffers {
  const buffers = inputs.map((input) => ({
    ...input,
    data: new Float32Array(sizeOf(input.shape)),
  }));
  const feeds = Object.fromEntries(
    buffers.map(({ name, data, shape }) => [name, engine.tensor("float32", data, shape)]),
  );
  return {
    feeds,
    draw: (seed, of) => {
      if (buffers.length === 0) return;
      const random = createRandom(seed, of);
      for (const { data, distribution } of buffers)
        for (let i = 0; i < data.length; i++)
          data[i] = distribution === "normal" ? random.normal() : random.next();
    },
  };
}
