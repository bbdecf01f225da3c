/**
 * Normalisations: gradients through the statistics against central differences, values against ONNX
 * Runtime's own operators or the formulas in plain TypeScript, running averages against ONNX's formula.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { bindModel } from "../../src/model/onnx/bind.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { normaliseGradients } from "../../src/model/onnx/gradient/normalise.ts";
import { type Attributes, sizeOf } from "../../src/model/onnx/graph.ts";
import { normaliseLowerings } from "../../src/model/onnx/lower/normalise.ts";
import type { Model } from "../../src/model/onnx/model.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { lower, runGraph, runOwn } from "./lowered.ts";
import { evaluator, expectClose, expectGradients, type NumericInput, uniform } from "./numeric.ts";

let engine: Engine;
const covered = new Set<string>();
beforeAll(async () => {
  engine = await createRuntime().engine();
});
afterAll(() => {
  const all = new Set([...Object.keys(normaliseGradients), ...Object.keys(normaliseLowerings)]);
  expect([...covered].sort()).toEqual([...all].sort());
});

const size = fc.integer({ min: 1, max: 3 });
const space = fc.array(size, { maxLength: 3 });
const seed = fc.integer();
const bit = fc.constantFrom(0, 1);
const runs = { numRuns: 15, seed: 1 };
const EPSILON = { epsilon: { float: 0.1 } };

/** Central differences of the operator as it is written out for training. */
const checkLowered = (
  operator: string,
  inputs: readonly NumericInput[],
  attributes: Attributes = {},
) => {
  covered.add(operator);
  return expectGradients(engine, inputs, (graph, names) =>
    lower(graph, operator, names, attributes),
  );
};

/** The operator written out gives what ONNX Runtime's own gives. */
async function expectOwn(
  operator: string,
  inputs: readonly NumericInput[],
  attributes: Attributes = {},
): Promise<void> {
  const graph = new GraphBuilder();
  const names = inputs.map(({ shape }, i) => graph.input(`x${i}`, { type: "float32", shape }));
  const built = graph.build("lowered", [lower(graph, operator, names, attributes)]);
  const wanted = await runOwn(engine, operator, inputs, attributes);
  expectClose(await runGraph(engine, built, inputs), wanted, operator, 1e-4);
}

