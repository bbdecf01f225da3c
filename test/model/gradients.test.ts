/** Every operator rule against central differences of its own forward graph, over random shapes. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GRADIENT_RULES } from "../../src/model/onnx/gradient/table.ts";
import type { Attributes } from "../../src/model/onnx/graph.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { apart, expectGradients, type NumericInput, uniform } from "./numeric.ts";

let engine: Engine;
const covered = new Set<string>();

beforeAll(async () => {
  engine = await createRuntime().engine();
});
afterAll(() => {
  expect([...covered].sort()).toEqual(Object.keys(GRADIENT_RULES).sort());
});

const check = (
  operator: string,
  inputs: readonly NumericInput[],
  attributes: Attributes = {},
  constants: readonly (readonly number[])[] = [],
): Promise<void> => {
  covered.add(operator);
  return expectGradients(engine, inputs, (graph, names) =>
    graph.emit(operator, [...names, ...constants.map((values) => graph.ints(values))], attributes),
  );
};

const runs = { numRuns: 12, seed: 1 };
const size = fc.integer({ min: 1, max: 4 });
const bit = fc.constantFrom(0, 1);
const seed = fc.integer();

/** Two shapes that broadcast to one: some axes of each are 1, leading axes of one are left out. */
const pair = fc
  .tuple(
    fc.array(fc.tuple(size, fc.integer({ min: 0, max: 2 })), { minLength: 1, maxLength: 3 }),
    bit,
  )
  .map(([axes, short]) => {
    const a = axes.map(([n, mode]) => (mode === 1 ? 1 : n));
    const b = axes.map(([n, mode]) => (mode === 2 ? 1 : n));
    return [a, short ? b.slice(1) : b] as const;
  });
const shape = fc.array(size, { minLength: 1, maxLength: 3 });

describe("elementwise", () => {
  test.each(["Add", "Sub", "Mul"])("%s broadcasts", (operator) =>
    fc.assert(
      fc.asyncProperty(pair, seed, bit, async ([a, b], from, swap) => {
        const random = createRandom(from);
        const inputs = [uniform(random, a), uniform(random, b)];
        await check(operator, swap ? inputs.reverse() : inputs);
      }),
      runs,
    ),
  );

  test("Div broadcasts", () =>
    fc.assert(
      fc.asyncProperty(pair, seed, async ([a, b], from) => {
        const random = createRandom(from);
        await check("Div", [uniform(random, a), uniform(random, b, 1, 2)]);
      }),
      runs,
    ));

  test.each(["Neg", "Exp", "Identity"])("%s", (operator) =>
    fc.assert(
      fc.asyncProperty(shape, seed, (dims, from) =>
        check(operator, [uniform(createRandom(from), dims)]),
      ),
      runs,
    ),
  );

  test.each(["Log", "Sqrt"])("%s of positive values", (operator) =>
    fc.assert(
      fc.asyncProperty(shape, seed, (dims, from) =>
        check(operator, [uniform(createRandom(from), dims, 0.5, 2)]),
      ),
      runs,
    ),
  );

  test.each(["Relu", "Abs"])("%s away from its kink", (operator) =>
    fc.assert(
      fc.asyncProperty(shape, seed, (dims, from) =>
        check(operator, [apart(createRandom(from), dims)]),
      ),
      runs,
    ),
  );
});

describe("matrix products", () => {
  test("Gemm: both transpositions, scales, addends of every broadcast shape", () =>
    fc.assert(
      fc.asyncProperty(
        fc.tuple(size, size, size),
        fc.tuple(bit, bit, fc.integer({ min: 0, max: 4 })),
        fc.tuple(fc.constantFrom(1, 0.5), fc.constantFrom(1, -2)),
        seed,
        async ([m, n, k], [transA, transB, addend], [alpha, beta], from) => {
          const random = createRandom(from);
          const inputs = [
            uniform(random, transA ? [k, m] : [m, k]),
            uniform(random, transB ? [n, k] : [k, n]),
          ];
          const c = [undefined, [n], [m, n], [1, n], [m, 1]][addend];
          if (c) inputs.push(uniform(random, c));
          await check("Gemm", inputs, {
            transA: { int: transA },
            transB: { int: transB },
            alpha: { float: alpha },
            beta: { float: beta },
          });
        },
      ),
      { ...runs, numRuns: 30 },
    ));

  test("MatMul: batch axes broadcast", () =>
    fc.assert(
      fc.asyncProperty(fc.tuple(size, size, size), pair, seed, async ([m, n, k], [a, b], from) => {
        const random = createRandom(from);
        await check("MatMul", [uniform(random, [...a, m, k]), uniform(random, [...b, k, n])]);
      }),
      runs,
    ));
});

/** One spatial axis: input size, kernel, stride, dilation, pads. Kernel always fits. */
const axis = fc
  .record({
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    begin: fc.integer({ min: 0, max: 2 }),
    end: fc.integer({ min: 0, max: 2 }),
    extra: fc.integer({ min: 0, max: 3 }),
  })
  .map((at) => ({ ...at, size: at.dilation * (at.kernel - 1) + 1 + at.extra }));
