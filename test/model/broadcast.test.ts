/**
 * Inferred shapes and types against what ONNX Runtime computes, and the books of the families: which
 * operators have a gradient.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { flopsOf } from "../../src/model/onnx/flops.ts";
import { GRADIENT_RULES } from "../../src/model/onnx/gradient/table.ts";
import type { Attributes, ElementType } from "../../src/model/onnx/graph.ts";
import { activationShapes } from "../../src/model/onnx/shape/activation.ts";
import { elementwiseShapes } from "../../src/model/onnx/shape/elementwise.ts";
import { matmulShapes } from "../../src/model/onnx/shape/matmul.ts";
import { reduceShapes } from "../../src/model/onnx/shape/reduce.ts";
import { broadcast } from "../../src/model/onnx/shape/rule.ts";
import { castTo, family, pair, runs, seed, shape, size, tensor } from "./gradient-check.ts";
import { evaluator, uniform } from "./numeric.ts";

const { forward, engine } = family({});

test("the check notices: ONNX Runtime refuses an output of a shape that is not its own", async () => {
  const wrong = async (declared: readonly number[]) => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [2, 3] });
    const y = graph.emit("ReduceSum", ["x", graph.ints([1])]);
    const built = graph.build("wrong", [y]);
    const outputs = [{ name: y, type: "float32" as const, shape: declared }];
    const program = await evaluator(engine(), { ...built, outputs });
    return program.run({ x: tensor([2, 3], [1, 2, 3, 4, 5, 6]) });
  };
  await expect(wrong([2, 1])).resolves.toEqual([Float32Array.of(6, 15)]);
  await expect(wrong([1, 2])).rejects.toThrow();
});

describe("broadcasting", () => {
  /** The dumb twin: pads with ones, then looks at each axis. */
  const twin = (a: readonly number[], b: readonly number[]): number[] | undefined => {
    const rank = Math.max(a.length, b.length);
    const pad = (dims: readonly number[]) => [...Array(rank - dims.length).fill(1), ...dims];
    const [x, y] = [pad(a), pad(b)];
    if (x.some((n, i) => n !== y[i] && n !== 1 && y[i] !== 1)) return undefined;
    return x.map((n, i) => (n === 1 ? y[i] : n));
  };

  test("of any two shapes is NumPy's, in either order", () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        expect(broadcast(a, b)).toEqual(twin(a, b));
        expect(broadcast(b, a)).toEqual(twin(a, b));
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  type Case = [operator: string, type: ElementType, out: ElementType, attributes: Attributes];
  test.each<Case>([
    ["Add", "int64", "int64", {}],
    ["And", "bool", "bool", {}],
    ["Div", "int32", "int32", {}],
    ["Equal", "float32", "bool", {}],
    ["Equal", "int64", "bool", {}],
    ["Equal", "bool", "bool", {}],
    ["Greater", "float32", "bool", {}],
    ["GreaterOrEqual", "int64", "bool", {}],
    ["Less", "int32", "bool", {}],
    ["LessOrEqual", "float32", "bool", {}],
    ["Max", "int64", "int64", {}],
    ["Mean", "float32", "float32", {}],
    ["Min", "int32", "int32", {}],
    ["Mod", "int64", "int64", {}],
    ["Mod", "float32", "float32", { fmod: { int: 1 } }],
    ["Mul", "float32", "float32", {}],
    ["Or", "bool", "bool", {}],
    ["Pow", "int64", "int64", {}],
    ["Sub", "float64", "float64", {}],
    ["Sum", "float32", "float32", {}],
    ["Xor", "bool", "bool", {}],
  ])("%s of two %s", (operator, type, out, attributes) =>
    fc.assert(
      fc.asyncProperty(pair, seed, async ([a, b], from) => {
        const random = createRandom(from);
        const inputs = [uniform(random, a, 1, 9), uniform(random, b, 1, 9)];
        await forward(inputs, (g, names) => {
          const y = g.emit(
            operator,
            names.map((name) => castTo(g, name, type)),
            attributes,
          );
          expect(g.typeOf(y).type).toBe(out);
          return [y];
        });
      }),
      { ...runs, numRuns: 5 },
    ),
  );
});

