/** Every fold against ONNX Runtime, which runs the same node on the same inputs, bit for bit. */
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createRandom, type Random } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { FOLD_LIMIT } from "../../src/model/onnx/fold/rule.ts";
import { FOLDS } from "../../src/model/onnx/fold/table.ts";
import { type Attributes, ELEMENT_TYPES, type ElementType } from "../../src/model/onnx/graph.ts";
import { SHAPE_RULES } from "../../src/model/onnx/shape/table.ts";
import { executed, folded, ints, plain, some, tensor } from "./folded.ts";
import type { TensorValue } from "./runtime-outputs.ts";

const covered = new Set<string>();
afterAll(() => {
  expect([...covered].sort()).toEqual(Object.keys(FOLDS).sort());
});

/** Equal to ONNX Runtime's result in type, shape and every bit. Answers whether it folds at all. */
async function agrees(
  operator: string,
  inputs: readonly (TensorValue | undefined)[],
  attributes: Attributes = {},
  outputs = 1,
): Promise<boolean> {
  const ours = folded(operator, inputs, attributes, outputs);
  if (!ours) return false;
  covered.add(operator);
  const theirs = await executed(operator, inputs, attributes, ours);
  expect(ours.map(plain)).toEqual(theirs.map(plain));
  return true;
}

async function check(...node: Parameters<typeof agrees>): Promise<void> {
  expect(await agrees(...node), `${node[0]} folds`).toBe(true);
}

const size = fc.integer({ min: 1, max: 4 });
const shape = fc.array(size, { maxLength: 3 });
const ranked = fc.array(size, { minLength: 1, maxLength: 3 });
const number = fc.constantFrom<ElementType>("float32", "float64", "int32", "int64");
const float = fc.constantFrom<ElementType>("float32", "float64");
const any = fc.constantFrom<ElementType>("float32", "float64", "int32", "int64", "bool");
const flag = fc.boolean();
const dimsAndAxis = ranked.chain((dims) =>
  fc.tuple(fc.constant(dims), fc.integer({ min: -dims.length, max: dims.length - 1 })),
);
/** Two shapes that broadcast to one. */
const pair = fc
  .tuple(fc.array(fc.tuple(size, fc.constantFrom(0, 1, 2)), { maxLength: 3 }), flag)
  .map(([axes, short]) => {
    const a = axes.map(([n, thin]) => (thin === 1 ? 1 : n));
    const b = axes.map(([n, thin]) => (thin === 2 ? 1 : n));
    return [a, short ? b.slice(1) : b] as const;
  });

const property = <T>(
  arbitrary: fc.Arbitrary<T>,
  body: (value: T, random: Random) => Promise<unknown>,
  numRuns = 15,
) =>
  fc.assert(
    fc.asyncProperty(arbitrary, fc.integer(), async (value, from) => {
      await body(value, createRandom(from));
    }),
    { numRuns, seed: 1 },
  );

