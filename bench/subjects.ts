/** Models that the benches of training share, with data of the right shape. */
import type { Dataset } from "../src/core/dataset.ts";
import { createRandom } from "../src/core/random.ts";
import type { LayerSpec } from "../src/model/spec.ts";

export interface Subject {
  readonly name: string;
  readonly batch: number;
  readonly dataset: () => Dataset;
  readonly layers: readonly LayerSpec[];
}

export const ROWS = 2048;
export const VOCABULARY = 65;
export const TIME = 64;

function images(shape: readonly number[]): Dataset {
  const random = createRandom(1);
  const size = shape.reduce((product, axis) => product * axis, 1);
  const features = new Uint8Array(new SharedArrayBuffer(ROWS * size));
  const labels = new Int32Array(new SharedArrayBuffer(ROWS * 4));
  for (let k = 0; k < features.length; k++) features[k] = random.integer(256);
  for (let k = 0; k < ROWS; k++) labels[k] = random.integer(10);
  return {
    kind: "dense",
    rows: ROWS,
    shape,
    features,
    scale: 1 / 255,
    offset: 0,
    labels,
    classes: 10,
  };
}

function text(): Dataset {
  const random = createRandom(1);
  const tokens = new Uint8Array(new SharedArrayBuffer(ROWS + TIME + 1));
  for (let k = 0; k < tokens.length; k++) tokens[k] = random.integer(VOCABULARY);
  const starts = new Uint32Array(new SharedArrayBuffer(ROWS * 4));
  for (let k = 0; k < ROWS; k++) starts[k] = k;
  return { kind: "text", rows: ROWS, tokens, starts, length: TIME, vocabulary: VOCABULARY };
}

const digits = (): Dataset => images([1, 28, 28]);
const window = { padding: "same", stride: 1 } as const;
export const SUBJECTS: readonly Subject[] = [
  { name: "softmax", batch: 64, dataset: digits, layers: ["flatten", { dense: 10 }] },
  {
    name: "mlp",
    batch: 64,
    dataset: digits,
    layers: ["flatten", { dense: 256 }, "relu", { dense: 128 }, "relu", { dense: 10 }],
  },
  {
    name: "cnn",
    batch: 32,
    dataset: digits,
    layers: [
      { conv: 32, kernel: 5, ...window },
      "relu",
      { maxPool: 2 },
      { conv: 64, kernel: 5, ...window },
      "relu",
      { maxPool: 2 },
      "flatten",
      { dense: 512 },
      "relu",
      { dense: 10 },
    ],
  },
  {
    name: "residual block",
    batch: 32,
    dataset: () => images([64, 16, 16]),
    layers: [
      {
        residual: [
          { conv: 64, kernel: 3, ...window, bias: false },
          "batchNorm",
          "relu",
          { conv: 64, kernel: 3, ...window, bias: false },
          "batchNorm",
        ],
      },
      "relu",
      "globalAveragePool",
      { dense: 10 },
    ],
  },
  {
    name: "transformer block",
    batch: 16,
    dataset: text,
    layers: [
      { embedding: 128 },
      "positions",
      { residual: ["layerNorm", { attention: { heads: 4, causal: true } }] },
      { residual: ["layerNorm", { dense: 512 }, "gelu", { dense: 128 }] },
      "layerNorm",
      { dense: VOCABULARY },
    ],
  },
  {
    name: "lstm",
    batch: 32,
    dataset: text,
    layers: [{ embedding: 128 }, { lstm: 128 }, { lstm: 128 }, { dense: VOCABULARY }],
  },
];
