/** Summaries: what a model is made of, and how that reads in a terminal. */
import { describe, expect, test } from "vitest";
import { type BuiltModel, ModelBuilder } from "../../src/model/build/builder.ts";
import {
  attention,
  batchNorm,
  conv,
  dense,
  dropout,
  embedding,
  flatten,
  globalAveragePool,
  lstm,
  maxPool,
  positions,
  relu,
  residual,
} from "../../src/model/build/layers.ts";
import { sequential } from "../../src/model/onnx/sequential.ts";
import { type Summary, type SummaryOptions, summarise } from "../../src/model/summary.ts";
import { formatSummary } from "../../src/model/summary-text.ts";
import { CASES } from "./build-cases.ts";

const of = ({ model, starts }: BuiltModel, options: Partial<SummaryOptions> = {}) =>
  summarise(model, { trained: new Set(starts.keys()), ...options });

/** Without the step's FLOPs, which change with the rules of gradients. */
const table = (summary: Summary): string =>
  formatSummary(summary).replace(/forward, .*/, "forward, …");

describe("counts", () => {
  test.each(CASES)("$title: parameters and shape", (one) => {
    const summary = of(sequential(one), { batch: 2 });
    const size = (tensor: string): number =>
      tensor
        .split(" ")
        .at(-1)!
        .split("x")
        .reduce((product, part) => product * Number(part), 1);
    const total = (tensors: readonly string[]): number =>
      tensors.reduce((sum, tensor) => sum + size(tensor), 0);
    const state = one.tensors.filter((tensor) => tensor.includes("running"));
    const constants = one.tensors.filter((tensor) => tensor.includes("mask"));
    expect(summary.state).toBe(total(state));
    expect(summary.trained).toBe(total(one.tensors) - total(state) - total(constants));
    expect(summary.frozen).toBe(0);
    expect(summary.layers.reduce((sum, { parameters }) => sum + parameters, 0)).toBe(
      summary.trained,
    );
    expect(summary.layers.at(-1)?.shape).toEqual([2, ...one.shape]);
    expect(summary.bytes).toBe(4 * (summary.trained + summary.state));
  });

  test("FLOPs by hand: two for each multiply-add, one for each constant and each rectified element", () => {
    const built = sequential({
      input: [2, 5, 5],
      layers: [conv(3, 3), relu(), flatten(), dense(4)],
    });
    const summary = of(built, { batch: 2 });
    const convolution = 2 * 3 * 25 * (2 * 2 * 9 + 1);
    const product = 2 * 4 * (2 * 75 + 1);
    expect(summary.layers.map(({ flops }) => flops)).toEqual([convolution, 150, 0, product]);
    expect(summary.forwardFlops).toBe(convolution + 150 + product);
    expect(summary.stepFlops).toBeGreaterThan(2 * summary.forwardFlops);
    expect(of(built, { batch: 4 }).forwardFlops).toBe(2 * summary.forwardFlops);
  });

  test("what is not trained is frozen, and a step that trains less costs less", () => {
    const built = sequential({ input: [6], layers: [dense(5), relu(), dense(4)] });
    const head = of(built, { trained: new Set(["dense2.weight", "dense2.bias"]) });
    expect([head.trained, head.frozen]).toEqual([24, 35]);
    expect(head.stepFlops).toBeLessThan(of(built).stepFlops);
  });

  test("a tensor of two layers counts once", () => {
    const builder = new ModelBuilder();
    const x = builder.input("x", ["batch", 3]);
    const w = builder.weight("w", [3, 3], { kind: "ones" });
    const y = builder.node("MatMul", [x, w], {}, { name: "a", shape: x.shape });
    const z = builder.node("MatMul", [y, w], {}, { name: "b", shape: x.shape });
    const { layers } = of(builder.build([z]));
    expect(layers.map(({ name, parameters }) => [name, parameters])).toEqual([
      ["a", 9],
      ["b", 0],
    ]);
  });
});

