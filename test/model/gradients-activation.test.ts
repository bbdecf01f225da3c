/**
 * Activations and softmax: gradients against central differences on ONNX Runtime, values and slopes up to
 * |x| = 100 against the formulas in float64.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import type { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { activationGradients } from "../../src/model/onnx/gradient/activation.ts";
import { softmaxGradients } from "../../src/model/onnx/gradient/softmax.ts";
import type { Attributes } from "../../src/model/onnx/graph.ts";
import { bit, family, lowered, runs, seed, shape, size, tensor } from "./gradient-check.ts";
import { apart, uniform } from "./numeric.ts";

const { check, checkGraph, forward, gradients } = family(
  { ...activationGradients, ...softmaxGradients },
  ["Hardmax"],
);

const float = (value: number) => ({ float: value });
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const between = (low: number, x: number, high: number): number => Math.min(high, Math.max(low, x));

/** Abramowitz and Stegun 7.1.5 and 7.1.23, summed in float64. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [sum, term] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

type Case = readonly [operator: string, attributes: Attributes, y: (x: number) => number];
const smooth: readonly Case[] = [
  ["Gelu", {}, (x) => (x * (1 + erf(x / Math.SQRT2))) / 2],
  [
    "Gelu",
    { approximate: { string: "tanh" } },
    (x) => (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2,
  ],
  ["Sigmoid", {}, (x) => 1 / (1 + Math.exp(-x))],
  ["Softplus", {}, softplus],
  ["Softsign", {}, (x) => x / (1 + Math.abs(x))],
  ["Tanh", {}, Math.tanh],
];
const selu = (x: number, alpha: number, gamma: number): number =>
  gamma * (x > 0 ? x : alpha * Math.expm1(x));
/** None of their kinks lies on the grid of `apart`. */
const kinked: readonly Case[] = [
  ["Celu", {}, (x) => (x > 0 ? x : Math.expm1(x))],
  ["Celu", { alpha: float(2) }, (x) => (x > 0 ? x : 2 * Math.expm1(x / 2))],
  ["Elu", {}, (x) => (x > 0 ? x : Math.expm1(x))],
  ["Elu", { alpha: float(0.5) }, (x) => (x > 0 ? x : 0.5 * Math.expm1(x))],
  ["HardSigmoid", {}, (x) => between(0, 0.2 * x + 0.5, 1)],
  ["HardSigmoid", { alpha: float(1), beta: float(0.4) }, (x) => between(0, x + 0.4, 1)],
  ["HardSwish", {}, (x) => x * between(0, x / 6 + 0.5, 1)],
  ["LeakyRelu", {}, (x) => (x > 0 ? x : 0.01 * x)],
  ["LeakyRelu", { alpha: float(0.3) }, (x) => (x > 0 ? x : 0.3 * x)],
  ["Relu", {}, (x) => Math.max(0, x)],
  ["Selu", {}, (x) => selu(x, 1.6732632423543772, 1.0507009873554805)],
  ["Selu", { alpha: float(2), gamma: float(0.5) }, (x) => selu(x, 2, 0.5)],
  ["Shrink", {}, (x) => (x < -0.5 ? x : x > 0.5 ? x : 0)],
  [
    "Shrink",
    { lambd: float(0.2), bias: float(0.1) },
    (x) => (x < -0.2 ? x + 0.1 : x > 0.2 ? x - 0.1 : 0),
  ],
  ["ThresholdedRelu", {}, (x) => (x > 1 ? x : 0)],
  ["ThresholdedRelu", { alpha: float(0.2) }, (x) => (x > 0.2 ? x : 0)],
];

/** Values and slopes are those of the formula in float64, also where its exponentials overflow in float32. */
async function expectFormula(
  y: (x: number) => number,
  build: (graph: GraphBuilder, inputs: readonly string[]) => string,
): Promise<void> {
  const points = [100, 88.8, 50.5, 20.3, 10.1, 5.2, 2.9, 1.3, 0.7, 0.3, 0.07];
  const xs = [...points.map((x) => -x), ...points];
  const input = tensor([xs.length], xs);
  const [values] = await forward([input], (graph, names) => [build(graph, names)]);
  const [slopes] = await gradients([input], build);
  const h = 1e-5;
  expect(values).toEqual(xs.map((x) => expect.closeTo(y(Math.fround(x)), 3)));
  expect(slopes).toEqual(xs.map((x) => expect.closeTo((y(x + h) - y(x - h)) / (2 * h), 3)));
}