describe("BatchNormalization", () => {
  test("running statistics: gradients of all five inputs", () =>
    fc.assert(
      fc.asyncProperty(size, size, space, seed, async (batch, channels, sizes, from) => {
        covered.add("BatchNormalization");
        const random = createRandom(from);
        const vectors = [0, 1, 2].map(() => uniform(random, [channels]));
        const inputs = [
          uniform(random, [batch, channels, ...sizes]),
          ...vectors,
          uniform(random, [channels], 0.5, 2),
        ];
        await expectGradients(engine, inputs, (graph, names) =>
          graph.emit("BatchNormalization", names, EPSILON),
        );
      }),
      runs,
    ));

  test("statistics of the batch: gradients through them", () =>
    fc.assert(
      fc.asyncProperty(size, size, space, seed, async (batch, channels, sizes, from) => {
        const random = createRandom(from);
        const inputs = [
          uniform(random, [batch + 1, channels, ...sizes]),
          uniform(random, [channels], 0.5, 2),
          uniform(random, [channels]),
        ];
        await expectGradients(engine, inputs, (graph, names) => {
          const still = [0, 1].map((value, i) =>
            graph.constant(`running${i}`, {
              type: "float32",
              shape: [channels],
              data: new Float32Array(channels).fill(value),
            }),
          );
          return lower(graph, "BatchNormalization", [...names, ...still], EPSILON);
        });
      }),
      runs,
    ));

  const SHAPE = [4, 2, 3];
  const random = createRandom(3);
  const given = {
    x: uniform(random, SHAPE, 2, 4),
    scale: uniform(random, [2]),
    bias: uniform(random, [2]),
    mean: uniform(random, [2]),
    variance: uniform(random, [2], 0.5, 2),
  };
  const names = Object.keys(given);
  const model: Model = {
    name: "normal",
    irVersion: 10,
    opset: 22,
    domains: {},
    producer: "",
    documentation: "",
    metadata: {},
    nodes: [
      {
        name: "bn",
        operator: "BatchNormalization",
        inputs: names,
        outputs: ["y"],
        attributes: { ...EPSILON, momentum: { float: 0.75 } },
      },
    ],
    inputs: [{ name: "x", type: "float32", shape: SHAPE }],
    outputs: [{ name: "y", type: "float32", shape: SHAPE }],
    initializers: names.slice(1).map((name) => {
      const { shape, values } = given[name as "scale"];
      return { name, type: "float32", shape, data: values };
    }),
  };
  const bind = (training: boolean, trained: readonly string[], fed = names.slice(1)) => {
    const graph = new GraphBuilder();
    for (const name of ["x", ...fed])
      graph.input(name, { type: "float32", shape: given[name as "x"].shape });
    const inputs = new Map([["x", "x"]]);
    const options = { inputs, fed: new Set(fed), trained: new Set(trained), training };
    return { graph, bound: bindModel(graph, model, options) };
  };
  /** y, mean and variance in plain TypeScript. */
  const oracle = (ofBatch: boolean) => {
    const y = new Float32Array(sizeOf(SHAPE));
    const mean = [0, 1].map((c) => average(elementsOf(c).map((i) => given.x.values[i] ?? 0)));
    const variance = [0, 1].map((c) =>
      average(elementsOf(c).map((i) => ((given.x.values[i] ?? 0) - (mean[c] ?? 0)) ** 2)),
    );
    for (const c of [0, 1])
      for (const i of elementsOf(c)) {
        const m = ofBatch ? mean[c] : given.mean.values[c];
        const v = ofBatch ? variance[c] : given.variance.values[c];
        const xhat = ((given.x.values[i] ?? 0) - (m ?? 0)) / Math.sqrt((v ?? 0) + 0.1);
        y[i] = xhat * (given.scale.values[c] ?? 0) + (given.bias.values[c] ?? 0);
      }
    return { y, mean, variance };
  };
  const elementsOf = (channel: number): number[] =>
    Array.from({ length: 12 }, (_, i) => Math.floor(i / 3) * 6 + channel * 3 + (i % 3));
  const average = (values: readonly number[]): number =>
    values.reduce((a, b) => a + b, 0) / values.length;

  test.each(["native", "wasm"] as const)(
    "training, %s: values and running averages",
    async (only) => {
      const { graph, bound } = bind(true, ["scale", "bias"]);
      expect([...bound.states.keys()]).toEqual(["mean", "variance"]);
      const own = await createRuntime({ only }).engine();
      const built = graph.build("train", [
        bound.values.get("y") as string,
        ...bound.states.values(),
      ]);
      const program = await evaluator(own, built);
      const [y = [], mean = [], variance = []] = await program.run(given);
      const wanted = oracle(true);
      expectClose(y, wanted.y, "y", 1e-5);
      const mixed = (old: Float32Array, now: readonly number[]): number[] =>
        now.map((value, c) => 0.75 * (old[c] ?? 0) + 0.25 * value);
      expectClose(mean, mixed(given.mean.values, wanted.mean), "mean", 1e-5);
      expectClose(variance, mixed(given.variance.values, wanted.variance), "variance", 1e-5);
      await program.release();
    },
  );

  test.each([
    ["judging", false, ["scale", "bias"]],
    ["training with the layer frozen", true, []],
  ] as const)("%s: running statistics, no update", async (_, training, trained) => {
    const { graph, bound } = bind(training, trained);
    expect(bound.states.size).toBe(0);
    const program = await evaluator(engine, graph.build("run", [bound.values.get("y") as string]));
    const [y = []] = await program.run(given);
    expectClose(y, oracle(false).y, "y", 1e-5);
    await program.release();
  });

  test("running statistics that are no state are not updated", () => {
    expect(bind(true, ["scale"], ["scale", "bias"]).bound.states.size).toBe(0);
  });

  test("what does not fit is refused", () => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [2, 3] });
    graph.input("s", { type: "float32", shape: [2] });
    expect(() => graph.emit("BatchNormalization", ["x", "s", "s", "s", "s"], {}, "here")).toThrow(
      /here \(BatchNormalization\): input 1 must have one element a channel/,
    );
  });
});

describe("LayerNormalization", () => {
  test("over any last axes, with and without bias", () =>
    fc.assert(
      fc.asyncProperty(
        fc.tuple(size, size, size),
        fc.integer({ min: -3, max: 2 }),
        bit,
        seed,
        async (shape, axis, biased, from) => {
          covered.add("LayerNormalization");
          const random = createRandom(from);
          const row = shape.slice(axis);
          const inputs = [
            uniform(random, shape),
            uniform(random, row),
            ...(biased ? [uniform(random, row)] : []),
          ];
          await expectGradients(engine, inputs, (graph, names) =>
            graph.emit("LayerNormalization", names, { axis: { int: axis }, ...EPSILON }),
          );
        },
      ),
      runs,
    ));

  test("a scale that does not fit is refused", () => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [2, 3] });
    graph.input("s", { type: "float32", shape: [2] });
    expect(() => graph.emit("LayerNormalization", ["x", "s"])).toThrow(/a row of \[3\]/);
  });
});