describe("arithmetic", () => {
  test.each(["Add", "Sub", "Mul", "Div", "Min", "Max"])("%s of broadcast numbers", (operator) =>
    property(fc.tuple(pair, number), ([[a, b], type], random) =>
      check(operator, [some(random, type, a), some(random, type, b, 1, 4)]),
    ),
  );

  test.each(["Add", "Sub", "Mul"])("%s wraps integers", async (operator) => {
    const wide = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 62n + 12345n, -7n];
    const long = { type: "int64", shape: [4], data: BigInt64Array.from(wide) } as const;
    const other = { ...long, data: BigInt64Array.from([...wide].reverse()) };
    await check(operator, [long, other]);
    const short = tensor("int32", [3], [2 ** 31 - 1, -(2 ** 31), 123456789]);
    await check(operator, [short, tensor("int32", [3], [2 ** 31 - 1, 3, 987654321])]);
  });

  test.each(["Min", "Max"])("%s of one and of three", (operator) =>
    property(fc.tuple(pair, number), async ([[a, b], type], random) => {
      await check(operator, [some(random, type, a)]);
      await check(operator, [some(random, type, a), some(random, type, b), some(random, type, [])]);
    }),
  );

  test("Div of integers truncates, and is refused for zero by name", async () => {
    await check("Div", [ints(7, -7, 7, -7), ints(2, 2, -2, -2)]);
    expect(() => folded("Div", [ints(1), ints(0)])).toThrow("integers are divided by zero");
    expect(() => folded("Mod", [ints(1), ints(0)])).toThrow("integers are divided by zero");
    await check("Div", [tensor("float32", [2], [1, -1]), tensor("float32", [], [0])]);
  });

  test("Mod with the divisor's sign or the dividend's", async () => {
    for (const fmod of [0, 1])
      for (const type of ["int32", "int64"] as const)
        await check("Mod", [tensor(type, [4], [7, -7, 7, -7]), tensor(type, [4], [3, 3, -3, -3])], {
          fmod: { int: fmod },
        });
    const floats = [tensor("float32", [2], [5.3, -5.3]), tensor("float32", [], [2.1])];
    await check("Mod", floats, { fmod: { int: 1 } });
  });

  test.each(["Neg", "Abs"])("%s", (operator) =>
    property(fc.tuple(shape, number), ([dims, type], random) =>
      check(operator, [some(random, type, dims)]),
    ),
  );

  test.each(["Floor", "Ceil", "Round", "Reciprocal", "Sqrt"])("%s of floats", (operator) =>
    property(fc.tuple(shape, float), ([dims, type], random) =>
      check(operator, [some(random, type, dims, operator === "Sqrt" ? 0 : -4)]),
    ),
  );

  test("Round takes halves to the even neighbour", () =>
    check("Round", [tensor("float32", [8], [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, 3])]));

  test("Pow where it is exact", async () => {
    await property(fc.tuple(pair, number), ([[a, b], type], random) => {
      const whole = some(random, "int64", a);
      const base = tensor(type, a, Array.from(whole.data as BigInt64Array, Number));
      return agrees("Pow", [base, some(random, "int64", b, 0, 3)]);
    });
    await check("Pow", [tensor("float32", [2], [49, 64]), tensor("float32", [], [0.5])]);
    await check("Pow", [tensor("float32", [2], [2, 4]), tensor("float32", [], [-2])]);
    expect(
      folded("Pow", [tensor("float32", [], [2]), tensor("float32", [], [0.5])]),
    ).toBeUndefined();
    expect(folded("Pow", [ints(10), ints(30)])).toBeUndefined();
  });
});

describe("comparisons and logic", () => {
  test.each(["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"])("%s", (operator) =>
    property(fc.tuple(pair, number), ([[a, b], type], random) => {
      const whole = (dims: readonly number[]): TensorValue => {
        const { data } = some(random, "int64", dims, -1, 1);
        return tensor(type, dims, Array.from(data as BigInt64Array, Number));
      };
      return check(operator, [whole(a), whole(b)]);
    }),
  );

  test.each(["And", "Or", "Xor", "Equal"])("%s of truths", (operator) =>
    property(pair, ([a, b], random) =>
      check(operator, [some(random, "bool", a), some(random, "bool", b)]),
    ),
  );

  test("Not", () => property(shape, (dims, random) => check("Not", [some(random, "bool", dims)])));

  test("Where", () =>
    property(fc.tuple(pair, number, flag), ([[a, b], type, swap], random) => {
      const [yes, no] = swap ? [a, b] : [b, a];
      return check("Where", [
        some(random, "bool", a),
        some(random, type, yes),
        some(random, type, no),
      ]);
    }));

  test("NaN is less than nothing and equal to nothing", async () => {
    const odd = tensor("float32", [3], [Number.NaN, 0, -0]);
    for (const operator of ["Equal", "Less", "GreaterOrEqual"])
      await check(operator, [odd, tensor("float32", [], [0])]);
  });
});

