/** Forward values of built models on ONNX Runtime: against plain loops, and the written file itself. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { ModelBuilder } from "../../src/model/build/builder.ts";
import * as layer from "../../src/model/build/layers.ts";
import type { Initializer } from "../../src/model/onnx/graph.ts";
import type { Model } from "../../src/model/onnx/model.ts";
import { writeModelFile } from "../../src/model/onnx/proto/write.ts";
import { createRuntime } from "../../src/model/onnx/run.ts";
import { sequential } from "../../src/model/onnx/sequential.ts";
import type { LayerSpec } from "../../src/model/spec.ts";
import { bound, CASES } from "./build-cases.ts";
import * as plain from "./build-plain.ts";
import { BATCH, filled, runOnce, type Values } from "./build-run.ts";
import { expectClose } from "./numeric.ts";

const engine = await createRuntime().engine();

/** The output on random values, and those values as plain tensors by name. */
async function forward(input: readonly number[], layers: readonly LayerSpec[]) {
  const built = sequential({ input, layers });
  const values = filled(built);
  const { graph, output } = bound(built, BATCH);
  const [result] = await runOnce(engine, graph.build("forward", [output]), values);
  const shapes = new Map(
    graph.build("all", [output]).inputs.map((value) => [value.name, value.shape]),
  );
  const of = (name: string): plain.Plain => ({
    shape: shapes.get(name) as readonly number[],
    data: values.get(name) as Float32Array,
  });
  return { result: result as Float32Array, of, x: of("features") };
}

const expectEqual = (result: Float32Array, wanted: plain.Plain): void =>
  expectClose(result, wanted.data, "output", 1e-5);

describe("forward values equal plain loops", () => {
  const IMAGE = [4, 6, 7];
  const SEQUENCE = [5, 6];

  test("dense on rows and on sequences", async () => {
    for (const input of [[6], SEQUENCE]) {
      const { result, of, x } = await forward(input, [layer.dense(3)]);
      expectEqual(result, plain.dense(x, of("dense1.weight"), of("dense1.bias")));
    }
  });

  test.each([
    [layer.conv(6, 3), { stride: 1, dilation: 1, groups: 1, pads: [1, 1], sizes: [6, 7] }],
    [
      layer.conv(6, 3, { stride: 2, groups: 2 }),
      { stride: 2, dilation: 1, groups: 2, pads: [0, 1], sizes: [3, 4] },
    ],
    [
      layer.conv(6, 2, { dilation: 3, padding: "valid" }),
      { stride: 1, dilation: 3, groups: 1, pads: [0, 0], sizes: [3, 4] },
    ],
    [layer.conv(6, 4), { stride: 1, dilation: 1, groups: 1, pads: [1, 1], sizes: [6, 7] }],
    [layer.depthwiseConv(3), { stride: 1, dilation: 1, groups: 4, pads: [1, 1], sizes: [6, 7] }],
  ] satisfies [LayerSpec, plain.ConvPlan][])("%j", async (spec, plan) => {
    const { result, of, x } = await forward(IMAGE, [spec]);
    const name = typeof spec === "object" && "conv" in spec ? "conv1" : "depthwiseConv1";
    expectEqual(result, plain.conv2d(x, of(`${name}.weight`), of(`${name}.bias`), plan));
  });

  test.each([
    [layer.convTranspose(3, 4, { stride: 2 }), [1, 1], [12, 14]],
    [layer.convTranspose(3, 3, { stride: 2 }), [0, 0], [12, 14]],
    [layer.convTranspose(3, 1, { stride: 2 }), [0, 0], [12, 14]],
    [layer.convTranspose(3, 3, { stride: 3, padding: "valid" }), [0, 0], [18, 21]],
  ] satisfies [LayerSpec, [number, number], [number, number]][])(
    "%j",
    async (spec, pads, sizes) => {
      const { result, of, x } = await forward(IMAGE, [spec]);
      const stride = (spec as { stride: number }).stride;
      const plan = { stride, dilation: 1, groups: 1, pads, sizes };
      const [w, b] = [of("convTranspose1.weight"), of("convTranspose1.bias")];
      expectEqual(result, plain.convTranspose2d(x, w, b, plan));
    },
  );

  test("instance, group and layer normalisation; batch normalisation by its running averages", async () => {
    const cases = [
      ["instanceNorm", IMAGE, (n: number, c: number) => `${n} ${c}`, 1],
      [layer.groupNorm(2), IMAGE, (n: number, c: number) => `${n} ${c >> 1}`, 1],
      ["layerNorm", SEQUENCE, (n: number, t: number) => `${n} ${t}`, 2],
    ] as const;
    for (const [spec, input, key, axis] of cases) {
      const { result, of, x } = await forward(input, [spec]);
      const name = typeof spec === "string" ? `${spec}1` : "groupNorm1";
      const unit = plain.standardised(x, (...index) => key(index[0] ?? 0, index[1] ?? 0));
      expectEqual(result, plain.affine(unit, of(`${name}.weight`), of(`${name}.bias`), axis));
    }
    const { result, of, x } = await forward(IMAGE, ["batchNorm"]);
    const [mean, variance] = [of("batchNorm1.running_mean"), of("batchNorm1.running_var")];
    const scale = plain.fill(
      variance.shape,
      (c) => 1 / Math.sqrt((variance.data[c ?? 0] ?? 0) + 1e-5),
    );
    const shift = plain.fill(
      mean.shape,
      (c) => -(mean.data[c ?? 0] ?? 0) * (scale.data[c ?? 0] ?? 0),
    );
    const unit = plain.affine(x, scale, shift, 1);
    expectEqual(result, plain.affine(unit, of("batchNorm1.weight"), of("batchNorm1.bias"), 1));
  });

  test.each([
    [layer.attention(2), 2, false],
    [layer.attention(3, { causal: true }), 3, true],
  ] as const)("%j", async (spec, heads, causal) => {
    const { result, of, x } = await forward(SEQUENCE, [spec]);
    const pair = (weight: string, bias: string) => ({ w: of(weight), b: of(bias) });
    const inner = pair("attention1.in_proj_weight", "attention1.in_proj_bias");
    const outer = pair("attention1.out_proj.weight", "attention1.out_proj.bias");
    expectEqual(result, plain.attention(x, inner, outer, heads, causal));
  });

  test.each([
    ["lstm", layer.lstm, plain.lstm],
    ["gru", layer.gru, plain.gru],
  ] as const)("%s: all states, and the last", async (kind, recurrent, oracle) => {
    const { result, of, x } = await forward(SEQUENCE, [recurrent(4)]);
    const tensors = [of(`${kind}1.W`), of(`${kind}1.R`), of(`${kind}1.B`)] as const;
    const wanted = oracle(x, tensors);
    expectEqual(result, wanted);
    const { result: last } = await forward(SEQUENCE, [recurrent(4, { last: true })]);
    const ends = plain.fill(
      [BATCH, 4],
      (n, u) => wanted.data[((n ?? 0) * 5 + 4) * 4 + (u ?? 0)] ?? 0,
    );
    expectEqual(last, ends);
  });
});