describe("layers of files", () => {
  test("PyTorch's older exporter: the modules' path; its newer one: the tensors' names", () => {
    for (const [path, moved] of [
      ["/layer1/layer1.0/fc1", "/Flatten"],
      ["node", "node_Flatten_3"],
    ]) {
      const builder = new ModelBuilder();
      const x = builder.input("x", ["batch", 3]);
      const w = builder.weight("layer1.0.fc1.weight", [4, 3], { kind: "ones" });
      const name = (operator: string) => ({
        name: `${path}/${operator}`.replace("node/", "node_"),
      });
      const turned = builder.node(
        "Transpose",
        [w],
        { perm: { ints: [1, 0] } },
        { ...name("Transpose"), shape: [3, 4] },
      );
      const shape = ["batch", 4];
      const product = builder.node("MatMul", [x, turned], {}, { ...name("MatMul"), shape });
      const flat = builder.node("Flatten", [product], {}, { name: moved ?? "", shape });
      expect(of(builder.build([flat])).layers).toEqual([
        {
          name: "layer1.0.fc1",
          operators: ["Transpose", "MatMul", "Flatten"],
          shape: [1, 4],
          parameters: 12,
          flops: 24,
        },
      ]);
    }
  });
});

test("a convolutional network in the terminal", () => {
  const built = sequential({
    input: [1, 28, 28],
    layers: [
      conv(16, 3),
      batchNorm(),
      relu(),
      maxPool(2),
      residual(conv(32, 3, { stride: 2 }), batchNorm(), relu(), conv(32, 3), batchNorm()),
      relu(),
      globalAveragePool(),
      dense(10),
    ],
  });
  expect(table(of(built, { batch: 32 }))).toMatchInlineSnapshot(`
    "layer               operators                  output       parameters  FLOPs
    -----------------------------------------------------------------------------
    conv1               Conv                       32x16x28x28         160  7.6 M
    batchNorm1          BatchNormalization         32x16x28x28          32  803 k
    relu1               Relu                       32x16x28x28              401 k
    maxPool1            MaxPool                    32x16x14x14              401 k
    conv2               Conv                       32x32x7x7         4 640   15 M
    batchNorm2          BatchNormalization         32x32x7x7            64  100 k
    relu2               Relu                       32x32x7x7                 50 k
    conv3               Conv                       32x32x7x7         9 248   29 M
    batchNorm3          BatchNormalization         32x32x7x7            64  100 k
    residual1           Conv Add                   32x32x7x7           512  1.7 M
    relu3               Relu                       32x32x7x7                 50 k
    globalAveragePool1  GlobalAveragePool Reshape  32x32                     50 k
    dense1              Gemm                       32x10               330   21 k
    -----------------------------------------------------------------------------
    parameters: 15 050 trained, 160 of state; 61 kB
    FLOPs with a batch of 32: 55 M forward, …"
  `);
});

test("a language model in the terminal", () => {
  const block = [
    residual("layerNorm", attention(2, { causal: true }), dropout(0.1)),
    residual("layerNorm", dense(64), "gelu", dense(16)),
  ];
  const built = sequential({
    input: { length: 8, vocabulary: 20 },
    layers: [embedding(16), positions(), ...block, lstm(16), "layerNorm", dense(20)],
  });
  expect(table(of(built))).toMatchInlineSnapshot(`
    "layer       operators                         output  parameters  FLOPs
    -----------------------------------------------------------------------
    embedding1  Gather                            1x8x16         320
    positions1  Add                               1x8x16         128   128
    layerNorm1  LayerNormalization                1x8x16          32  1.0 k
    attention1  Reshape Gemm Split Transpose Mu…  1x8x16       1 088   22 k
    residual1   Add                               1x8x16               128
    layerNorm2  LayerNormalization                1x8x16          32  1.0 k
    dense1      Reshape Gemm                      1x8x64       1 088   17 k
    gelu1       Gelu                              1x8x64              2.6 k
    dense2      Reshape Gemm                      1x8x16       1 040   17 k
    residual2   Add                               1x8x16               128
    lstm1       Transpose LSTM Squeeze            1x8x16       2 176   35 k
    layerNorm3  LayerNormalization                1x8x16          32  1.0 k
    dense3      Reshape Gemm                      1x8x20         340  5.3 k
    -----------------------------------------------------------------------
    parameters: 6 276 trained; 25 kB
    FLOPs with a batch of 1: 101 k forward, …"
  `);
});
