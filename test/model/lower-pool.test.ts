/** Relu before and after a maximum: the same values and the same gradients. */
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { lower } from "./lowered.ts";
import { evaluator, uniform } from "./numeric.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createRuntime().engine();
});

const ATTRIBUTES = { kernel_shape: { ints: [2, 3] }, strides: { ints: [2, 1] } };

/** Output, and gradient of the input, of a loss that weighs the pooled values. */
async function computed(seed: number, order: "written" | "lowered", alsoRead: boolean) {
  const graph = new GraphBuilder();
  graph.input("x", { type: "float32", shape: [2, 2, 5, 6] });
  const relu = graph.emit("Relu", ["x"]);
  const pooled =
    order === "lowered"
      ? lower(graph, "MaxPool", [relu], ATTRIBUTES)
      : graph.emit("MaxPool", [relu], ATTRIBUTES);
  const weights = uniform(createRandom(seed), graph.shapeOf(pooled));
  graph.input("weights", { type: "float32", shape: weights.shape });
  const sum = (value: string): string => graph.emit("ReduceSum", [value], { keepdims: { int: 0 } });
  const weighted = sum(graph.emit("Mul", [pooled, "weights"]));
  const loss = alsoRead ? graph.emit("Add", [weighted, sum(relu)]) : weighted;
  const [gradient] = differentiate(graph, loss, ["x"]).values();
  const built = graph.build(order, [graph.emit("Identity", [gradient as string]), pooled]);
  const program = await evaluator(engine, built);
  // Shifted, so that whole windows are negative; and zeros, where Relu has its kink.
  const x = uniform(createRandom(seed + 1), [2, 2, 5, 6], -2, 1);
  for (let k = 0; k < x.values.length; k += 7) x.values[k] = 0;
  const [dx, y] = await program.run({ x, weights });
  await program.release();
  // A negative weight times Relu's zero is -0.
  const plain = (values: Float32Array | undefined) => values?.map((value) => value + 0);
  return { dx: plain(dx), y: plain(y), operators: built.nodes.map(({ operator }) => operator) };
}

test("MaxPool of Relu is Relu of MaxPool, gradients included", () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), fc.boolean(), async (seed, alsoRead) => {
      const written = await computed(seed, "written", alsoRead);
      const lowered = await computed(seed, "lowered", alsoRead);
      expect(lowered.y).toEqual(written.y);
      expect(lowered.dx).toEqual(written.dx);
      const relus = lowered.operators.filter((operator) => operator === "Relu").length;
      expect(relus).toBe(alsoRead ? 2 : 1);
    }),
    { numRuns: 30 },
  ));

test("indices that are asked for leave the pool as it is", () => {
  const graph = new GraphBuilder();
  graph.input("x", { type: "float32", shape: [1, 1, 4, 4] });
  const relu = graph.emit("Relu", ["x"]);
  const node = { name: "pool", operator: "MaxPool", inputs: [relu], outputs: ["y", "i"] };
  const output = lower(
    graph,
    "MaxPool",
    [relu],
    { kernel_shape: { ints: [2, 2] } },
    { node: { ...node, attributes: {} } },
  );
  expect(graph.nodes.at(-1)?.operator).toBe("MaxPool");
  expect(output).toBe(graph.nodes.at(-1)?.outputs[0]);
});
