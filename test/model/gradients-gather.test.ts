/** Operators that read or write by index: forward against ONNX Runtime, gradients against differences. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom, type Random } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import { gatherGradients } from "../../src/model/onnx/gradient/gather.ts";
import { type Attributes, sizeOf } from "../../src/model/onnx/graph.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { expectGradients, type NumericInput, uniform } from "./numeric.ts";
import { runtimeOutputs, type TensorValue } from "./runtime-outputs.ts";

let engine: Engine;
const covered = new Set<string>();

beforeAll(async () => {
  engine = await createRuntime().engine();
});
afterAll(() => {
  expect([...covered].sort()).toEqual(Object.keys(gatherGradients).sort());
});

type Emit = (graph: GraphBuilder, names: readonly string[], indices: string) => string;

/** Shape and type as ONNX Runtime has them; gradients of every float input. */
async function check(inputs: readonly NumericInput[], indices: TensorValue, emit: Emit) {
  const build = (graph: GraphBuilder, names: readonly string[]): string =>
    emit(graph, names, graph.constant("indices", indices));
  const graph = new GraphBuilder();
  const names = inputs.map(({ shape }, i) => graph.input(`x${i}`, { type: "float32", shape }));
  const output = build(graph, names);
  const fed = Object.fromEntries(
    inputs.map(({ shape, values }, i) => [
      `x${i}`,
      { type: "float32", shape, data: values } as const,
    ]),
  );
  const [actual] = await runtimeOutputs(graph.build("forward", [output]), fed);
  expect({ type: actual?.type, shape: actual?.shape }).toEqual(graph.typeOf(output));
  await expectGradients(engine, inputs, build);
}

const plain =
  (operator: string, attributes: Attributes): Emit =>
  (graph, [data = "", ...rest], indices) => {
    covered.add(operator);
    return graph.emit(operator, [data, indices, ...rest], attributes);
  };

/** Random indices below `size`, some of them counted from the end. */
const indicesOf = (random: Random, shape: readonly number[], size: number): number[] =>
  Array.from({ length: sizeOf(shape) }, () => Math.floor((2 * random.next() - 1) * size));

const int64 = (shape: readonly number[], values: readonly number[]): TensorValue => ({
  type: "int64",
  shape,
  data: BigInt64Array.from(values, BigInt),
});
const int32 = (shape: readonly number[], values: readonly number[]): TensorValue => ({
  type: "int32",
  shape,
  data: Int32Array.from(values),
});

const size = fc.integer({ min: 1, max: 4 });
const shape = fc.array(size, { minLength: 1, maxLength: 3 });
const shapeAndAxis = shape.chain((dims) =>
  fc.tuple(fc.constant(dims), fc.integer({ min: -dims.length, max: dims.length - 1 })),
);
const flag = fc.boolean();
const property = <T>(
  arbitrary: fc.Arbitrary<T>,
  body: (value: T, random: Random) => Promise<void>,
  numRuns = 20,
) =>
  fc.assert(
    fc.asyncProperty(arbitrary, fc.integer(), (value, from) => body(value, createRandom(from))),
    { numRuns, seed: 1 },
  );

describe("Gather", () => {
  test("any axis, indices of any rank, repeated, from both ends", () =>
    property(
      fc.tuple(shapeAndAxis, fc.array(size, { maxLength: 2 }), flag),
      ([[dims, axis], of, narrow], random) => {
        const values = indicesOf(random, of, dims.at(axis) ?? 1);
        const indices = narrow ? int32(of, values) : int64(of, values);
        return check([uniform(random, dims)], indices, plain("Gather", { axis: { int: axis } }));
      },
      40,
    ));

  test("a run of indices is put back without a scatter", () => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [3, 5, 2] });
    const first = graph.emit("Gather", ["x", graph.ints([-3, -2])], { axis: { int: 1 } });
    const loss = graph.emit("ReduceSum", [first], { keepdims: { int: 0 } });
    differentiate(graph, loss, ["x"]);
    const operators = graph.nodes.map(({ operator }) => operator);
    expect(operators).toContain("Pad");
    expect(operators).not.toContain("ScatterND");
  });

  test.each(["int32", "int64"] as const)("an embedding with fed %s tokens", async (type) => {
    const graph = new GraphBuilder();
    graph.input("table", { type: "float32", shape: [7, 3] });
    graph.input("tokens", { type, shape: [2, 4] });
    graph.input("g", { type: "float32", shape: [2, 4, 3] });
    const rows = graph.emit("Gather", ["table", "tokens"]);
    const product = graph.emit("Mul", [rows, "g"]);
    const loss = graph.emit("ReduceSum", [product], { keepdims: { int: 0 } });
    const gradient = differentiate(graph, loss, ["table"]).get("table") as string;
    const tokens = [0, 6, 6, 2, 2, 2, 5, 0];
    const random = createRandom(3);
    const g = uniform(random, [2, 4, 3]).values;
    const wanted = new Float32Array(21);
    tokens.forEach((token, n) => {
      for (let k = 0; k < 3; k++)
        wanted[token * 3 + k] = (wanted[token * 3 + k] as number) + (g[n * 3 + k] as number);
    });
    const [actual] = await runtimeOutputs(graph.build("backward", [gradient]), {
      table: { type: "float32", shape: [7, 3], data: new Float32Array(21) },
      tokens: (type === "int32" ? int32 : int64)([2, 4], tokens),
      g: { type: "float32", shape: [2, 4, 3], data: g },
    });
    expect(Array.from(actual?.data ?? [], Number)).toEqual(Array.from(wanted));
  });
});