type Axis = typeof axis extends fc.Arbitrary<infer T> ? T : never;

const windowAttributes = (axes: readonly Axis[]): Attributes => ({
  kernel_shape: { ints: axes.map((at) => at.kernel) },
  strides: { ints: axes.map((at) => at.stride) },
  dilations: { ints: axes.map((at) => at.dilation) },
  pads: { ints: [...axes.map((at) => at.begin), ...axes.map((at) => at.end)] },
});

describe("convolution", () => {
  const channels = fc.integer({ min: 1, max: 2 });
  test.each([1, 2])("Conv over %i axes: strides, dilations, uneven pads", (rank) =>
    fc.assert(
      fc.asyncProperty(
        fc.array(axis, { minLength: rank, maxLength: rank }),
        fc.tuple(channels, channels, channels, bit),
        seed,
        async (axes, [batch, inputs, filters, biased], from) => {
          const random = createRandom(from);
          const x = uniform(random, [batch, inputs, ...axes.map((at) => at.size)]);
          const w = uniform(random, [filters, inputs, ...axes.map((at) => at.kernel)]);
          const all = biased ? [x, w, uniform(random, [filters])] : [x, w];
          await check("Conv", all, windowAttributes(axes));
        },
      ),
      { ...runs, numRuns: 25 },
    ),
  );

  test("groups are refused by name", async () => {
    const random = createRandom(1);
    await expect(
      check("Conv", [uniform(random, [1, 2, 3]), uniform(random, [2, 1, 1])], {
        group: { int: 2 },
      }),
    ).rejects.toThrow(/node Conv_0 \(Conv\): groups/);
  });
});

describe("pools", () => {
  test.each([
    ["apart", (at: Axis) => ({ ...at, stride: at.kernel, dilation: 1, begin: 0, end: 0 })],
    [
      "overlapping, padded, dilated",
      (at: Axis) => ({ ...at, begin: 0, end: at.kernel > 1 ? 1 : 0 }),
    ],
  ] as const)("MaxPool with windows %s", (_, adapt) =>
    fc.assert(
      fc.asyncProperty(
        fc.array(axis.map(adapt), { minLength: 2, maxLength: 2 }),
        fc.tuple(size, size),
        seed,
        async (axes, [batch, channels], from) => {
          const x = apart(createRandom(from), [batch, channels, ...axes.map((at) => at.size)]);
          await check("MaxPool", [x], windowAttributes(axes));
        },
      ),
      runs,
    ),
  );
});

describe("reductions", () => {
  test.each(["ReduceSum", "ReduceMean", "ReduceSumSquare"])("%s over any axes", (operator) =>
    fc.assert(
      fc.asyncProperty(
        shape.chain((dims) =>
          fc.tuple(
            fc.constant(dims),
            fc.subarray(
              dims.map((_, i) => i),
              { minLength: 1 },
            ),
            bit,
          ),
        ),
        bit,
        seed,
        async ([dims, axes, negative], keepdims, from) => {
          const given = negative ? axes.map((at) => at - dims.length) : axes;
          const input = uniform(createRandom(from), dims);
          await check(operator, [input], { keepdims: { int: keepdims } }, [given]);
          await check(operator, [input], { keepdims: { int: keepdims } });
        },
      ),
      runs,
    ),
  );
});

describe("moving elements", () => {
  test("Reshape and Flatten", () =>
    fc.assert(
      fc.asyncProperty(fc.tuple(size, size, size), seed, async ([a, b, c], from) => {
        const input = uniform(createRandom(from), [a, b, c]);
        await check("Reshape", [input], {}, [[b, -1]]);
        await check("Reshape", [input], {}, [[0, c * b]]);
        await check("Flatten", [input], { axis: { int: 2 } });
      }),
      runs,
    ));

  test("Transpose", () =>
    fc.assert(
      fc.asyncProperty(
        fc.tuple(size, size, size),
        fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
        seed,
        async (dims, perm, from) => {
          await check("Transpose", [uniform(createRandom(from), dims)], { perm: { ints: perm } });
          await check("Transpose", [uniform(createRandom(from), dims)]);
        },
      ),
      runs,
    ));

  test("Expand", () =>
    fc.assert(
      fc.asyncProperty(pair, seed, async ([a, b], from) => {
        await check("Expand", [uniform(createRandom(from), a)], {}, [b]);
      }),
      runs,
    ));
});

describe("losses", () => {
  test.each(["LogSoftmax", "Softmax"])("%s over any axis", (operator) =>
    fc.assert(
      fc.asyncProperty(
        shape.chain((dims) =>
          fc.tuple(fc.constant(dims), fc.integer({ min: -dims.length, max: dims.length - 1 })),
        ),
        seed,
        async ([dims, at], from) => {
          await check(operator, [uniform(createRandom(from), dims)], { axis: { int: at } });
        },
      ),
      runs,
    ),
  );
});
