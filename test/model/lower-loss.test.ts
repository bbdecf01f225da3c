/** Losses that stand in a model's file: written out, they equal ONNX Runtime's own and have a gradient. */
import { beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import type { Attributes, Graph, Node } from "../../src/model/onnx/graph.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { lowered } from "./gradient-check.ts";
import { evaluator, expectGradients, uniform } from "./numeric.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createRuntime().engine();
});

interface Case {
  readonly operator: string;
  readonly scores: readonly number[];
  readonly weighted: boolean;
  readonly attributes: Attributes;
}

const cases: Case[] = ["SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss"].flatMap((operator) =>
  ["none", "sum", "mean"].flatMap((reduction) =>
    [undefined, 1, -100].flatMap((ignored) =>
      [false, true].map((weighted, i) => ({
        operator,
        scores: i === 0 ? [5, 4] : [2, 4, 3],
        weighted,
        attributes: {
          reduction: { string: reduction },
          ...(ignored === undefined ? {} : { ignore_index: { int: ignored } }),
        },
      })),
    ),
  ),
);

/** Labels of 4 classes; -100 stands among them where it is ignored. */
const labelsOf = ({ scores, attributes }: Case) => {
  const [batch = 0, , ...rest] = scores;
  const shape = [batch, ...rest];
  const numbers = Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => BigInt(i % 4));
  if (JSON.stringify(attributes).includes("-100")) numbers[2] = -100n;
  return { type: "int64" as const, shape, data: BigInt64Array.from(numbers) };
};

const prepare = (graph: GraphBuilder, at: Case, scores: string): Node => {
  const inputs = [scores, graph.constant("labels", labelsOf(at))];
  const data = Float32Array.of(1, 0.5, 2, 0.25);
  if (at.weighted) inputs.push(graph.constant("w", { type: "float32", shape: [4], data }));
  const { operator, attributes } = at;
  return { name: "loss", operator, inputs, outputs: ["loss"], attributes };
};

describe.each(cases)("$operator $attributes weighted: $weighted", (at) => {
  test("equals ONNX Runtime's own operator", async () => {
    const scores = uniform(createRandom(1), at.scores, -3, 3);
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: at.scores });
    const node = prepare(graph, at, "x");
    const ours = lowered(graph, node);
    const built = graph.build("ours", [ours]);
    const weights = {
      type: "float32" as const,
      shape: [4],
      data: Float32Array.of(1, 0.5, 2, 0.25),
    };
    const theirs: Graph = {
      ...built,
      nodes: [node],
      outputs: [{ name: "loss", type: "float32", shape: graph.shapeOf(ours) }],
      initializers: [
        { name: "labels", ...labelsOf(at) },
        ...(at.weighted ? [{ name: "w", ...weights }] : []),
      ],
    };
    const results: number[][] = [];
    for (const each of [built, theirs]) {
      const program = await evaluator(engine, each);
      results.push([...((await program.run({ x: scores }))[0] as Float32Array)]);
      await program.release();
    }
    expect(results[0]).toEqual(results[1]?.map((value) => expect.closeTo(value, 5)));
  });

  test("has the gradient of its central differences", () =>
    expectGradients(engine, [uniform(createRandom(2), at.scores, -3, 3)], (graph, [x = ""]) =>
      lowered(graph, prepare(graph, at, x)),
    ));
});

test("a class masked with -Infinity does not spoil the loss of the others", async () => {
  const graph = new GraphBuilder();
  graph.input("x", { type: "float32", shape: [1, 3] });
  const at = {
    operator: "SoftmaxCrossEntropyLoss",
    scores: [1, 3],
    weighted: false,
    attributes: {},
  };
  const program = await evaluator(
    engine,
    graph.build("masked", [lowered(graph, prepare(graph, at, "x"))]),
  );
  const values = Float32Array.of(1, 1, Number.NEGATIVE_INFINITY);
  const [loss] = await program.run({ x: { shape: [1, 3], values } });
  await program.release();
  expect(loss?.[0]).toBeCloseTo(Math.log(2));
});

test("labels of another shape are refused by name", () => {
  const graph = new GraphBuilder();
  graph.input("x", { type: "float32", shape: [5, 4] });
  graph.input("labels", { type: "int64", shape: [4] });
  const operator = "NegativeLogLikelihoodLoss";
  const node = { name: "nll", operator, inputs: ["x", "labels"], outputs: ["nll"], attributes: {} };
  expect(() => lowered(graph, node)).toThrow(
    "node nll (NegativeLogLikelihoodLoss): labels must be int64[5]; inputs: float32[5,4], int64[4]",
  );
});
