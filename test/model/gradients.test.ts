/** Rules of windows and of moving elements against central differences, over random shapes. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import type { Attributes } from "../../src/model/onnx/graph.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { apart, expectGradients, type NumericInput, uniform } from "./numeric.ts";

let engine: Engine;

beforeAll(async () => {
  engine = await createRuntime().engine();
});

const check = (
  operator: string,
  inputs: readonly NumericInput[],
  attributes: Attributes = {},
  constants: readonly (readonly number[])[] = [],
): Promise<void> =>
  expectGradients(engine, inputs, (graph, names) =>
    graph.emit(operator, [...names, ...constants.map((values) => graph.ints(values))], attributes),
  );

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
