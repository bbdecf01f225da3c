/** One small model for every layer: what it answers and which tensors it has. */
import type { BuiltModel } from "../../src/model/build/builder.ts";
import * as layer from "../../src/model/build/layers.ts";
import { bindModel } from "../../src/model/onnx/bind.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import type { Sequential } from "../../src/model/onnx/sequential.ts";
import type { LayerSpec } from "../../src/model/spec.ts";

export interface Case {
  readonly title: string;
  readonly input: Sequential["input"];
  readonly layers: readonly LayerSpec[];
  /** Of one example. */
  readonly shape: readonly number[];
  /** `name shape` in the order of the layout. */
  readonly tensors: readonly string[];
}

const IMAGE = [4, 6, 7];
const SEQUENCE = [5, 6];

const of = (
  input: Sequential["input"],
  layers: readonly LayerSpec[],
  shape: readonly number[],
  tensors: readonly string[] = [],
): Case => ({
  title: layers.map((spec) => JSON.stringify(spec)).join(" "),
  input,
  layers,
  shape,
  tensors,
});

const pair = (name: string, weight: string, bias: number): string[] => [
  `${name}.weight ${weight}`,
  `${name}.bias ${bias}`,
];

const {
  attention,
  averagePool,
  conv,
  convTranspose,
  dense,
  depthwiseConv,
  dropout,
  embedding,
  groupNorm,
  gru,
  lstm,
  maxPool,
  residual,
  reshape,
} = layer;

const ACTIVATIONS: LayerSpec[] = [
  "relu",
  "leakyRelu",
  "elu",
  "gelu",
  "silu",
  "sigmoid",
  "tanh",
  "softplus",
  "softmax",
  layer.leakyRelu(0.2),
  layer.elu(0.5),
];

