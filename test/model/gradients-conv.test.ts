/** Convolutions: shapes against ONNX Runtime's own, gradients against central differences. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { convGradients } from "../../src/model/onnx/gradient/conv.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import type { Attributes } from "../../src/model/onnx/graph.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { evaluator, expectClose, expectGradients, type NumericInput, uniform } from "./numeric.ts";
import { type Axis, axis, paddings, windowAttributes } from "./windows.ts";

let engine: Engine;
const covered = new Set<string>();
beforeAll(async () => {
  engine = await createRuntime().engine();
});
afterAll(() => {
  expect([...covered].sort()).toEqual(Object.keys(convGradients).sort());
});

/** ONNX Runtime refuses to write an output of another shape than inferred, so this checks shapes too. */
const check = (
  operator: string,
  inputs: readonly NumericInput[],
  attributes: Attributes,
): Promise<void> => {
  covered.add(operator);
  return expectGradients(engine, inputs, (graph, names) => graph.emit(operator, names, attributes));
};

const bit = fc.constantFrom(0, 1);
const few = fc.integer({ min: 1, max: 2 });
const axesOf = (rank: number) => fc.array(axis, { minLength: rank, maxLength: rank });
const channelsOf = fc.record({ batch: few, group: few, depth: few, filters: few, biased: bit });
const seed = fc.integer();
const sizes = (axes: readonly Axis[]): number[] => axes.map((at) => at.size);
const kernels = (axes: readonly Axis[]): number[] => axes.map((at) => at.kernel);

describe.each([
  [1, 25],
  [2, 30],
  [3, 4],
])("over %i axes", (rank, numRuns) => {
  test("Conv: groups, strides, dilations, uneven pads, auto_pad", () =>
    fc.assert(
      fc.asyncProperty(axesOf(rank), channelsOf, paddings, seed, async (axes, at, mode, from) => {
        const random = createRandom(from);
        const inputs = [
          uniform(random, [at.batch, at.group * at.depth, ...sizes(axes)]),
          uniform(random, [at.group * at.filters, at.depth, ...kernels(axes)]),
          ...(at.biased ? [uniform(random, [at.group * at.filters])] : []),
        ];
        await check("Conv", inputs, { ...windowAttributes(axes, mode), group: { int: at.group } });
      }),
      { numRuns, seed: 1 },
    ));

  test("ConvTranspose: the same, and padded outputs", () =>
    fc.assert(
      fc.asyncProperty(axesOf(rank), channelsOf, paddings, seed, async (axes, at, mode, from) => {
        const random = createRandom(from);
        const inputs = [
          uniform(random, [at.batch, at.group * at.depth, ...axes.map((each) => each.extra + 1)]),
          uniform(random, [at.group * at.depth, at.filters, ...kernels(axes)]),
          ...(at.biased ? [uniform(random, [at.group * at.filters])] : []),
        ];
        // Pads of at most one element less than the kernel spans leave something over.
        const mild = axes.map((each) => {
          const most = each.dilation * (each.kernel - 1);
          return { ...each, begin: Math.min(each.begin, most), end: Math.min(each.end, 0) };
        });
        const attributes = {
          ...windowAttributes(mild, mode),
          group: { int: at.group },
          output_padding: { ints: axes.map((each) => each.extra % each.stride) },
        };
        await check("ConvTranspose", inputs, attributes);
      }),
      { numRuns, seed: 2 },
    ));
});

describe("many channels take the way of matrix products", () => {
  test.each([
    { group: 1, stride: 1, dilation: 1 },
    { group: 1, stride: 2, dilation: 2 },
    { group: 2, stride: 2, dilation: 1 },
  ])("Conv $group groups, stride $stride, dilation $dilation", async (at) => {
    const random = createRandom(3);
    await check(
      "Conv",
      [uniform(random, [2, 8 * at.group, 6, 5]), uniform(random, [2 * at.group, 8, 3, 2])],
      {
        group: { int: at.group },
        strides: { ints: [at.stride, 1] },
        dilations: { ints: [at.dilation, 1] },
        pads: { ints: [1, 0, 0, 1] },
      },
    );
  });

  test("ConvTranspose", async () => {
    const random = createRandom(4);
    await check("ConvTranspose", [uniform(random, [2, 2, 3, 2]), uniform(random, [2, 8, 2, 3])], {
      strides: { ints: [2, 1] },
      pads: { ints: [0, 1, 1, 0] },
      output_padding: { ints: [1, 0] },
    });
  });
});

