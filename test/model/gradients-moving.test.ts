/** Operators that move elements: forward against ONNX Runtime, gradients against central differences. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import { movingGradients } from "../../src/model/onnx/gradient/shape.ts";
import { type Attributes, ELEMENT_TYPES } from "../../src/model/onnx/graph.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { lower } from "./lowered.ts";
import { expectGradients, type NumericInput, uniform } from "./numeric.ts";
import { runtimeOutputs } from "./runtime-outputs.ts";

let engine: Engine;
const covered = new Set<string>();

beforeAll(async () => {
  engine = await createRuntime().engine();
});
afterAll(() => {
  expect([...covered].sort()).toEqual(Object.keys(movingGradients).sort());
});

/** Integer inputs after the first, as int64, or as int32 where ONNX allows it. */
type Integers = readonly (readonly number[] | undefined)[];
interface Case {
  readonly attributes?: Attributes;
  readonly integers?: Integers;
  readonly narrow?: boolean;
  /** How many outputs, and which of them the loss uses. */
  readonly outputs?: number;
  readonly used?: readonly number[];
}

const emitted = (
  graph: GraphBuilder,
  operator: string,
  names: readonly string[],
  { attributes = {}, integers = [], narrow = false, outputs = 1 }: Case,
): readonly string[] => {
  const constants = integers.map((values, i) => {
    if (!values) return "";
    if (!narrow) return graph.ints(values);
    const data = Int32Array.from(values);
    return graph.constant(`int32_${i}`, { type: "int32", shape: [values.length], data });
  });
  return graph.emitAll(operator, [...names, ...constants], attributes, { outputs });
};

/** Types of all outputs as ONNX Runtime has them; gradients of a sum over the used ones. */
async function check(operator: string, inputs: readonly NumericInput[], at: Case = {}) {
  covered.add(operator);
  const graph = new GraphBuilder();
  const names = inputs.map(({ shape }, i) => graph.input(`x${i}`, { type: "float32", shape }));
  const outputs = emitted(graph, operator, names, at);
  const fed = Object.fromEntries(
    inputs.map(({ shape, values }, i) => [
      `x${i}`,
      { type: "float32" as const, shape, data: values },
    ]),
  );
  const actual = await runtimeOutputs(graph.build("forward", outputs), fed);
  expect(actual.map(({ type, shape }) => ({ type, shape }))).toEqual(
    outputs.map((name) => graph.typeOf(name)),
  );
  await expectGradients(engine, inputs, (other, given) => {
    const made = emitted(other, operator, given, at);
    const flat = (at.used ?? [0]).map((i) =>
      other.emit("Reshape", [made[i] as string, other.ints([-1])]),
    );
    return flat.length === 1 ? (made[at.used?.[0] ?? 0] as string) : joined(other, flat);
  });
}

const joined = (graph: GraphBuilder, parts: readonly string[]): string =>
  graph.emit("Concat", parts, { axis: { int: 0 } });

const runs = { numRuns: 10, seed: 1 };
const size = fc.integer({ min: 1, max: 4 });
const shape = fc.array(size, { minLength: 1, maxLength: 3 });
const seed = fc.integer();
const flag = fc.boolean();
const property = <T>(
  arbitrary: fc.Arbitrary<T>,
  body: (value: T, input: (shape: readonly number[]) => NumericInput) => Promise<void>,
  numRuns = runs.numRuns,
) =>
  fc.assert(
    fc.asyncProperty(arbitrary, seed, (value, from) => {
      const random = createRandom(from);
      return body(value, (dims) => uniform(random, dims));
    }),
    { ...runs, numRuns },
  );

/** A shape and some of its axes, some of them counted from the end. */
const shapeAndAxes = shape.chain((dims) =>
  fc.tuple(
    fc.constant(dims),
    fc
      .shuffledSubarray(
        dims.map((_, axis) => axis),
        { minLength: 1 },
      )
      .chain((axes) => fc.tuple(...axes.map((axis) => fc.constantFrom(axis, axis - dims.length)))),
  ),
);
const shapeAndAxis = shape.chain((dims) =>
  fc.tuple(fc.constant(dims), fc.integer({ min: -dims.length, max: dims.length - 1 })),
);