export const CASES: readonly Case[] = [
  ...ACTIVATIONS.map((spec) => of([3, 4], [spec], [3, 4])),
  of([6], [dense(3)], [3], pair("dense1", "3x6", 3)),
  of([6], [dense(3, { bias: false })], [3], ["dense1.weight 3x6"]),
  of(SEQUENCE, [dense(3)], [5, 3], pair("dense1", "3x6", 3)),
  of(IMAGE, [conv(3, 3)], [3, 6, 7], pair("conv1", "3x4x3x3", 3)),
  of(IMAGE, [conv(3, 3, { stride: 2 })], [3, 3, 4], pair("conv1", "3x4x3x3", 3)),
  of(IMAGE, [conv(3, 2, { padding: "valid" })], [3, 5, 6], pair("conv1", "3x4x2x2", 3)),
  of(IMAGE, [conv(6, 3, { dilation: 2, groups: 2 })], [6, 6, 7], pair("conv1", "6x2x3x3", 6)),
  of([4, 9], [conv(3, 3, { stride: 2, bias: false })], [3, 5], ["conv1.weight 3x4x3"]),
  of(IMAGE, [depthwiseConv(3)], [4, 6, 7], pair("depthwiseConv1", "4x1x3x3", 4)),
  of(
    IMAGE,
    [convTranspose(3, 4, { stride: 2 })],
    [3, 12, 14],
    pair("convTranspose1", "4x3x4x4", 3),
  ),
  of(
    IMAGE,
    [convTranspose(3, 1, { stride: 2 })],
    [3, 12, 14],
    pair("convTranspose1", "4x3x1x1", 3),
  ),
  of(
    [4, 5],
    [convTranspose(3, 3, { stride: 2, padding: "valid" })],
    [3, 11],
    pair("convTranspose1", "4x3x3", 3),
  ),
  of(IMAGE, [maxPool(2)], [4, 3, 3]),
  of(IMAGE, [maxPool(3, { stride: 2, padding: "same" })], [4, 3, 4]),
  of([4, 9], [maxPool(2)], [4, 4]),
  of(IMAGE, [averagePool(2)], [4, 3, 3]),
  of(IMAGE, [averagePool(3, { stride: 2, padding: "same" })], [4, 3, 4]),
  of(IMAGE, ["globalAveragePool"], [4]),
  of(IMAGE, ["globalMaxPool"], [4]),
  of(IMAGE, ["batchNorm"], IMAGE, [
    ...pair("batchNorm1", "4", 4),
    "batchNorm1.running_mean 4",
    "batchNorm1.running_var 4",
  ]),
  of(IMAGE, ["instanceNorm"], IMAGE, pair("instanceNorm1", "4", 4)),
  of(IMAGE, [groupNorm(2)], IMAGE, pair("groupNorm1", "4", 4)),
  of(SEQUENCE, ["layerNorm"], SEQUENCE, pair("layerNorm1", "6", 6)),
  of(SEQUENCE, ["rmsNorm"], SEQUENCE, ["rmsNorm1.weight 6"]),
  of([6], [dropout(0.5), "relu"], [6]),
  of(SEQUENCE, ["positions"], SEQUENCE, ["positions1.weight 5x6"]),
  of(SEQUENCE, [lstm(3)], [5, 3], ["lstm1.W 1x12x6", "lstm1.R 1x12x3", "lstm1.B 1x24"]),
  of(
    SEQUENCE,
    [lstm(3, { last: true })],
    [3],
    ["lstm1.W 1x12x6", "lstm1.R 1x12x3", "lstm1.B 1x24"],
  ),
  of(SEQUENCE, [gru(3)], [5, 3], ["gru1.W 1x9x6", "gru1.R 1x9x3", "gru1.B 1x18"]),
  of(SEQUENCE, [gru(3, { last: true })], [3], ["gru1.W 1x9x6", "gru1.R 1x9x3", "gru1.B 1x18"]),
  of(SEQUENCE, [attention(2)], SEQUENCE, [
    "attention1.in_proj_weight 18x6",
    "attention1.in_proj_bias 18",
    ...pair("attention1.out_proj", "6x6", 6),
  ]),
  of(SEQUENCE, [attention(3, { causal: true })], SEQUENCE, [
    "attention1.in_proj_weight 18x6",
    "attention1.in_proj_bias 18",
    "attention1.mask 5x5",
    ...pair("attention1.out_proj", "6x6", 6),
  ]),
  of([6], ["relu", reshape(2, 3)], [2, 3]),
  of(IMAGE, ["flatten"], [168]),
  of([6], [residual(dense(6), "tanh")], [6], pair("dense1", "6x6", 6)),
  of(
    [6],
    [residual(dense(3))],
    [3],
    [...pair("dense1", "3x6", 3), "residual1.shortcut.weight 3x6"],
  ),
  of(
    IMAGE,
    [residual(conv(5, 3, { stride: 2 }), "relu", conv(5, 3))],
    [5, 3, 4],
    [
      ...pair("conv1", "5x4x3x3", 5),
      ...pair("conv2", "5x5x3x3", 5),
      "residual1.shortcut.weight 5x4x1x1",
    ],
  ),
  of({ length: 5, vocabulary: 9 }, [embedding(6)], [5, 6], ["embedding1.weight 9x6"]),
];

/** A built model in a graph for one batch size, its tensors fed as inputs under their names. */
export function bound({ model, starts }: BuiltModel, batch: number, training = false) {
  const graph = new GraphBuilder();
  const inputs = new Map<string, string>();
  for (const { name, type, shape } of model.inputs) {
    const sizes = shape.map((size) => (typeof size === "number" ? size : batch));
    inputs.set(name, graph.input(name, { type, shape: sizes }));
  }
  const trained = new Set(starts.keys());
  const fed = new Set(
    model.initializers
      .filter(({ name }) => trained.has(name) || name.includes("running"))
      .map(({ name }) => name),
  );
  for (const { name, type, shape } of model.initializers)
    if (fed.has(name)) graph.input(name, { type, shape });
  const made = bindModel(graph, model, { inputs, fed, trained, training });
  return { graph, made, output: made.values.get(model.outputs[0]?.name ?? "") ?? "" };
}
