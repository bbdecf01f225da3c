/** Models from the builder: names, shapes, parameter counts, starting values, errors. */
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import * as layer from "../../src/model/build/layers.ts";
import { sequential, sequentialModel } from "../../src/model/onnx/sequential.ts";
import { LayerSpec } from "../../src/model/spec.ts";
import { startedModel } from "../../src/model/started.ts";
import { bound, CASES } from "./build-cases.ts";
import { LAYERS, SHAPE } from "./fixtures.ts";

describe("every layer", () => {
  test.each(CASES)("$title", ({ input, layers, shape, tensors }) => {
    for (const spec of layers) expect(LayerSpec.parse(spec)).toEqual(spec);
    const { model, starts } = sequential({ input, layers });
    expect(model.outputs[0]?.shape).toEqual(["batch", ...shape]);
    const found = model.initializers
      .filter(({ name }) => name.includes(".") && !name.startsWith("scalar"))
      .map((tensor) => `${tensor.name} ${tensor.shape.join("x")}`);
    expect(found).toEqual(tensors);
    for (const { name, data } of model.initializers)
      if (starts.has(name)) expect(data.every((value) => Number(value) === 0)).toBe(true);
    for (const batch of [1, 3]) {
      const { graph, output } = bound({ model, starts }, batch);
      expect(graph.shapeOf(output)).toEqual([batch, ...shape]);
    }
  });
});

describe("names and starting values", () => {
  test("layers of a kind are counted through the model, also inside of residual blocks", () => {
    const { conv, relu, residual, flatten, dense } = layer;
    const { starts } = sequential({
      input: SHAPE,
      layers: [conv(2, 3), residual(conv(2, 3), relu(), conv(2, 3)), flatten(), dense(3)],
    });
    expect([...starts.keys()].filter((name) => name.endsWith(".weight"))).toEqual([
      "conv1.weight",
      "conv2.weight",
      "conv3.weight",
      "dense1.weight",
    ]);
  });

  test("He before a rectifier, Glorot elsewhere, zeros for biases; each tensor from its own stream", () => {
    const { model, starts } = sequentialModel(
      { layers: LAYERS.cnn },
      { kind: "dense", shape: SHAPE, classes: 3 },
    );
    const started = startedModel({ model, starts }, createRandom(5));
    const expected: Record<string, (stream: ReturnType<typeof createRandom>) => number> = {
      "conv1.weight": (stream) => Math.sqrt(2 / 18) * stream.normal(),
      "conv2.weight": (stream) => Math.sqrt(2 / 36) * stream.normal(),
      "dense1.weight": (stream) => Math.sqrt(6 / 8) * (2 * stream.next() - 1),
    };
    const drawn = started.initializers.filter(({ name }) => starts.has(name));
    expect(drawn.length).toBe(starts.size);
    for (const { name, data } of drawn) {
      const draw = expected[name] ?? (() => 0);
      const stream = createRandom(5).stream(name);
      const wanted = Float32Array.from({ length: data.length }, () => draw(stream));
      expect(data, name).toEqual(wanted);
    }
  });

  test("a rectifier counts through pools, normalisations and the end of a residual block", () => {
    const { conv, batchNorm, maxPool, residual, gelu, tanh } = layer;
    const { starts } = sequential({
      input: SHAPE,
      layers: [
        conv(2, 3),
        batchNorm(),
        maxPool(2),
        gelu(),
        residual(conv(2, 3), tanh(), conv(2, 3)),
        "relu",
      ],
    });
    const kinds = ["conv1", "conv2", "conv3"].map((name) => starts.get(`${name}.weight`)?.kind);
    expect(kinds).toEqual(["he-normal", "glorot-uniform", "he-normal"]);
  });
});

describe("what does not fit", () => {
  const { attention, conv, dense, embedding, groupNorm, lstm, residual, reshape } = layer;
  test.each<[LayerSpec[], string, string]>([
    [[dense(3)], "model.layers.0", "needs one axis, but meets [2, 6, 7] (put `flatten` before it)"],
    [["flatten", lstm(3)], "model.layers.1", "needs a sequence [time, features], but meets [84]"],
    [[embedding(3, 5)], "model.layers.0", "needs token numbers, but meets [2, 6, 7]"],
    [[groupNorm(3)], "model.layers.0", '{"groupNorm":3} does not divide 2 channels'],
    [["relu", reshape(2, 3)], "model.layers.1", "has 6 elements, not 84"],
    [[reshape(12, 7), attention(2)], "model.layers.1", "has 2 heads, which do not divide 7"],
    [[conv(3, 3, { groups: 2 })], "model.layers.0", "has 2 groups, which do not divide channels"],
    [
      ["relu", residual("relu", conv(2, 9, { padding: "valid" }))],
      "model.layers.1.residual.1",
      "has a kernel larger than its input, but meets [2, 6, 7] (padding: same)",
    ],
    [[residual("flatten")], "model.layers.0", "answers [84], to which its input cannot be added"],
  ])("%j", (layers, path, message) => {
    const build = () => sequential({ input: SHAPE, layers });
    expect(build).toThrow(`${path}: `);
    expect(build).toThrow(message);
  });
});
