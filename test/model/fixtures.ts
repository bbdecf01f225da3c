/** Small data sets and models that the tests of learners share. */
import type { DenseDataset } from "../../src/core/dataset.ts";
import { createRandom, type Random } from "../../src/core/random.ts";
import { type LayerSpec, type ModelSpec, SequentialSpec } from "../../src/model/spec.ts";

export const conv = (
  filters: number,
  kernel = 3,
  more: { padding?: "same" | "valid"; stride?: number } = {},
): LayerSpec => ({ conv: filters, kernel, padding: "same", stride: 1, ...more });

export const LAYERS = {
  softmax: ["flatten", { dense: 3 }],
  mlp: ["flatten", { dense: 7 }, "relu", { dense: 5 }, "relu", { dense: 3 }],
  cnn: [conv(4), "relu", { maxPool: 2 }, conv(5), "relu", { maxPool: 2 }, "flatten", { dense: 3 }],
} satisfies Record<string, LayerSpec[]>;

export const SHAPE = [2, 6, 7];

/** Random bytes in three classes, in shared memory as a pool holds them. */
export function images(rows: number, random: Random = createRandom(3)): DenseDataset {
  const features = new Uint8Array(new SharedArrayBuffer(rows * 84));
  for (let k = 0; k < features.length; k++) features[k] = random.integer(256);
  const labels = new Int32Array(new SharedArrayBuffer(rows * 4));
  for (let k = 0; k < rows; k++) labels[k] = random.integer(3);
  const scale = 1 / 128;
  return { kind: "dense", rows, shape: SHAPE, features, scale, offset: -1, labels, classes: 3 };
}

/** One feature, y = 2x - 1 + x^2: regression. */
export function curve(rows: number): DenseDataset {
  const features = Float32Array.from({ length: rows }, (_, i) => (2 * i) / rows - 1);
  const labels = features.map((x) => 2 * x - 1 + x * x);
  return {
    kind: "dense",
    rows,
    shape: [1],
    features,
    scale: 1,
    offset: 0,
    labels,
    classes: 0,
  };
}

export const sequential = (
  layers: readonly LayerSpec[],
  data: DenseDataset,
  options: { loss?: "softmax-cross-entropy" | "squared-error"; l2?: number } = {},
): ModelSpec => ({
  model: SequentialSpec.parse({ kind: "sequential", layers, ...options }),
  data: { kind: "dense", shape: data.shape, classes: data.classes },
});

export const rowsOf = (...rows: number[]): Uint32Array => Uint32Array.from(rows);
export const firstRows = (count: number): Uint32Array =>
  Uint32Array.from({ length: count }, (_, i) => i);