describe("Cast", () => {
  const types = fc.constantFrom<ElementType>(
    ...(["float32", "float64", "int32", "int64", "bool", "uint8", "int8"] as const),
  );
  test("between all types", () =>
    property(
      fc.tuple(shape, types, types),
      ([dims, from, to], random) =>
        check("Cast", [some(random, from, dims, to === "uint8" ? 0 : -9, 9)], {
          to: { int: ELEMENT_TYPES[to] },
        }),
      60,
    ));

  test("integers wrap, floats out of range are left alone", async () => {
    const wide = ints(2 ** 40 + 5, -1, 300, -129);
    for (const to of ["int32", "uint8", "int8", "bool", "float32"] as const)
      await check("Cast", [wide], { to: { int: ELEMENT_TYPES[to] } });
    const beyond = [tensor("float32", [1], [3e9]), tensor("float32", [1], [Number.NaN])];
    for (const value of beyond)
      expect(folded("Cast", [value], { to: { int: ELEMENT_TYPES.int32 } })).toBeUndefined();
  });
});

describe("moving", () => {
  test("Reshape, Flatten, Squeeze, Unsqueeze, Identity", () =>
    property(fc.tuple(dimsAndAxis, any), async ([[dims, axis], type], random) => {
      const x = some(random, type, dims);
      await check("Reshape", [x, ints(-1, 1)]);
      await check("Flatten", [x], { axis: { int: axis } });
      await check("Unsqueeze", [x, ints(0, -1)]);
      await check("Squeeze", [x]);
      await check("Identity", [x]);
    }));

  test("Transpose", () =>
    property(
      fc.tuple(fc.tuple(size, size, size), fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), any),
      async ([dims, perm, type], random) => {
        await check("Transpose", [some(random, type, dims)], { perm: { ints: perm } });
        await check("Transpose", [some(random, type, dims)]);
      },
    ));

  test("Expand and Tile", () =>
    property(fc.tuple(pair, any), async ([[a, b], type], random) => {
      await check("Expand", [some(random, type, a), ints(...b)]);
      await check("Tile", [some(random, type, a), ints(...a.map((_, i) => (i * 2) % 3))]);
    }));

  test("Slice", () => {
    const part = fc.tuple(
      fc.integer({ min: -5, max: 5 }),
      fc.integer({ min: -6, max: 6 }),
      fc.constantFrom(1, 2, -1, -3),
    );
    return property(
      fc.tuple(fc.array(fc.tuple(size, part), { minLength: 1, maxLength: 3 }), any, flag),
      ([axes, type, narrow], random) => {
        const of = (values: readonly number[]): TensorValue =>
          tensor(narrow ? "int32" : "int64", [values.length], values);
        const parts = axes.map(([, each]) => each);
        return check("Slice", [
          some(
            random,
            type,
            axes.map(([n]) => n),
          ),
          of(parts.map(([start]) => start)),
          of(parts.map(([, end]) => end)),
          of(parts.map((_, i) => i)),
          of(parts.map(([, , step]) => step)),
        ]);
      },
      40,
    );
  });

  test("Concat and Split", () =>
    property(
      fc.tuple(dimsAndAxis, fc.array(size, { minLength: 2, maxLength: 3 }), any),
      async ([[dims, axis], sizes, type], random) => {
        const sized = (n: number) => dims.with(axis, n);
        const attributes = { axis: { int: axis } };
        await check(
          "Concat",
          sizes.map((n) => some(random, type, sized(n))),
          attributes,
        );
        const whole = some(random, type, sized(sizes.reduce((sum, n) => sum + n, 0)));
        await check("Split", [whole, ints(...sizes)], attributes, sizes.length);
      },
    ));

  test("Trilu", () =>
    property(
      fc.tuple(
        fc.tuple(size, size, size),
        fc.integer({ min: -3, max: 3 }),
        fc.constantFrom(0, 1),
        fc.constantFrom<ElementType>("float32", "float64", "int64", "bool"),
      ),
      async ([dims, shift, upper, type], random) => {
        const attributes = { upper: { int: upper } };
        await check("Trilu", [some(random, type, dims), tensor("int64", [], [shift])], attributes);
        await check("Trilu", [some(random, type, dims)]);
      },
    ));
});