test.each([1, 2])("depthwise, stride %i", async (stride) => {
  const random = createRandom(5);
  await check("Conv", [uniform(random, [2, 3, 5, 4]), uniform(random, [3, 1, 3, 2])], {
    group: { int: 3 },
    strides: { ints: [stride, 1] },
    dilations: { ints: [2, 1] },
    pads: { ints: [2, 1, 0, 0] },
  });
});

test.each([
  { depth: 2, filters: 2, kernel: [3, 2], dilation: 2 },
  { depth: 3, filters: 1, kernel: [1, 1], dilation: 1 },
])("with work enough, by the flipped kernel: the transposed convolution", async (at) => {
  const random = createRandom(8);
  const image = uniform(random, [2, at.depth, 26, 25]);
  const weights = uniform(random, [at.filters, at.depth, ...at.kernel]);
  const pads = { ints: at.kernel.flatMap((size) => [size - 1, 0]) };
  const attributes = { dilations: { ints: [at.dilation, 1] }, pads };
  const graph = new GraphBuilder();
  for (const [name, { shape }] of Object.entries({ x: image, w: weights }))
    graph.input(name, { type: "float32", shape });
  const made = graph.emit("Conv", ["x", "w"], attributes);
  const square = graph.emit("Mul", [made, made]);
  const loss = graph.emit("ReduceSum", [square], { keepdims: { int: 0 } });
  const gradient = differentiate(graph, loss, ["x"]).get("x") as string;
  const twice = graph.emit("Add", [made, made]);
  const wanted = graph.emit("ConvTranspose", [twice, "w"], attributes);
  const built = graph.build("flipped", [gradient, wanted]);
  expect(built.nodes.filter(({ operator }) => operator === "Conv").length).toBe(2);
  const program = await evaluator(engine, built);
  const [actual = [], expected = []] = await program.run({ x: image, w: weights });
  await program.release();
  expectClose(actual, expected, "gradient", 1e-5);
});

test("kernels of many places take the way of a convolution", async () => {
  const random = createRandom(7);
  await check("Conv", [uniform(random, [2, 8, 7, 7]), uniform(random, [2, 8, 6, 6])], {
    pads: { ints: [1, 0, 0, 1] },
  });
});

test("output_shape of a ConvTranspose becomes pads", async () => {
  const random = createRandom(6);
  const inputs = [uniform(random, [1, 2, 3, 3]), uniform(random, [2, 1, 3, 3])];
  for (const mode of ["NOTSET", "SAME_UPPER"])
    await check("ConvTranspose", inputs, {
      strides: { ints: [2, 2] },
      output_shape: { ints: [6, 5] },
      auto_pad: { string: mode },
    });
});

describe("what does not fit is refused with names and shapes", () => {
  const emit = (operator: string, x: number[], w: number[], attributes: Attributes = {}) => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: x });
    graph.input("w", { type: "float32", shape: w });
    graph.emit(operator, ["x", "w"], attributes, "here");
  };
  test.each([
    [
      "channels",
      () => emit("Conv", [1, 3, 4], [2, 2, 3]),
      /here \(Conv\): the input has 3 channels/,
    ],
    ["groups", () => emit("Conv", [1, 2, 4], [3, 1, 3], { group: { int: 2 } }), /2 groups/],
    ["kernel", () => emit("Conv", [1, 1, 2], [1, 1, 3]), /a window of 3 does not fit into 2/],
    [
      "kernel_shape",
      () => emit("Conv", [1, 1, 4], [1, 1, 3], { kernel_shape: { ints: [2] } }),
      /kernel_shape \[2\]/,
    ],
    [
      "strides",
      () => emit("Conv", [1, 1, 4], [1, 1, 3], { strides: { ints: [0] } }),
      /strides \[0\]/,
    ],
    [
      "auto_pad",
      () => emit("Conv", [1, 1, 4], [1, 1, 3], { auto_pad: { string: "SOME" } }),
      /auto_pad SOME/,
    ],
    [
      "dilated auto_pad",
      () =>
        emit("Conv", [1, 1, 4], [1, 1, 2], {
          auto_pad: { string: "SAME_UPPER" },
          dilations: { ints: [2] },
        }),
      /SAME_UPPER with dilations/,
    ],
    [
      "output_shape",
      () => emit("ConvTranspose", [1, 1, 2], [1, 1, 3], { output_shape: { ints: [9] } }),
      /output_shape \[9\]/,
    ],
  ])("%s", (_, act, message) => expect(act).toThrow(message));
});
