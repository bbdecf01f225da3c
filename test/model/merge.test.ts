/** Weights used many times: their gradient is one product over stacked rows, and still the right one. */
import { beforeAll, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import { intAttribute } from "../../src/model/onnx/graph.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { expectGradients, uniform } from "./numeric.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createRuntime().engine();
});

/** x -> tanh(x w^T + b), again and again; every third time with half the weights. */
function chain(graph: GraphBuilder, names: readonly string[], times: number): string {
  const [x = "", w = "", b = ""] = names;
  let value = x;
  for (let i = 0; i < times; i++) {
    const attributes = { transB: { int: 1 }, alpha: { float: i % 3 === 2 ? 0.5 : 1 } };
    value = graph.emit("Tanh", [graph.emit("Gemm", [value, w, b], attributes)]);
  }
  return value;
}

test.each([1, 2, 4, 7, 14])("gradients of weights used %i times", (times) => {
  const random = createRandom(times);
  const inputs = [uniform(random, [2, 3]), uniform(random, [3, 3]), uniform(random, [3])];
  return expectGradients(engine, inputs, (graph, names) => chain(graph, names, times));
});

test("many uses make one product of each form", () => {
  const graph = new GraphBuilder();
  const names = ["x", "w", "b"];
  [[2, 3], [3, 3], [3]].forEach((shape, i) => {
    graph.input(names[i] as string, { type: "float32", shape });
  });
  const loss = graph.emit("ReduceSum", [chain(graph, names, 14)], { keepdims: { int: 0 } });
  const gradients = differentiate(graph, loss, ["w", "b"]);
  const { nodes } = graph.build("train", [...gradients.values()]);
  const transposed = nodes.filter((node) => intAttribute(node, "transA", 0) === 1);
  expect(transposed.map((node) => graph.shapeOf(node.inputs[0] as string))).toEqual([
    [20, 3],
    [8, 3],
  ]);
  expect(nodes.filter((node) => node.operator === "ReduceSum")).toHaveLength(1);
});
