/** Dropout: what it keeps, how the kept grows, that a step repeats, and that judging lets all pass. */
import { beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { bindModel } from "../../src/model/onnx/bind.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import type { Initializer } from "../../src/model/onnx/graph.ts";
import type { Model } from "../../src/model/onnx/model.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { evaluator, uniform } from "./numeric.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createRuntime().engine();
});

const COUNT = 20_000;
const SHAPE = [COUNT / 10, 10];

/** One Dropout of this ratio, as PyTorch exports it in training mode. */
const modelOf = (ratio: number): Model => {
  const constants: Initializer[] = [
    { name: "ratio", type: "float32", shape: [], data: Float32Array.of(ratio) },
    { name: "mode", type: "bool", shape: [], data: Uint8Array.of(1) },
  ];
  return {
    name: "dropout",
    irVersion: 10,
    opset: 22,
    domains: {},
    producer: "",
    documentation: "",
    metadata: {},
    nodes: [
      {
        name: "drop",
        operator: "Dropout",
        inputs: ["x", "ratio", "mode"],
        outputs: ["y", "mask"],
        attributes: { seed: { int: 5 } },
      },
    ],
    inputs: [{ name: "x", type: "float32", shape: SHAPE }],
    outputs: [{ name: "y", type: "float32", shape: SHAPE }],
    initializers: constants,
  };
};

function bind(ratio: number, training: boolean) {
  const graph = new GraphBuilder();
  graph.input("x", { type: "float32", shape: SHAPE });
  const options = {
    inputs: new Map([["x", "x"]]),
    fed: new Set<string>(),
    trained: new Set<string>(),
  };
  const bound = bindModel(graph, modelOf(ratio), { ...options, training });
  return { graph, ...bound };
}

describe("training", () => {
  test.each([0.1, 0.5, 0.8])(
    "ratio %d: kept where the chance reaches it, the mean stays",
    async (ratio) => {
      const { graph, values, randoms } = bind(ratio, true);
      expect(randoms.map(({ shape }) => shape)).toEqual([SHAPE]);
      const chances = randoms[0]?.name ?? "";
      const y = values.get("y") as string;
      const loss = graph.emit("ReduceSum", [y], { keepdims: { int: 0 } });
      const gradient = differentiate(graph, loss, ["x"]).get("x") as string;
      const program = await evaluator(engine, graph.build("train", [y, gradient]));
      const x = { shape: SHAPE, values: new Float32Array(COUNT).fill(3) };
      const drawn = uniform(createRandom(9), SHAPE, 0, 1);
      const run = async () => (await program.run({ x, [chances]: drawn })).map((each) => [...each]);
      const [out = [], slope = []] = await run();
      const limit = Math.fround(ratio);
      const growth = Math.fround(1 / (1 - limit));
      const wanted = [...drawn.values].map((chance) => (chance >= limit ? growth : 0));
      expect(slope.join()).toBe(wanted.join());
      expect(out).toEqual(wanted.map((factor) => Math.fround(3 * factor)));
      // The mean of COUNT draws lies within five standard deviations of x.
      const mean = out.reduce((a, b) => a + b, 0) / COUNT;
      expect(Math.abs(mean - 3)).toBeLessThan(15 * Math.sqrt(ratio / (1 - ratio) / COUNT));
      expect((await run()).join()).toBe([out, slope].join());
      await program.release();
    },
  );

  test("a ratio of 0 draws nothing", () => {
    const { values, randoms } = bind(0, true);
    expect([values.get("y"), randoms]).toEqual(["x", []]);
  });

  test.each([1, -0.5])("a ratio of %d is refused by name", (ratio) => {
    expect(() => bind(ratio, true)).toThrow(/drop \(Dropout\): a ratio of/);
  });
});

test("judging: everything passes, whatever the file's training_mode says", () => {
  const { graph, values, randoms } = bind(0.5, false);
  expect([values.get("y"), randoms]).toEqual(["x", []]);
  expect(graph.constantOf(values.get("mask") as string)).toEqual(Array(COUNT).fill(1));
});
