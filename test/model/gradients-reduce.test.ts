/** Reductions, running sums and the k best: gradients against central differences. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, type Random } from "../../src/core/random.ts";
import { reduceGradients } from "../../src/model/onnx/gradient/reduce.ts";
import type { Attributes } from "../../src/model/onnx/graph.ts";
import { bit, family, runs, seed, shape, size, tensor } from "./gradient-check.ts";
import { apart, type NumericInput, uniform } from "./numeric.ts";

const { check, checkGraph, gradients } = family(reduceGradients, ["ArgMax", "ArgMin"]);

/** A shape and some of its axes, counted from either end; none means all. */
const reduced = shape.chain((dims) =>
  fc.tuple(fc.subarray(dims.map((_, i) => i)), bit).map(([axes, negative]) => ({
    dims,
    axes: negative ? axes.map((at) => at - dims.length) : axes,
  })),
);

const positive = (random: Random, dims: readonly number[]): NumericInput =>
  uniform(random, dims, 0.5, 1.5);

describe("reductions over any axes, all or none, kept or not", () => {
  test.each<[string, (random: Random, dims: readonly number[]) => NumericInput]>([
    ["ReduceL1", apart],
    ["ReduceL2", positive],
    ["ReduceLogSum", positive],
    ["ReduceLogSumExp", uniform],
    ["ReduceMax", apart],
    ["ReduceMean", uniform],
    ["ReduceMin", apart],
    ["ReduceProd", positive],
    ["ReduceSum", uniform],
    ["ReduceSumSquare", uniform],
  ])("%s", (operator, draw) =>
    fc.assert(
      fc.asyncProperty(reduced, bit, bit, seed, async ({ dims, axes }, keepdims, noop, from) => {
        const input = draw(createRandom(from), dims);
        const attributes: Attributes = {
          keepdims: { int: keepdims },
          noop_with_empty_axes: { int: noop },
        };
        await check(operator, [input], attributes, [axes]);
        await check(operator, [input], attributes);
      }),
      runs,
    ),
  );
});

describe("where a derivative is a matter of convention", () => {
  const rows = (operator: string, values: readonly number[]) =>
    gradients([tensor([values.length / 3, 3], values)], (g, [x = ""]) =>
      g.emit(operator, [x, g.ints([1])]),
    );

  test("elements that tie share the gradient equally, as in PyTorch's amax", async () => {
    expect(await rows("ReduceMax", [1, 3, 3, 2, 2, 2])).toEqual([
      [0, 0.5, 0.5, ...[1, 1, 1].map((v) => expect.closeTo(v / 3))],
    ]);
    expect(await rows("ReduceMin", [1, 1, 3])).toEqual([[0.5, 0.5, 0]]);
  });

  test("a product with no, one or two zeros", async () => {
    expect(await rows("ReduceProd", [2, -3, 4, 2, 0, 4, 0, 0, 4])).toEqual([
      [-12, 8, -6, 0, 8, 0, 0, 0, 0].map((v) => expect.closeTo(v)),
    ]);
  });

  test("a norm of 0 has the gradient 0", async () => {
    expect(await rows("ReduceL2", [0, 0, 0, 3, 0, 4])).toEqual([
      [0, 0, 0, 0.6, 0, 0.8].map((v) => expect.closeTo(v)),
    ]);
    expect(await rows("ReduceL1", [0, -1, 1])).toEqual([[0, -1, 1]]);
  });

  test("ReduceLogSumExp of up to 100 stays finite", async () => {
    expect(await rows("ReduceLogSumExp", [100, 100, -100, -100, -100, -100])).toEqual([
      [0.5, 0.5, 0, ...[1, 1, 1].map((v) => expect.closeTo(v / 3, 4))].map((v) =>
        typeof v === "number" ? expect.closeTo(v, 4) : v,
      ),
    ]);
  });
});

test("CumSum: either direction, with or without the element itself", () =>
  fc.assert(
    fc.asyncProperty(
      fc.tuple(size, size, size),
      fc.integer({ min: -3, max: 2 }),
      fc.tuple(bit, bit),
      seed,
      (dims, axis, [exclusive, reverse], from) =>
        checkGraph("CumSum", [uniform(createRandom(from), dims)], (g, [x = ""]) => {
          const data = BigInt64Array.of(BigInt(axis));
          const at = g.constant("axis", { type: "int64", shape: [], data });
          return g.emit("CumSum", [x, at], {
            exclusive: { int: exclusive },
            reverse: { int: reverse },
          });
        }),
    ),
    runs,
  ));

test("TopK: largest or smallest along any axis", () =>
  fc.assert(
    fc.asyncProperty(
      fc.tuple(size, size, size),
      fc.integer({ min: -3, max: 2 }),
      bit,
      seed,
      (dims, axis, largest, from) => {
        const k = Math.ceil((dims.at(axis) as number) / 2);
        return checkGraph("TopK", [apart(createRandom(from), dims)], (g, [x = ""]) => {
          const attributes: Attributes = { axis: { int: axis }, largest: { int: largest } };
          return g.emitAll("TopK", [x, g.ints([k])], attributes, { outputs: 2 })[0] as string;
        });
      },
    ),
    runs,
  ));

test("an axis that is not there and a k too large are refused", async () => {
  const x = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
  await expect(check("ReduceSum", [x], {}, [[2]])).rejects.toThrow(
    "(ReduceSum): there is no axis 2",
  );
  await expect(check("ReduceSum", [x], {}, [[-3]])).rejects.toThrow("there is no axis -3");
  await expect(check("TopK", [x], {}, [[4]])).rejects.toThrow("k is 4, the axis has 3");
});
