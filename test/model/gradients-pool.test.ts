/** Pools: shapes against ONNX Runtime's own, gradients against central differences. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import { poolGradients } from "../../src/model/onnx/gradient/pool.ts";
import type { Attributes } from "../../src/model/onnx/graph.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { apart, evaluator, expectGradients, type NumericInput, uniform } from "./numeric.ts";
import { type Axis, axis, paddings, windowAttributes } from "./windows.ts";

let engine: Engine;
const covered = new Set<string>();
beforeAll(async () => {
  engine = await createRuntime().engine();
});
afterAll(() => {
  expect([...covered].sort()).toEqual(Object.keys(poolGradients).sort());
});

/** ONNX Runtime refuses to write an output of another shape than inferred, so this checks shapes too. */
const check = (operator: string, input: NumericInput, attributes: Attributes = {}) => {
  covered.add(operator);
  return expectGradients(engine, [input], (graph, names) =>
    graph.emit(operator, names, attributes),
  );
};

const bit = fc.constantFrom(0, 1);
const few = fc.integer({ min: 1, max: 2 });
const seed = fc.integer();
const axesOf = (rank: number) => fc.array(axis, { minLength: rank, maxLength: rank });
const shapeOf = (batch: number, channels: number, axes: readonly Axis[]): number[] => [
  batch,
  channels,
  ...axes.map((at) => at.size),
];
/** ONNX Runtime wants pads smaller than the kernel, and under SAME strides no longer than it. */
const padded = (axes: readonly Axis[], mode: string): Axis[] =>
  axes.map((at) => ({
    ...at,
    stride: mode.startsWith("SAME") ? Math.min(at.stride, at.kernel) : at.stride,
    begin: Math.min(at.begin, at.kernel - 1),
    end: Math.min(at.end, at.kernel - 1),
  }));

const random = fc.tuple(few, few, bit, bit, paddings, seed);

test.each([
  [1, 20],
  [2, 25],
  [3, 5],
])("MaxPool over %i axes: strides, dilations, pads, ceil_mode, auto_pad", (rank, numRuns) =>
  fc.assert(
    fc.asyncProperty(axesOf(rank), random, (axes, [batch, channels, ceil, , mode, from]) =>
      check("MaxPool", apart(createRandom(from), shapeOf(batch, channels, axes)), {
        ...windowAttributes(padded(axes, mode), mode),
        ceil_mode: { int: mode === "NOTSET" ? ceil : 0 },
      }),
    ),
    { numRuns, seed: 1 },
  ),
);

test("MaxPool with windows that do not overlap", () =>
  fc.assert(
    fc.asyncProperty(axesOf(2), random, (drawn, [batch, channels, ceil, , , from]) => {
      const axes = drawn.map((at) => ({ ...at, stride: at.kernel, dilation: 1, begin: 0, end: 0 }));
      return check("MaxPool", apart(createRandom(from), shapeOf(batch, channels, axes)), {
        ...windowAttributes(axes),
        ceil_mode: { int: ceil },
      });
    }),
    { numRuns: 15, seed: 1 },
  ));

test.each([
  [1, 25],
  [2, 30],
  [3, 5],
])("AveragePool over %i axes: the same, pads counted or not", (rank, numRuns) =>
  fc.assert(
    fc.asyncProperty(axesOf(rank), random, (axes, [batch, channels, ceil, counted, mode, from]) =>
      check("AveragePool", uniform(createRandom(from), shapeOf(batch, channels, axes)), {
        ...windowAttributes(padded(axes, mode), mode),
        ceil_mode: { int: mode === "NOTSET" ? ceil : 0 },
        count_include_pad: { int: counted },
      }),
    ),
    { numRuns, seed: 1 },
  ),
);

test.each(["GlobalAveragePool", "GlobalMaxPool"])("%s over one to three axes", (operator) =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }).chain(axesOf),
      random,
      (axes, [n, c, , , , s]) => check(operator, apart(createRandom(s), shapeOf(n, c, axes))),
    ),
    { numRuns: 15, seed: 1 },
  ),
);

test("GlobalMaxPool: elements that tie share the gradient", async () => {
  const graph = new GraphBuilder();
  graph.input("x", { type: "float32", shape: [1, 2, 3] });
  const pooled = graph.emit("GlobalMaxPool", ["x"]);
  const loss = graph.emit("ReduceSum", [pooled], { keepdims: { int: 0 } });
  const gradient = differentiate(graph, loss, ["x"]).get("x") as string;
  const program = await evaluator(engine, graph.build("ties", [gradient]));
  const [values] = await program.run({
    x: { shape: [1, 2, 3], values: Float32Array.of(1, 5, 5, 0, 0, 0) },
  });
  const third = Math.fround(1 / 3);
  expect([...(values as Float32Array)]).toEqual([0, 0.5, 0.5, third, third, third]);
  await program.release();
});

test("MaxPool 2 x 2: of elements that tie the first one has the gradient", () =>
  fc.assert(
    fc.asyncProperty(few, few, few, few, fc.integer({ min: 2, max: 3 }), seed, async (...drawn) => {
      const [batch, channels, rows, columns, stride, from] = drawn;
      const [height, width] = [rows * stride, columns * stride];
      const graph = new GraphBuilder();
      const shape = [batch, channels, height, width];
      graph.input("x", { type: "float32", shape });
      const [kernel_shape, strides] = [{ ints: [2, 2] }, { ints: [stride, stride] }];
      const pooled = graph.emit("MaxPool", ["x"], { kernel_shape, strides });
      const loss = graph.emit("ReduceSum", [pooled], { keepdims: { int: 0 } });
      const gradient = differentiate(graph, loss, ["x"]).get("x") as string;
      const program = await evaluator(engine, graph.build("first", [gradient]));
      const random = createRandom(from);
      const values = Float32Array.from({ length: batch * channels * height * width }, () =>
        random.integer(3),
      );
      const wanted = new Float32Array(values.length);
      for (let image = 0; image < batch * channels; image++)
        for (let window = 0; window < rows * columns; window++) {
          const row = image * height + Math.floor(window / columns) * stride;
          const corner = row * width + (window % columns) * stride;
          const places = [corner, corner + 1, corner + width, corner + width + 1];
          const most = Math.max(...places.map((place) => values[place] as number));
          wanted[places.find((place) => values[place] === most) as number] = 1;
        }
      const [made] = await program.run({ x: { shape, values } });
      await program.release();
      expect(made).toEqual(wanted);
    }),
    { numRuns: 15, seed: 1 },
  ));

test("what is not supported is refused by name", () => {
  const emit = (attributes: Attributes) => () => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [1, 1, 4] });
    graph.emit("MaxPool", ["x"], attributes, "here");
  };
  const kernel = { kernel_shape: { ints: [2] } };
  expect(emit({ ...kernel, storage_order: { int: 1 } })).toThrow(/here \(MaxPool\): indices/);
  expect(emit({ kernel_shape: { ints: [2, 2] } })).toThrow(/a kernel of 2 axes/);
  expect(emit({ ...kernel, pads: { ints: [1] } })).toThrow(/pads \[1\] must be 2 numbers/);
});