describe("indexing", () => {
  /** Indices below `n`, some from the end. */
  const places = (random: Random, narrow: boolean, dims: readonly number[], n: number) =>
    some(random, narrow ? "int32" : "int64", dims, -n, n - 1);

  test("Gather", () =>
    property(fc.tuple(dimsAndAxis, shape, any, flag), ([[dims, axis], of, type, narrow], random) =>
      check("Gather", [some(random, type, dims), places(random, narrow, of, dims.at(axis) ?? 1)], {
        axis: { int: axis },
      }),
    ));

  test("GatherElements and ScatterElements", () =>
    property(fc.tuple(dimsAndAxis, any, flag), async ([[dims, axis], type, narrow], random) => {
      const attributes = { axis: { int: axis } };
      const of = dims.with(axis, 1);
      const at = places(random, narrow, of, dims.at(axis) ?? 1);
      await check("GatherElements", [some(random, type, dims), at], attributes);
      const updates = some(random, type, of);
      await check("ScatterElements", [some(random, type, dims), at, updates], attributes);
    }));

  test("GatherND and ScatterND", () =>
    property(fc.tuple(size, size, size, any), async ([a, b, c, type], random) => {
      const x = some(random, type, [a, b, c]);
      const tuple = [0, 1].map((k) => places(random, false, [1], k === 0 ? a : b).data);
      const at = tensor(
        "int64",
        [1, 2],
        tuple.map((data) => Number(data[0])),
      );
      await check("GatherND", [x, at]);
      await check("ScatterND", [x, at, some(random, type, [1, c])]);
    }));

  test("OneHot", () =>
    property(fc.tuple(ranked, size, flag), ([dims, depth, last], random) =>
      check(
        "OneHot",
        [
          some(random, "int64", dims, -depth - 1, depth),
          tensor("int64", [1], [depth]),
          some(random, "float32", [2]),
        ],
        { axis: { int: last ? -1 : 0 } },
      ),
    ));

  test("NonZero", () =>
    property(
      fc.tuple(ranked, fc.constantFrom<ElementType>("bool", "int64")),
      ([dims, type], random) => check("NonZero", [some(random, type, dims, -1, 1)]),
    ));

  test("an index out of range is refused by name", () => {
    expect(() => folded("Gather", [ints(1, 2), ints(2)])).toThrow(
      "(Gather): index 2 is outside of an axis of 2",
    );
  });
});

describe("reductions", () => {
  test.each(["ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"])(
    "%s of whole numbers",
    (operator) =>
      property(
        fc.tuple(dimsAndAxis, number, fc.constantFrom(0, 1)),
        async ([[dims, axis], type, keep], random) => {
          const { data } = some(random, "int64", dims, -2, 3);
          const x = tensor(type, dims, Array.from(data as BigInt64Array, Number));
          const attributes = { keepdims: { int: keep } };
          await check(operator, [x, ints(axis)], attributes);
          await check(operator, [x], attributes);
          await check(operator, [x, ints()], { ...attributes, noop_with_empty_axes: { int: 1 } });
        },
      ),
  );

  test("sums that rounding would shake are left to ONNX Runtime", () => {
    expect(folded("ReduceSum", [tensor("float32", [2], [0.1, 0.2])])).toBeUndefined();
    expect(folded("ReduceMax", [tensor("float32", [2], [0.1, 0.2])])).toBeDefined();
  });
});