describe("operators without a gradient of their own", () => {
  test.each<[string, ElementType, ElementType]>([
    ["Abs", "int64", "int64"],
    ["Ceil", "float32", "float32"],
    ["Floor", "float32", "float32"],
    ["Hardmax", "float32", "float32"],
    ["IsInf", "float32", "bool"],
    ["IsNaN", "float32", "bool"],
    ["Neg", "int64", "int64"],
    ["Not", "bool", "bool"],
    ["Round", "float32", "float32"],
    ["Sign", "int64", "int64"],
    ["Sign", "float32", "float32"],
  ])("%s of %s", (operator, type, out) =>
    fc.assert(
      fc.asyncProperty(shape, seed, async (dims, from) => {
        fc.pre(operator !== "Hardmax" || dims.length > 0);
        await forward([uniform(createRandom(from), dims)], (g, [x = ""]) => {
          const y = g.emit(operator, [castTo(g, x, type)]);
          expect(g.typeOf(y).type).toBe(out);
          return [y];
        });
      }),
      { ...runs, numRuns: 5 },
    ),
  );

  test.each(["ArgMax", "ArgMin"])("%s over any axis", (operator) =>
    fc.assert(
      fc.asyncProperty(
        fc.tuple(size, size, size),
        fc.integer({ min: -3, max: 2 }),
        fc.constantFrom(0, 1),
        async (dims, axis, keepdims) => {
          await forward([uniform(createRandom(1), dims)], (g, [x = ""]) => {
            const attributes = { axis: { int: axis }, keepdims: { int: keepdims } };
            const y = g.emit(operator, [x], attributes);
            expect(g.typeOf(y).type).toBe("int64");
            return [y];
          });
        },
      ),
      runs,
    ),
  );

  test("both outputs of TopK", () =>
    forward([tensor([2, 3], [1, 3, 2, 6, 5, 4])], (g, [x = ""]) =>
      g.emitAll("TopK", [x, g.ints([2])], {}, { outputs: 2 }),
    ).then((outputs) =>
      expect(outputs).toEqual([
        [3, 2, 6, 5],
        [1, 2, 0, 1],
      ]),
    ));
});

describe("what does not fit is refused with the reason", () => {
  const emit = (operator: string, types: readonly [ElementType, readonly number[]][]) => {
    const graph = new GraphBuilder();
    const names = types.map(([type, dims], i) => graph.input(`x${i}`, { type, shape: dims }));
    return () => graph.emit(operator, names, {}, "here");
  };
  test.each<[string, [ElementType, number[]][], string]>([
    [
      "Add",
      [
        ["float32", [2]],
        ["int64", [2]],
      ],
      "element types differ; inputs: float32[2], int64[2]",
    ],
    [
      "And",
      [
        ["float32", [2]],
        ["float32", [2]],
      ],
      "input 0 must be bool",
    ],
    [
      "Clip",
      [
        ["float32", [2]],
        ["float32", [2]],
      ],
      "bounds must be scalars",
    ],
    [
      "Max",
      [
        ["float32", [2]],
        ["float32", [3]],
      ],
      "shapes cannot be broadcast",
    ],
    [
      "MatMul",
      [
        ["float32", []],
        ["float32", [3]],
      ],
      "scalars have no matrix product",
    ],
    [
      "MatMul",
      [
        ["float32", [2]],
        ["float32", [3]],
      ],
      "inner sizes 2 and 3 differ",
    ],
    [
      "MatMul",
      [
        ["float32", [2, 1, 3]],
        ["float32", [3, 3, 1]],
      ],
      "batch axes cannot be broadcast",
    ],
    ["Not", [["int64", [2]]], "input 0 must be bool"],
    [
      "PRelu",
      [
        ["float32", [2]],
        ["float32", [3, 2]],
      ],
      "the slope does not broadcast",
    ],
    [
      "Where",
      [
        ["int64", [2]],
        ["float32", [2]],
        ["float32", [2]],
      ],
      "input 0 must be bool",
    ],
    ["ArgMax", [["float32", []]], "there is no axis 0"],
  ])("%s of %j", (operator, types, message) => {
    expect(emit(operator, types)).toThrow(`node here (${operator}): `);
    expect(emit(operator, types)).toThrow(message);
  });
});

/** Remainders jump, and nothing that is trained stands behind quantised bytes. */
const WITHOUT_GRADIENT = ["DequantizeLinear", "Mod"];

test("every operator of the families has a gradient rule, but for those named here", () => {
  const families = { ...elementwiseShapes, ...activationShapes, ...reduceShapes, ...matmulShapes };
  const without = Object.keys(families).filter((operator) => !(operator in GRADIENT_RULES));
  expect(without.sort()).toEqual(WITHOUT_GRADIENT);
});

test("Einsum costs what the same MatMul does; reductions cost their input", () => {
  const graph = new GraphBuilder();
  graph.input("a", { type: "float32", shape: [2, 3, 4] });
  graph.input("b", { type: "float32", shape: [2, 4, 5] });
  const flops = (output: string): number =>
    flopsOf(graph.build("g", [output]), (name) => graph.shapeOf(name));
  const equation = { equation: { string: "bij,bjk->bik" } };
  expect(flops(graph.emit("Einsum", ["a", "b"], equation))).toBe(240);
  expect(flops(graph.emit("MatMul", ["a", "b"]))).toBe(240);
  expect(flops(graph.emit("ReduceMax", ["a"]))).toBe(24);
  expect(flops(graph.emit("Sum", ["a", "a", "a"]))).toBe(48);
});