describe("activations of one input", () => {
  test.each(smooth)("%s %j against central differences", (operator, attributes) =>
    fc.assert(
      fc.asyncProperty(shape, seed, (dims, from) =>
        check(operator, [uniform(createRandom(from), dims, -3, 3)], attributes),
      ),
      runs,
    ),
  );

  test.each(kinked)("%s %j against central differences, away from kinks", (operator, attributes) =>
    fc.assert(
      fc.asyncProperty(shape, seed, (dims, from) =>
        check(operator, [apart(createRandom(from), dims)], attributes),
      ),
      runs,
    ),
  );

  test.each([...smooth, ...kinked])(
    "%s %j against its formula up to 100, never NaN",
    (operator, attributes, y) =>
      expectFormula(y, (g, inputs) => g.emit(operator, inputs, attributes)),
  );

  test("the slope at a kink is the flatter one, as PyTorch has it", async () => {
    const at = async (operator: string, x: number, attributes: Attributes = {}) =>
      (
        await gradients([tensor([1], [x])], (g, [name = ""]) =>
          g.emit(operator, [name], attributes),
        )
      )[0];
    expect(await at("Relu", 0)).toEqual([0]);
    expect(await at("LeakyRelu", 0, { alpha: float(0.5) })).toEqual([0.5]);
    expect(await at("Elu", 0, { alpha: float(0.5) })).toEqual([0.5]);
    expect(await at("HardSigmoid", -2.5)).toEqual([0]);
    expect(await at("HardSigmoid", 2.5)).toEqual([0]);
  });
});

test("PRelu: slopes of every broadcast shape", () =>
  fc.assert(
    fc.asyncProperty(
      fc.tuple(size, size, size),
      fc.integer({ min: 0, max: 4 }),
      seed,
      ([a, b, c], which, from) => {
        const random = createRandom(from);
        const slope = [[], [c], [b, 1], [1, 1, 1], [a, b, c]][which] ?? [];
        return check("PRelu", [apart(random, [a, b, c]), uniform(random, slope)]);
      },
    ),
    runs,
  ));

test("x Sigmoid(x), as PyTorch writes SiLU, up to 100", async () => {
  const xs = [-100, -20, -1, 0, 1, 20, 100];
  const [slopes] = await gradients([tensor([7], xs)], (g, [x = ""]) =>
    g.emit("Mul", [x, g.emit("Sigmoid", [x])]),
  );
  const s = (x: number): number => 1 / (1 + Math.exp(-x));
  expect(slopes).toEqual(xs.map((x) => expect.closeTo(s(x) + x * s(x) * (1 - s(x)), 5)));
});

describe("activations that are written out", () => {
  const written: readonly Case[] = [
    ["Mish", {}, (x) => x * Math.tanh(softplus(x))],
    ["Swish", {}, (x) => x / (1 + Math.exp(-x))],
    ["Swish", { alpha: float(1.7) }, (x) => x / (1 + Math.exp(-1.7 * x))],
  ];
  const build =
    (operator: string, attributes: Attributes) =>
    (graph: GraphBuilder, inputs: readonly string[]): string =>
      lowered(graph, { name: "here", operator, inputs, outputs: ["here"], attributes });

  test.each(written)("%s %j against central differences", (operator, attributes) =>
    fc.assert(
      fc.asyncProperty(shape, seed, (dims, from) => {
        const input = uniform(createRandom(from), dims, -3, 3);
        return checkGraph("Sigmoid", [input], build(operator, attributes));
      }),
      runs,
    ),
  );

  test.each(written)("%s %j against its formula up to 100, never NaN", (operator, attributes, y) =>
    expectFormula(y, build(operator, attributes)),
  );
});

describe("softmax", () => {
  test.each(["LogSoftmax", "Softmax"])("%s over any axis", (operator) =>
    fc.assert(
      fc.asyncProperty(
        fc
          .array(size, { minLength: 1, maxLength: 3 })
          .chain((dims) =>
            fc.tuple(fc.constant(dims), fc.integer({ min: -dims.length, max: dims.length - 1 })),
          ),
        seed,
        bit,
        async ([dims, axis], from, implied) => {
          const attributes: Attributes = implied ? {} : { axis: { int: axis } };
          await check(operator, [uniform(createRandom(from), dims)], attributes);
        },
      ),
      runs,
    ),
  );

  test.each(["LogSoftmax", "Softmax"])("%s of scores up to 100 stays finite", async (operator) => {
    const scores = tensor([3, 3], [100, -100, 0, 100, 100, -100, -100, -100, -100]);
    const pick = tensor([3, 3], [0, 1, 0, 0, 0, 1, 1, 0, 0]);
    const [slopes = []] = await gradients([scores, pick], (g, [x = "", w = ""]) =>
      g.emit("Mul", [g.emit(operator, [x]), w]),
    );
    const wanted = {
      LogSoftmax: [-1, 1, 0, -1 / 2, -1 / 2, 1, 2 / 3, -1 / 3, -1 / 3],
      Softmax: [0, 0, 0, 0, 0, 0, 2 / 9, -1 / 9, -1 / 9],
    }[operator];
    expect(slopes).toEqual(wanted?.map((slope) => expect.closeTo(slope)));
  });

  test("an axis that is not there is refused", async () => {
    await expect(
      gradients([tensor([2, 2], [1, 2, 3, 4])], (g, [x = ""]) =>
        g.emit("Softmax", [x], { axis: { int: 2 } }, "attend"),
      ),
    ).rejects.toThrow("node attend (Softmax): there is no axis 2; inputs: float32[2,2]");
  });
});
