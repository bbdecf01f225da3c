/** Element-wise operators: gradients against central differences, conventions at kinks against PyTorch's. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { elementwiseGradients } from "../../src/model/onnx/gradient/elementwise.ts";
import { bit, family, pair, runs, seed, shape, tensor } from "./gradient-check.ts";
import { apart, type NumericInput, uniform } from "./numeric.ts";

const FLAT = [
  ...["And", "Ceil", "Equal", "Floor", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less"],
  ...["LessOrEqual", "Not", "Or", "Round", "Sign", "Xor"],
];
const { check, checkGraph, gradients } = family(elementwiseGradients, FLAT);

describe("one input", () => {
  test.each<[string, number, number]>([
    ["Acos", -0.8, 0.8],
    ["Acosh", 1.5, 4],
    ["Asin", -0.8, 0.8],
    ["Asinh", -2, 2],
    ["Atan", -2, 2],
    ["Atanh", -0.8, 0.8],
    ["Cos", -4, 4],
    ["Cosh", -2, 2],
    ["Erf", -2, 2],
    ["Exp", -2, 1],
    ["Identity", -1, 1],
    ["Log", 0.5, 2],
    ["Neg", -1, 1],
    ["Reciprocal", 0.7, 2],
    ["Sin", -4, 4],
    ["Sinh", -2, 2],
    ["Sqrt", 0.5, 2],
    ["Tan", -1, 1],
  ])("%s in [%f, %f]", (operator, low, high) =>
    fc.assert(
      fc.asyncProperty(shape, seed, (dims, from) =>
        check(operator, [uniform(createRandom(from), dims, low, high)]),
      ),
      runs,
    ),
  );

  test("Abs away from its kink, 0 at it", async () => {
    await fc.assert(
      fc.asyncProperty(shape, seed, (dims, from) =>
        check("Abs", [apart(createRandom(from), dims)]),
      ),
      runs,
    );
    const [slope] = await gradients([tensor([3], [-2, 0, 2])], (g, [x = ""]) => g.emit("Abs", [x]));
    expect(slope).toEqual([-1, 0, 1]);
  });

  test("Clip with either bound, both or none", () =>
    fc.assert(
      fc.asyncProperty(shape, bit, bit, seed, (dims, low, high, from) =>
        checkGraph("Clip", [apart(createRandom(from), dims)], (g, [x = ""]) =>
          g.emit("Clip", [x, low ? g.scalar(-0.5) : "", high ? g.scalar(0.4) : ""]),
        ),
      ),
      runs,
    ));

  test("Clip has no gradient at its bounds, trained bounds have it from beyond them", async () => {
    const [x, low, high] = await gradients(
      [tensor([5], [-2, -1, 0, 1, 2]), tensor([], [-1]), tensor([], [1])],
      (g, names) => g.emit("Clip", names),
    );
    expect([x, low, high]).toEqual([[0, 0, 1, 0, 0], [1], [1]]);
  });
});

describe("two inputs that broadcast", () => {
  const between = (
    operator: string,
    make: (
      random: ReturnType<typeof createRandom>,
      a: readonly number[],
      b: readonly number[],
    ) => NumericInput[],
  ) =>
    fc.assert(
      fc.asyncProperty(pair, seed, bit, async ([a, b], from, swap) => {
        await check(operator, make(createRandom(from), swap ? b : a, swap ? a : b));
      }),
      runs,
    );

  test.each(["Add", "Sub", "Mul"])("%s", (operator) =>
    between(operator, (random, a, b) => [uniform(random, a), uniform(random, b)]),
  );
  test("Div", () =>
    between("Div", (random, a, b) => [uniform(random, a), uniform(random, b, 1, 2)]));
  test("Pow, both trained", () =>
    between("Pow", (random, a, b) => [uniform(random, a, 0.5, 2), uniform(random, b, -2, 3)]));

  test.each([-2, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4])("Pow to the constant %f", (power) =>
    fc.assert(
      fc.asyncProperty(shape, seed, bit, (dims, from, wide) => {
        const low = Number.isInteger(power) && power >= 0 ? -2 : 0.7;
        return checkGraph("Pow", [uniform(createRandom(from), dims, low, 2)], (g, [x = ""]) =>
          g.emit("Pow", [
            x,
            wide
              ? g.constant("powers", {
                  type: "float32",
                  shape: [2, 1, 1, 1],
                  data: Float32Array.of(power, 2),
                })
              : g.scalar(power),
          ]),
        );
      }),
      runs,
    ),
  );

  test("Pow to integers of another type, a constant to a trained power", async () => {
    const x = tensor([3], [-1.5, 0.5, 1.2]);
    await checkGraph("Pow", [x], (g, [name = ""]) => g.emit("Pow", [name, g.ints([3])]));
    await checkGraph("Pow", [x], (g, [name = ""]) => g.emit("Pow", [name, g.ints([0, 2, 5])]));
    await checkGraph("Pow", [x], (g, [name = ""]) => g.emit("Pow", [g.scalar(3), name]));
  });

  test("Pow at bases of 0 and below, as PyTorch has it", async () => {
    const bases = tensor([5], [0, 0, 0, -2, -2]);
    const powers = tensor([5], [0, 1, 3, 3, 2]);
    const [base, power] = await gradients([bases, powers], (g, names) => g.emit("Pow", names));
    expect(base).toEqual([0, 1, 0, 12, -4]);
    expect(power).toEqual([0, 0, 0, Number.NaN, Number.NaN]);
  });
});

describe("any number of inputs that broadcast", () => {
  test.each(["Sum", "Mean"])("%s", (operator) =>
    fc.assert(
      fc.asyncProperty(pair, seed, fc.integer({ min: 1, max: 4 }), ([a, b], from, count) => {
        const random = createRandom(from);
        const shapes = [a, b, [], a].slice(0, count);
        return check(
          operator,
          shapes.map((dims) => uniform(random, dims)),
        );
      }),
      runs,
    ),
  );

  /** Values of one operand lie on a grid of 0.3, those of the next 0.1 higher: never closer than that. */
  test.each(["Max", "Min"])("%s away from ties", (operator) =>
    fc.assert(
      fc.asyncProperty(pair, seed, fc.integer({ min: 1, max: 3 }), ([a, b], from, count) => {
        const random = createRandom(from);
        const inputs = [a, b, []].slice(0, count).map((dims, k) => {
          const { values } = uniform(random, dims);
          return tensor(
            dims,
            [...values].map((v) => Math.round(v * 3) * 0.3 + k * 0.1),
          );
        });
        return check(operator, inputs);
      }),
      runs,
    ),
  );

  test.each(["Max", "Min"])("%s: inputs that tie share the gradient equally", async (operator) => {
    const inputs = [
      tensor([2], [1, 2]),
      tensor([2], [1, 2]),
      tensor([], [operator === "Max" ? 1 : 2]),
    ];
    const slopes = await gradients(inputs, (g, names) => g.emit(operator, names));
    const [third, half] = [expect.closeTo(1 / 3), 0.5];
    const both = operator === "Max" ? [third, half] : [half, third];
    expect(slopes).toEqual([both, both, [third]]);
  });

  test("Where: condition, both branches and all broadcasts", () =>
    fc.assert(
      fc.asyncProperty(pair, seed, bit, ([a, b], from, swap) => {
        const random = createRandom(from);
        const inputs = [uniform(random, a), uniform(random, b)];
        const mask = uniform(random, swap ? a : b).values;
        return checkGraph("Where", inputs, (g, [x = "", y = ""]) => {
          const data = Uint8Array.from(mask, (value) => (value > 0 ? 1 : 0));
          const condition = g.constant("mask", { type: "bool", shape: swap ? a : b, data });
          return g.emit("Where", [condition, x, y]);
        });
      }),
      runs,
    ));

  test("Where keeps what was not chosen out, be it infinite", async () => {
    const [slope] = await gradients([tensor([2], [0, 4])], (g, [x = ""]) => {
      const positive = g.emit("Greater", [x, g.scalar(0)]);
      return g.emit("Where", [positive, g.emit("Sqrt", [x]), g.scalar(0)]);
    });
    expect(slope?.[1]).toBeCloseTo(0.25);
  });
});

test.each(FLAT.filter((name) => ["Ceil", "Floor", "Round", "Sign"].includes(name)))(
  "a parameter behind %s only is refused by name",
  async (operator) => {
    await expect(
      gradients([tensor([2], [1, 2])], (g, [x = ""]) => g.emit(operator, [x], {}, "steps")),
    ).rejects.toThrow(`only through what no gradient passes: node steps (${operator})`);
  },
);