describe("every layer", () => {
  test.each(CASES)(
    "$title: the file gives ONNX Runtime what the bound graph gives",
    async (one) => {
      const built = sequential(one);
      const values = filled(built);
      const { graph, output } = bound(built, BATCH);
      const [wanted] = await runOnce(engine, graph.build("forward", [output]), values);
      const session = await InferenceSession.create(
        writeModelFile(withValues(built.model, values)),
        {
          logSeverityLevel: 3,
        },
      );
      const [input] = built.model.inputs;
      const sizes = [BATCH, ...(input?.shape ?? []).slice(1).map(Number)];
      const features = values.get("features");
      const tensor =
        features instanceof BigInt64Array
          ? new Tensor("int64", features, sizes)
          : new Tensor("float32", features as Float32Array, sizes);
      const answer = await session.run({ features: tensor });
      const found = answer[built.model.outputs[0]?.name ?? ""];
      expect(found?.dims).toEqual([BATCH, ...one.shape]);
      expectClose(found?.data as Float32Array, wanted as Float32Array, "file", 1e-5);
      await session.release();
    },
  );
});

test("a model with two branches", async () => {
  const builder = new ModelBuilder();
  const x = builder.input("x", ["batch", 4]);
  const left = builder.apply(x, [layer.dense(3), "relu"]);
  const right = builder.apply(x, [layer.dense(3), "tanh"]);
  const joined = builder.concat([builder.add(left, right), x]);
  const built = builder.build([joined, left], "branches");
  expect(joined.shape).toEqual(["batch", 7]);
  const { graph, output } = bound(built, BATCH);
  expect(graph.shapeOf(output)).toEqual([BATCH, 7]);
  const [both] = await runOnce(engine, graph.build("g", [output]), filled(built));
  const features = filled(built).get("x") as Float32Array;
  expect([...(both as Float32Array).subarray(3, 7)]).toEqual([...features.subarray(0, 4)]);
});

const withValues = (model: Model, values: Values): Model => ({
  ...model,
  initializers: model.initializers.map(
    (tensor): Initializer => ({ ...tensor, data: values.get(tensor.name) ?? tensor.data }),
  ),
});