describe("other shapes, same order", () => {
  test("Reshape: -1, 0 that copies, 0 that is meant", () =>
    property(fc.tuple(size, size, size), async ([a, b, c], input) => {
      await check("Reshape", [input([a, b, c])], { integers: [[b, -1]] });
      await check("Reshape", [input([a, b, c])], { integers: [[0, 0, -1, 1]] });
      const attributes = { allowzero: { int: 1 } };
      await check("Reshape", [input([a, b, c])], { integers: [[b, a * c]], attributes });
    }));

  test("Flatten at every axis", () =>
    property(shapeAndAxis, async ([dims, axis], input) => {
      await check("Flatten", [input(dims)], { attributes: { axis: { int: axis } } });
      await check("Flatten", [input(dims)], { attributes: { axis: { int: dims.length } } });
    }));

  test("Unsqueeze and Squeeze, axes from both ends", () =>
    property(shapeAndAxes, async ([dims, axes], input) => {
      const wide = [...dims, ...axes.map(() => 1)];
      const places = axes.map((axis) => (axis < 0 ? axis : wide.length - 1 - axis));
      const distinct = places.filter(
        (axis, i) => places.findIndex((o) => (o - axis) % wide.length === 0) === i,
      );
      await check("Unsqueeze", [input(dims)], { integers: [distinct] });
      const ones = dims.map((n, axis) =>
        axes.some((a) => (a - axis) % dims.length === 0) ? 1 : n,
      );
      await check("Squeeze", [input(ones)], { integers: [axes] });
      await check("Squeeze", [input(ones)]);
    }));
});

describe("other orders", () => {
  test("Transpose", () =>
    property(
      shape.chain((dims) =>
        fc.tuple(
          fc.constant(dims),
          fc.shuffledSubarray(
            dims.map((_, i) => i),
            { minLength: dims.length },
          ),
        ),
      ),
      async ([dims, perm], input) => {
        await check("Transpose", [input(dims)], { attributes: { perm: { ints: perm } } });
        await check("Transpose", [input(dims)]);
      },
    ));

  test("DepthToSpace in both modes, SpaceToDepth", () =>
    property(
      fc.tuple(size, size, size, fc.integer({ min: 1, max: 2 })),
      async ([n, h, w, block], input) => {
        const blocksize = { int: block };
        const deep = [1, n * block ** 2, h, w];
        for (const mode of ["DCR", "CRD"])
          await check("DepthToSpace", [input(deep)], {
            attributes: { blocksize, mode: { string: mode } },
          });
        await check("SpaceToDepth", [input([1, n, h * block, w * block])], {
          attributes: { blocksize },
        });
      },
    ));

  test("ReverseSequence", () =>
    property(
      fc.tuple(size, fc.array(size, { minLength: 2, maxLength: 3 })),
      ([n, lengths], input) =>
        check("ReverseSequence", [input([4, lengths.length, n])], {
          integers: [lengths],
          attributes: { time_axis: { int: 0 }, batch_axis: { int: 1 } },
        }),
    ));
});