describe("made from nothing", () => {
  test("Range of every number type, up, down and empty", () =>
    property(
      fc.tuple(number, fc.integer({ min: -9, max: 9 }), fc.constantFrom(1, 3, -2)),
      async ([type, limit, delta]) => {
        const of = (value: number): TensorValue => tensor(type, [], [value]);
        await check("Range", [of(1), of(limit), of(delta)]);
      },
    ));

  test("Range of fractions adds up as ONNX Runtime does", async () => {
    const of = (value: number): TensorValue => tensor("float32", [], [value]);
    await check("Range", [of(0), of(30), of(0.1)]);
  });

  test("ConstantOfShape, EyeLike", () =>
    property(
      fc.tuple(shape, any, size, size, fc.integer({ min: -4, max: 4 })),
      async ([dims, type, a, b, k], random) => {
        const value = { tensor: { name: "", ...some(random, type, [1]) } };
        await check("ConstantOfShape", [ints(...dims)], { value });
        await check("ConstantOfShape", [ints(...dims)]);
        const x = some(random, "float32", [a, b]);
        await check("EyeLike", [x], { k: { int: k }, dtype: { int: ELEMENT_TYPES.int64 } });
        await check("EyeLike", [x]);
      },
    ));

  test("Constant in every form", async () => {
    const dense = { name: "", ...tensor("int32", [2, 1], [3, 4]) };
    await check("Constant", [], { value: { tensor: dense } });
    await check("Constant", [], { value_int: { int: -3 } });
    await check("Constant", [], { value_ints: { ints: [1, 2] } });
    await check("Constant", [], { value_float: { float: 0.1 } });
    await check("Constant", [], { value_floats: { floats: [0.1, 2] } });
    expect(() => folded("Constant", [], { value_string: { string: "a" } })).toThrow(
      '(Constant): a constant of the form "value_string" is not supported',
    );
  });

  test("Shape and Size of values that are not known, with start and end", () => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [2, 3, 4] });
    const read = (attributes: Attributes) =>
      graph.constantOf(graph.emit("Shape", ["x"], attributes))?.join();
    expect(read({})).toBe("2,3,4");
    expect(read({ start: { int: 1 } })).toBe("3,4");
    expect(read({ start: { int: -2 }, end: { int: -1 } })).toBe("3");
    expect(read({ start: { int: 2 }, end: { int: 1 } })).toBe("");
    expect(graph.constantOf(graph.emit("Size", ["x"]))).toEqual([24]);
  });

  test("Shape and Size as ONNX Runtime has them", () =>
    property(
      fc.tuple(shape, fc.integer({ min: -4, max: 4 }), fc.integer({ min: -4, max: 4 })),
      async ([dims, start, end], random) => {
        const x = some(random, "float32", dims);
        await check("Shape", [x], { start: { int: start }, end: { int: end } });
        await check("Size", [x]);
      },
    ));
});

describe("what is not folded", () => {
  test("results larger than the limit, without making them", () => {
    expect(folded("ConstantOfShape", [ints(FOLD_LIMIT + 1)])).toBeUndefined();
    expect(folded("ConstantOfShape", [ints(2 ** 40)])).toBeUndefined();
    expect(
      folded(
        "Range",
        [0, 2 ** 40, 1].map((n) => tensor("int64", [], [n])),
      ),
    ).toBeUndefined();
    expect(folded("ConstantOfShape", [ints(FOLD_LIMIT)])).toBeDefined();
  });

  test("a large Constant is an initializer", () => {
    const large = tensor("float32", [FOLD_LIMIT + 1], new Array(FOLD_LIMIT + 1).fill(0));
    expect(folded("Constant", [], { value: { tensor: { name: "", ...large } } })).toBeDefined();
  });

  test("every fold has a shape rule for when it cannot", () => {
    expect(Object.keys(FOLDS).filter((operator) => !(operator in SHAPE_RULES))).toEqual([]);
  });
});