describe("elements", () => {
  /** Indices never longer than the data beside the axis. */
  const places = shapeAndAxis.chain(([dims, axis]) =>
    fc.tuple(
      fc.constant(dims),
      fc.constant(axis),
      fc.tuple(
        ...dims.map((n, k) =>
          k === (axis < 0 ? axis + dims.length : axis) ? size : fc.integer({ min: 1, max: n }),
        ),
      ),
      flag,
    ),
  );

  test("GatherElements", () =>
    property(places, ([dims, axis, of, narrow], random) => {
      const indices = (narrow ? int32 : int64)(of, indicesOf(random, of, dims.at(axis) ?? 1));
      const emit = plain("GatherElements", { axis: { int: axis } });
      return check([uniform(random, dims)], indices, emit);
    }));

  test("ScatterElements adds", () =>
    property(places, ([dims, axis, of], random) => {
      const indices = int64(of, indicesOf(random, of, dims.at(axis) ?? 1));
      const attributes = { axis: { int: axis }, reduction: { string: "add" } };
      const emit = plain("ScatterElements", attributes);
      return check([uniform(random, dims), uniform(random, of)], indices, emit);
    }));

  test("ScatterElements overwrites", () =>
    property(fc.tuple(size, size, flag), ([n, rows, narrow], random) => {
      const order = random.shuffle(Float32Array.from({ length: n }, (_, i) => i));
      const kept = Array.from(order.subarray(0, Math.min(rows, n)));
      const indices = (narrow ? int32 : int64)([kept.length, 1], kept);
      const emit = plain("ScatterElements", { axis: { int: 0 } });
      return check([uniform(random, [n, 2]), uniform(random, [kept.length, 1])], indices, emit);
    }));
});

describe("slices named by index tuples", () => {
  /** Index tuples into the first axes of `dims`. */
  const tuples = (
    random: Random,
    dims: readonly number[],
    count: number,
    depth: number,
  ): number[] =>
    Array.from({ length: count }, () =>
      Array.from({ length: depth }, (_, k) => indicesOf(random, [1], dims[k] ?? 1)[0] as number),
    ).flat();
  const cubes = fc.tuple(size, size, size, fc.integer({ min: 1, max: 3 }), size);

  test("GatherND", () =>
    property(cubes, ([a, b, c, depth, count], random) => {
      const dims = [a, b, c];
      const indices = int64([1, count, depth], tuples(random, dims, count, depth));
      return check([uniform(random, dims)], indices, plain("GatherND", {}));
    }));

  test("GatherND within batch axes", () =>
    property(
      fc.tuple(size, size, size, size, fc.constantFrom(1, 2)),
      ([a, b, c, count, batch], random) => {
        const dims = [a, b, c];
        const of = [...dims.slice(0, batch), count, 1];
        const indices = int64(of, indicesOf(random, of, dims[batch] ?? 1));
        return check(
          [uniform(random, dims)],
          indices,
          plain("GatherND", { batch_dims: { int: batch } }),
        );
      },
    ));

  test("ScatterND adds", () =>
    property(cubes, ([a, b, c, depth, count], random) => {
      const dims = [a, b, c];
      const indices = int64([count, depth], tuples(random, dims, count, depth));
      const updates = uniform(random, [count, ...dims.slice(depth)]);
      const emit = plain("ScatterND", { reduction: { string: "add" } });
      return check([uniform(random, dims), updates], indices, emit);
    }));

  test("ScatterND overwrites", () =>
    property(fc.tuple(size, size), ([n, rows], random) => {
      const order = random.shuffle(Float32Array.from({ length: n }, (_, i) => i));
      const kept = Array.from(order.subarray(0, Math.min(rows, n)));
      const updates = uniform(random, [kept.length, 3]);
      const indices = int64([kept.length, 1], kept);
      return check([uniform(random, [n, 3]), updates], indices, plain("ScatterND", {}));
    }));

  test("a reduction without a gradient is named", () => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [3] });
    graph.input("u", { type: "float32", shape: [1] });
    const at = graph.constant("at", int64([1, 1], [0]));
    const max = graph.emit("ScatterND", ["x", at, "u"], { reduction: { string: "max" } }, "here");
    const loss = graph.emit("ReduceSum", [max], { keepdims: { int: 0 } });
    expect(() => differentiate(graph, loss, ["x"])).toThrow(
      "node here (ScatterND): reduction max has no gradient (use none or add)",
    );
  });
});

describe("what does not fit is refused by name", () => {
  test.each<[string, readonly string[], Attributes, string]>([
    ["Gather", ["x", "x"], {}, "node here (Gather): indices must be int32 or int64"],
    ["Gather", ["x", "n"], { axis: { int: 2 } }, "axis 2 is outside of rank 2"],
    [
      "GatherElements",
      ["x", "n"],
      {},
      "indices do not fit beside axis 0; inputs: float32[2,3], int64[4]",
    ],
    ["GatherND", ["x", "n"], {}, "indices do not fit the data"],
    ["ScatterND", ["x", "i", "x"], {}, "updates must have the shape [4,3]"],
    ["NonZero", ["x"], {}, "node here (NonZero): input 0 (x) must be a constant"],
    ["OneHot", ["n", "n", "x"], {}, "node here (OneHot): input 1 (n) must be a constant"],
  ])("%s", (operator, inputs, attributes, message) => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [2, 3] });
    graph.input("n", { type: "int64", shape: [4] });
    graph.input("i", { type: "int64", shape: [4, 1] });
    expect(() => graph.emit(operator, inputs, attributes, "here")).toThrow(message);
  });
});