describe("parts and wholes", () => {
  test("Concat of any number of parts on any axis", () =>
    property(
      fc.tuple(shapeAndAxis, fc.array(size, { minLength: 1, maxLength: 3 })),
      async ([[dims, axis], sizes], input) => {
        const at = axis < 0 ? axis + dims.length : axis;
        const inputs = sizes.map((n) => input(dims.map((d, k) => (k === at ? n : d))));
        await check("Concat", inputs, { attributes: { axis: { int: axis } } });
      },
    ));

  test("Split into given or equal parts, some of them unused", () =>
    property(
      fc.tuple(shapeAndAxis, fc.array(size, { minLength: 2, maxLength: 3 }), flag),
      async ([[dims, axis], sizes, all], input) => {
        const at = axis < 0 ? axis + dims.length : axis;
        const count = sizes.length;
        const used = all ? sizes.map((_, i) => i) : [count - 1];
        const sum = sizes.reduce((total, n) => total + n, 0);
        const whole = input(dims.map((d, k) => (k === at ? sum : d)));
        const attributes = { axis: { int: axis } };
        await check("Split", [whole], { integers: [sizes], attributes, outputs: count, used });
        const equal = { ...attributes, num_outputs: { int: 2 } };
        await check("Split", [whole], { attributes: equal, outputs: 2, used: all ? [0, 1] : [0] });
      },
    ));

  test("Slice: negative and far places, steps both ways, int32 and int64", () => {
    const place = fc.constantFrom(-9, -3, -2, -1, 0, 1, 2, 3, 2 ** 31 - 1);
    const one = fc.tuple(place, place, fc.constantFrom(1, 1, 2, -1, -2));
    return property(
      fc.tuple(shapeAndAxes, fc.array(one, { minLength: 3, maxLength: 3 }), flag),
      async ([[dims, axes], parts, narrow], input) => {
        const given = axes.map((_, i) => parts[i] as [number, number, number]);
        const [starts, ends, steps] = [0, 1, 2].map((k) => given.map((part) => part[k] as number));
        await check("Slice", [input(dims)], { integers: [starts, ends, axes, steps], narrow });
      },
      60,
    );
  });

  test("Slice to the largest and the smallest integer", async () => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [3, 4] });
    const far = [2n ** 63n - 1n, -(2n ** 63n)].map((end, i) =>
      graph.constant(`end${i}`, { type: "int64", shape: [1], data: BigInt64Array.of(end) }),
    );
    const cut = (start: number, end: string | undefined, axis: number, step: number): string =>
      graph.emit("Slice", [
        "x",
        graph.ints([start]),
        end as string,
        graph.ints([axis]),
        graph.ints([step]),
      ]);
    const outputs = [cut(1, far[0], 0, 1), cut(-1, far[1], 1, -1), cut(2, far[0], 1, -1)];
    const { values } = uniform(createRandom(1), [3, 4]);
    const x = { type: "float32" as const, shape: [3, 4], data: values };
    const actual = await runtimeOutputs(graph.build("forward", outputs), { x });
    expect(actual.map((value) => value.shape)).toEqual(outputs.map((name) => graph.shapeOf(name)));
    expect(actual.map((value) => value.shape.join())).toEqual(["2,4", "3,4", "3,3"]);
  });

  test("Slice without axes and steps", () =>
    property(shape, async (dims, input) => {
      await check("Slice", [input(dims)], { integers: [dims.map(() => 0), dims.map(() => -1)] });
    }));

  test("Trilu keeps either triangle, shifted", () =>
    property(
      fc.tuple(size, size, size, fc.integer({ min: -3, max: 3 }), fc.constantFrom(0, 1)),
      async ([n, h, w, k, upper], input) => {
        const attributes = { upper: { int: upper } };
        covered.add("Trilu");
        await expectGradients(engine, [input([n, h, w])], (graph, names) => {
          const shift = graph.constant("k", {
            type: "int64",
            shape: [],
            data: BigInt64Array.of(BigInt(k)),
          });
          return graph.emit("Trilu", [...names, shift], attributes);
        });
        await check("Trilu", [input([h, w])], { attributes });
      },
    ));
});

describe("copies", () => {
  test("Expand", () =>
    property(
      fc.tuple(shape, fc.array(flag, { minLength: 3, maxLength: 3 }), size),
      async ([dims, thin, lead], input) => {
        const from = dims.map((n, axis) => (thin[axis] ? 1 : n));
        await check("Expand", [input(from)], { integers: [dims] });
        await check("Expand", [input(from)], { integers: [[lead, ...dims]] });
        await check("Expand", [input(from)], { integers: [[1]] });
      },
    ));

  test("Tile", () =>
    property(
      fc.tuple(shape, fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 })),
      ([dims, repeats], input) =>
        check("Tile", [input(dims)], { integers: [repeats.slice(0, dims.length)] }),
    ));

  const pads = (low: number, high: number) =>
    fc.array(fc.integer({ min: low, max: high }), { minLength: 6, maxLength: 6 });

  test("Pad with a constant, that may be trained; negative pads cut off", () =>
    property(
      fc.tuple(shapeAndAxes, pads(-2, 2), flag),
      async ([[dims, axes], all, trained], input) => {
        const large = dims.map((n) => n + 4);
        const amounts = all.slice(0, 2 * axes.length);
        if (trained) {
          const graph = (other: GraphBuilder, names: readonly string[]) =>
            other.emit("Pad", [
              names[0] as string,
              other.ints(amounts),
              names[1] as string,
              other.ints(axes),
            ]);
          await expectGradients(engine, [input(large), input([])], graph);
        } else await check("Pad", [input(large)], { integers: [amounts, undefined, axes] });
        const everywhere = all.slice(0, 2 * dims.length);
        await check("Pad", [input(large)], { integers: [everywhere] });
      },
      20,
    ));

  test.each(["reflect", "edge", "wrap"])("Pad in mode %s", (mode) =>
    property(fc.tuple(shapeAndAxes, pads(0, 3)), ([[dims, axes], all], input) =>
      check("Pad", [input(dims.map((n) => n + 3))], {
        integers: [all.slice(0, 2 * axes.length), undefined, axes],
        attributes: { mode: { string: mode } },
      }),
    ),
  );
});