describe("groups and instances", () => {
  test("GroupNormalization: values and gradients, scales by channel and by group", () =>
    fc.assert(
      fc.asyncProperty(
        size,
        size,
        size,
        space,
        bit,
        seed,
        async (n, groups, depth, at, old, from) => {
          const random = createRandom(from);
          const channels = groups * depth;
          const shape = [n, channels, 2, ...at];
          const scales = [0, 1].map(() => uniform(random, [old ? groups : channels]));
          const inputs = [uniform(random, shape), ...scales];
          const attributes = { num_groups: { int: groups }, ...EPSILON };
          await checkLowered("GroupNormalization", inputs, attributes);
          if (!old) await expectOwn("GroupNormalization", inputs, attributes);
        },
      ),
      runs,
    ));

  test("InstanceNormalization: values and gradients", () =>
    fc.assert(
      fc.asyncProperty(size, size, space, seed, async (n, channels, sizes, from) => {
        const random = createRandom(from);
        const vectors = [0, 1].map(() => uniform(random, [channels]));
        const inputs = [uniform(random, [n, channels, 2, ...sizes]), ...vectors];
        await checkLowered("InstanceNormalization", inputs, EPSILON);
        await expectOwn("InstanceNormalization", inputs, EPSILON);
      }),
      runs,
    ));

  test("channels that do not divide are refused", async () => {
    const inputs = [[1, 3, 2], [3], [3]].map((shape) => uniform(createRandom(1), shape));
    await expect(
      checkLowered("GroupNormalization", inputs, { num_groups: { int: 2 } }),
    ).rejects.toThrow(/GroupNormalization \(GroupNormalization\): channels do not divide into 2/);
  });
});

describe("others are written out", () => {
  test("RMSNormalization and the chain that PyTorch exports for it", () =>
    fc.assert(
      fc.asyncProperty(fc.tuple(size, size, size), seed, async (shape, from) => {
        const random = createRandom(from);
        const x = uniform(random, shape);
        const scale = uniform(random, shape.slice(-1));
        await checkLowered("RMSNormalization", [x, scale], EPSILON);
        const chain = (graph: GraphBuilder, [a = "", b = ""]: readonly string[]): string => {
          const square = graph.emit("Pow", [a, graph.scalar(2)]);
          const mean = graph.emit("ReduceMean", [square, graph.ints([-1])]);
          const root = graph.emit("Sqrt", [graph.emit("Add", [mean, graph.scalar(0.1)])]);
          const normal = graph.emit("Mul", [a, graph.emit("Div", [graph.scalar(1), root])]);
          return graph.emit("Mul", [normal, b]);
        };
        await expectGradients(engine, [x, scale], chain);
        const [both, own] = [new GraphBuilder(), new GraphBuilder()].map((graph, i) => {
          const names = [x, scale].map(({ shape }, k) =>
            graph.input(`x${k}`, { type: "float32", shape }),
          );
          const y = i ? chain(graph, names) : lower(graph, "RMSNormalization", names, EPSILON);
          return graph.build("rms", [y]);
        }) as [ReturnType<GraphBuilder["build"]>, ReturnType<GraphBuilder["build"]>];
        const wanted = await runGraph(engine, own, [x, scale]);
        expectClose(await runGraph(engine, both, [x, scale]), wanted, "rms", 1e-5);
      }),
      { ...runs, numRuns: 8 },
    ));

  test.each([1, 2])("LpNormalization, p = %i", (p) =>
    fc.assert(
      fc.asyncProperty(
        fc.tuple(size, size, size),
        fc.integer({ min: -3, max: 2 }),
        seed,
        async (shape, axis, from) => {
          const input = uniform(createRandom(from), shape, 0.3, 1);
          const attributes = { p: { int: p }, axis: { int: axis } };
          await checkLowered("LpNormalization", [input], attributes);
          await expectOwn("LpNormalization", [input], attributes);
        },
      ),
      { ...runs, numRuns: 8 },
    ),
  );

  test("LpNormalization of zeros has a gradient that is a number", async () => {
    const graph = new GraphBuilder();
    graph.input("x0", { type: "float32", shape: [1, 2] });
    const built = graph.build("zeros", [lower(graph, "LpNormalization", ["x0"])]);
    const zeros = { shape: [1, 2], values: new Float32Array(2) };
    expect([...(await runGraph(engine, built, [zeros]))]).toEqual([0, 0]);
  });

  test("MeanVarianceNormalization", async () => {
    const input = uniform(createRandom(2), [3, 2, 2, 3]);
    for (const attributes of [{}, { axes: { ints: [1, 3] } }]) {
      await checkLowered("MeanVarianceNormalization", [input], attributes);
      await expectOwn("MeanVarianceNormalization", [input], attributes);
    }
  });

  test.each([1, 3, 5])("LRN over %i channels", async (count) => {
    const input = uniform(createRandom(count), [2, 4, 3, 2]);
    const attributes = { size: { int: count }, alpha: { float: 0.5 }, beta: { float: 0.75 } };
    await checkLowered("LRN", [input], attributes);
    await expectOwn("LRN", [input], attributes);
  });
});
