/** What does not fit is refused where it is added, with node, operator and shapes. */
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/core/errors.ts";
import { createLearner } from "../../src/model/create.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import type { Attributes } from "../../src/model/onnx/graph.ts";
import type { LayerSpec } from "../../src/model/spec.ts";
import { conv, images, sequential } from "./fixtures.ts";

const graphWith = (...shapes: readonly number[][]): GraphBuilder => {
  const graph = new GraphBuilder();
  shapes.forEach((shape, i) => {
    graph.input(`x${i}`, { type: "float32", shape });
  });
  return graph;
};

describe("operators", () => {
  test.each<[string, number[][], Attributes, string]>([
    [
      "Gemm",
      [
        [2, 3],
        [4, 5],
      ],
      {},
      "node here (Gemm): inner sizes 3 and 4 differ; inputs: float32[2,3], float32[4,5]",
    ],
    [
      "Conv",
      [
        [1, 3, 8, 8],
        [4, 2, 3, 3],
      ],
      {},
      "node here (Conv): the input has 3 channels, the weights expect 2; inputs: float32[1,3,8,8], float32[4,2,3,3]",
    ],
    [
      "Add",
      [
        [2, 3],
        [2, 4],
      ],
      {},
      "node here (Add): shapes cannot be broadcast; inputs: float32[2,3], float32[2,4]",
    ],
    [
      "MaxPool",
      [[1, 1, 2, 2]],
      { kernel_shape: { ints: [3, 3] } },
      "node here (MaxPool): a window of 3 does not fit into 2; inputs: float32[1,1,2,2]",
    ],
    ["Transpose", [[2, 3]], { perm: { ints: [0, 0] } }, "node here (Transpose): perm [0,0]"],
    ["NonMaxSuppression", [[2, 3]], {}, "node here (NonMaxSuppression): the operator is not"],
  ])("%s", (operator, shapes, attributes, message) => {
    const graph = graphWith(...shapes);
    const add = () =>
      graph.emit(
        operator,
        shapes.map((_, i) => `x${i}`),
        attributes,
        "here",
      );
    expect(add).toThrow(InputError);
    expect(add).toThrow(message);
  });

  test("an operator without a gradient rule is named with the way out", () => {
    const graph = graphWith([2], [2]);
    const rest = graph.emit("Mod", ["x0", "x1"], { fmod: { int: 1 } }, "rest");
    expect(() => differentiate(graph, graph.emit("ReduceSum", [rest]), ["x0"])).toThrow(
      "node rest (Mod): the operator has no gradient rule (freeze",
    );
  });

  test("a parameter that the loss does not use is named", () => {
    const graph = graphWith([2], [2]);
    const loss = graph.emit("ReduceSum", ["x0"], { keepdims: { int: 0 } });
    expect(() => differentiate(graph, loss, ["x0", "x1"])).toThrow("parameter x1");
  });

  test("what no output needs is left out of the graph", () => {
    const graph = graphWith([2], [2]);
    graph.emit("Exp", ["x1"]);
    const built = graph.build("g", [graph.emit("Neg", ["x0"])]);
    expect(built.nodes.map((node) => node.operator)).toEqual(["Neg"]);
    expect(built.inputs.map((input) => input.name)).toEqual(["x0"]);
  });

  test("the gradient of the model's input is not computed", () => {
    const graph = graphWith([4, 3], [2, 3]);
    const y = graph.emit("Gemm", ["x0", "x1"], { transB: { int: 1 } });
    const loss = graph.emit("ReduceSum", [y], { keepdims: { int: 0 } });
    const before = graph.nodes.length;
    differentiate(graph, loss, ["x1"]);
    const added = graph.nodes.slice(before).map((node) => node.operator);
    expect(added.filter((operator) => operator === "Gemm")).toHaveLength(1);
  });
});

describe("models", () => {
  const data = images(4);
  test.each<[readonly LayerSpec[], string, string]>([
    [
      [{ dense: 3 }],
      "model.layers.0",
      "needs one axis, but meets [2, 6, 7] (put `flatten` before it)",
    ],
    [["flatten", conv(3), { dense: 3 }], "model.layers.1", "needs [channels, height, width]"],
    [[{ maxPool: 9 }, "flatten", { dense: 3 }], "model.layers.0", "is larger than its input"],
    [
      [conv(3, 8, { padding: "valid" }), "flatten", { dense: 3 }],
      "model.layers.0",
      "has a kernel larger than its input",
    ],
    [
      ["flatten", { dense: 4 }],
      "model",
      "the last layer gives [4], the data have 3 classes (end with { dense: 3 })",
    ],
    [["flatten"], "model.train", "the model has nothing to train"],
  ])("%j", (layers, path, message) => {
    const create = () => createLearner(sequential(layers, data));
    expect(create).toThrow(InputError);
    expect(create).toThrow(`${path}: `);
    expect(create).toThrow(message);
  });

  test("losses and kinds of data that do not go together", () => {
    const { model } = sequential(["flatten", { dense: 1 }], data);
    expect(() => createLearner({ model, data: { kind: "dense", shape: [3], classes: 0 } })).toThrow(
      "softmax cross-entropy needs classes",
    );
    expect(() =>
      createLearner({ model, data: { kind: "ratings", userCount: 1, itemCount: 1 } }),
    ).toThrow("a sequential model needs rows of features");
    expect(() =>
      createLearner({
        model: { kind: "matrix-factorisation", rank: 2, l2: 0, initialDeviation: 0.1 },
        data: { kind: "dense", shape: [3], classes: 0 },
      }),
    ).toThrow("matrix factorisation needs ratings");
  });
});