describe("element types", () => {
  test("Cast to float64 and back keeps the gradient", () =>
    property(shape, async (dims, input) => {
      covered.add("Cast");
      await expectGradients(engine, [input(dims)], (graph, [x = ""]) => {
        const wide = graph.emit("Cast", [x], { to: { int: ELEMENT_TYPES.float64 } });
        return graph.emit("Cast", [wide], { to: { int: ELEMENT_TYPES.float32 } });
      });
      await check("Cast", [input(dims)], { attributes: { to: { int: ELEMENT_TYPES.float32 } } });
    }));

  test("Cast to an integer stops the gradient", () => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [3] });
    const whole = graph.emit("Cast", ["x"], { to: { int: ELEMENT_TYPES.int32 } });
    const back = graph.emit("Cast", [whole], { to: { int: ELEMENT_TYPES.float32 } });
    const both = graph.emit("Mul", [back, "x"]);
    const loss = graph.emit("ReduceSum", [both], { keepdims: { int: 0 } });
    const before = graph.nodes.length;
    expect(graph.shapeOf(differentiate(graph, loss, ["x"]).get("x") as string)).toEqual([3]);
    const added = graph.nodes.slice(before).map(({ operator }) => operator);
    expect(added).not.toContain("Cast");
  });
});

test("CastLike is a Cast to a type that is known, or nothing", () => {
  const graph = new GraphBuilder();
  graph.input("x", { type: "int64", shape: [2] });
  graph.input("like", { type: "float32", shape: [] });
  const made = lower(graph, "CastLike", ["x", "like"]);
  expect(graph.typeOf(made)).toEqual({ type: "float32", shape: [2] });
  expect(graph.nodes.map(({ operator }) => operator)).toEqual(["Cast"]);
  expect(lower(graph, "CastLike", ["like", made])).toBe("like");
});

describe("what does not fit is refused by name", () => {
  const one = (dims: readonly number[]): GraphBuilder => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: dims });
    graph.input("n", { type: "int64", shape: [2] });
    return graph;
  };
  test.each<[string, (graph: GraphBuilder) => void, string]>([
    [
      "Reshape",
      (g) => g.emit("Reshape", ["x", g.ints([4, -1])], {}, "here"),
      "node here (Reshape): cannot reshape to [4,-1]; inputs: float32[2,3], int64[2]",
    ],
    [
      "Reshape twice open",
      (g) => g.emit("Reshape", ["x", g.ints([-1, -1])], {}, "here"),
      "cannot reshape to [-1,-1]",
    ],
    [
      "Reshape by a fed shape",
      (g) => g.emit("Reshape", ["x", "n"], {}, "here"),
      "node here (Reshape): input 1 (n) must be a constant, but is computed from what the model is fed; inputs: float32[2,3], int64[2] (export the model with static shapes",
    ],
    [
      "Squeeze",
      (g) => g.emit("Squeeze", ["x", g.ints([1])], {}, "here"),
      "node here (Squeeze): axis 1 is not of size 1",
    ],
    [
      "Unsqueeze",
      (g) => g.emit("Unsqueeze", ["x", g.ints([5])], {}, "here"),
      "[5] are not axes of rank 3",
    ],
    [
      "Concat",
      (g) => g.emit("Concat", ["x", "n"], { axis: { int: 0 } }, "here"),
      "input 1 does not join the first on axis 0; inputs: float32[2,3], int64[2]",
    ],
    [
      "Split",
      (g) => g.emitAll("Split", ["x", g.ints([1, 2])], {}, { outputs: 2 }),
      "axis 0 of 2 cannot be split into [1,2] for 2 outputs",
    ],
    [
      "Slice",
      (g) => g.emit("Slice", ["x", g.ints([0]), g.ints([1]), g.ints([2])]),
      "[2] are not axes of rank 2",
    ],
    [
      "Pad",
      (g) => g.emit("Pad", ["x", g.ints([0, 0, 0, 3])], { mode: { string: "reflect" } }),
      "cannot pad axis 1 by 0 and 3",
    ],
    ["Tile", (g) => g.emit("Tile", ["x", g.ints([2])]), "cannot repeat by [2]"],
  ])("%s", (_, add, message) => {
    const graph = one([2, 3]);
    expect(() => add(graph)).toThrow(message);
  });
});
