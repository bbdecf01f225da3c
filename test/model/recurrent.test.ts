/**
 * LSTM, GRU and RNN written out: the same values as ONNX Runtime's own kernels, which know nothing of our
 * formulas, and gradients against central differences.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import type { Attributes, Node } from "../../src/model/onnx/graph.ts";
import { recurrentLowerings } from "../../src/model/onnx/lower/recurrent.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { evaluator, expectClose, expectGradients, type NumericInput, uniform } from "./numeric.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createRuntime().engine();
});

type Operator = keyof typeof recurrentLowerings;
const GATES = { GRU: 3, LSTM: 4, RNN: 1 } as const;
const STATES = { GRU: 1, LSTM: 2, RNN: 1 } as const;
const OPERATORS = Object.keys(recurrentLowerings).sort() as Operator[];

interface Layer {
  readonly operator: Operator;
  readonly direction: "forward" | "reverse" | "bidirectional";
  readonly biased: boolean;
  readonly started: boolean;
  readonly resetsLast: boolean;
  readonly activations: readonly string[] | undefined;
  readonly steps: number;
  readonly batch: number;
  readonly inputs: number;
  readonly hidden: number;
  readonly seed: number;
}

const size = fc.integer({ min: 1, max: 4 });
const layers = (operator: Operator): fc.Arbitrary<Layer> =>
  fc.record({
    operator: fc.constant(operator),
    direction: fc.constantFrom("forward", "reverse", "bidirectional"),
    biased: fc.boolean(),
    started: fc.boolean(),
    resetsLast: fc.boolean(),
    activations: fc.option(
      fc.array(fc.constantFrom("Relu", "Sigmoid", "Tanh"), {
        minLength: { GRU: 2, LSTM: 3, RNN: 1 }[operator],
        maxLength: { GRU: 2, LSTM: 3, RNN: 1 }[operator],
      }),
      { nil: undefined },
    ),
    steps: size,
    batch: size,
    inputs: size,
    hidden: size,
    seed: fc.integer(),
  });

const directionsOf = (layer: Layer): number => (layer.direction === "bidirectional" ? 2 : 1);

const attributesOf = (layer: Layer, batchFirst = false): Attributes => ({
  direction: { string: layer.direction },
  hidden_size: { int: layer.hidden },
  ...(batchFirst ? { layout: { int: 1 } } : {}),
  ...(layer.operator === "GRU" ? { linear_before_reset: { int: Number(layer.resetsLast) } } : {}),
  ...(layer.activations
    ? { activations: { strings: Array(directionsOf(layer)).fill(layer.activations).flat() } }
    : {}),
});

/** X, W, R, then B and the initial states if the layer has them. */
function tensorsOf(layer: Layer): NumericInput[] {
  const random = createRandom(layer.seed);
  const { operator, steps, batch, inputs, hidden } = layer;
  const directions = directionsOf(layer);
  const rows = GATES[operator] * hidden;
  const state = [directions, batch, hidden];
  return [
    uniform(random, [steps, batch, inputs]),
    uniform(random, [directions, rows, inputs]),
    uniform(random, [directions, rows, hidden]),
    ...(layer.biased ? [uniform(random, [directions, 2 * rows])] : []),
    ...(layer.started
      ? Array.from({ length: STATES[operator] }, () => uniform(random, state))
      : []),
  ];
}

/** The node's inputs: what is left out is an empty name. */
function placed(layer: Layer, names: readonly string[]): string[] {
  const [x = "", w = "", r = "", ...rest] = names;
  const bias = layer.biased ? (rest.shift() ?? "") : "";
  return [x, w, r, bias, "", ...rest];
}

function unroll(
  graph: GraphBuilder,
  operator: Operator,
  inputs: readonly string[],
  attributes: Attributes,
  training = true,
): readonly string[] | undefined {
  const node: Node = { name: "layer", operator, inputs, outputs: ["y"], attributes };
  return recurrentLowerings[operator]({
    graph,
    node,
    training,
    isTrained: () => false,
    stateOf: (name) => name,
    updateState: () => {},
    random: () => "",
  }) as readonly string[] | undefined;
}

async function valuesOf(
  tensors: readonly NumericInput[],
  build: (graph: GraphBuilder, names: readonly string[]) => readonly string[],
): Promise<{ values: Float32Array[]; shapes: (readonly number[])[] }> {
  const graph = new GraphBuilder();
  const names = tensors.map(({ shape }, i) => graph.input(`x${i}`, { type: "float32", shape }));
  const outputs = build(graph, names);
  const program = await evaluator(engine, graph.build("forward", outputs));
  const feeds = Object.fromEntries(names.map((name, i) => [name, tensors[i] as NumericInput]));
  const values = (await program.run(feeds)).map((value) => value.slice());
  await program.release();
  return { values, shapes: outputs.map((name) => graph.shapeOf(name)) };
}

describe.each(OPERATORS)("%s", (operator) => {
  test("has the values and shapes of ONNX Runtime's own kernel", () =>
    fc.assert(
      fc.asyncProperty(layers(operator), async (layer) => {
        const tensors = tensorsOf(layer);
        const attributes = attributesOf(layer);
        const outputs = 1 + STATES[operator];
        const own = await valuesOf(tensors, (graph, names) =>
          graph.emitAll(operator, placed(layer, names), attributes, { outputs }),
        );
        const ours = await valuesOf(
          tensors,
          (graph, names) => unroll(graph, operator, placed(layer, names), attributes) ?? [],
        );
        expect(ours.shapes).toEqual(own.shapes);
        own.values.forEach((values, i) => {
          expectClose(ours.values[i] as Float32Array, values, `output ${i}`, 1e-5);
        });
      }),
      { numRuns: 60, seed: 1 },
    ));

  test("with the batch first is the same, axes exchanged", () =>
    fc.assert(
      fc.asyncProperty(layers(operator), async (layer) => {
        const tensors = tensorsOf(layer);
        const swap = (graph: GraphBuilder, name: string, perm: readonly number[]): string =>
          graph.emit("Transpose", [name], { perm: { ints: perm } });
        const timeFirst = await valuesOf(tensors, (graph, names) => {
          const made = unroll(graph, operator, placed(layer, names), attributesOf(layer));
          const [y = "", ...states] = made ?? [];
          return [swap(graph, y, [2, 0, 1, 3]), ...states.map((s) => swap(graph, s, [1, 0, 2]))];
        });
        const batchFirst = await valuesOf(tensors, (graph, names) => {
          const [x = "", w = "", r = "", bias = "", none = "", ...states] = placed(layer, names);
          const starts = states.map((name) => swap(graph, name, [1, 0, 2]));
          const inputs = [swap(graph, x, [1, 0, 2]), w, r, bias, none, ...starts];
          return unroll(graph, operator, inputs, attributesOf(layer, true), false) ?? [];
        });
        expect(batchFirst).toEqual(timeFirst);
      }),
      { numRuns: 20, seed: 2 },
    ));

  test("has the gradients of central differences, for every input", () =>
    fc.assert(
      fc.asyncProperty(
        layers(operator).filter((layer) => !layer.activations?.includes("Relu")),
        fc.nat(STATES[operator]),
        async (layer, output) => {
          await expectGradients(
            engine,
            tensorsOf({ ...layer, steps: Math.min(3, layer.steps + 1) }),
            (graph, names) =>
              unroll(graph, operator, placed(layer, names), attributesOf(layer))?.[output] ?? "",
          );
        },
      ),
      { numRuns: 12, seed: 3 },
    ));

  test("is left to ONNX Runtime for judging", () => {
    const graph = new GraphBuilder();
    expect(unroll(graph, operator, [], {}, false)).toBeUndefined();
  });
});

describe("what is not supported is refused by name", () => {
  const layer = (inputs: readonly string[], attributes: Attributes) => () => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: [3, 2, 5] });
    graph.input("w", { type: "float32", shape: [1, 16, 5] });
    graph.input("r", { type: "float32", shape: [1, 16, 4] });
    graph.input("odd", { type: "float32", shape: [1, 15, 5] });
    graph.input("p", { type: "float32", shape: [1, 12] });
    graph.constant("short", { type: "int32", shape: [2], data: Int32Array.of(3, 1) });
    graph.constant("full", { type: "int32", shape: [2], data: Int32Array.of(3, 3) });
    graph.input("unknown", { type: "int32", shape: [2] });
    return unroll(graph, "LSTM", inputs, attributes);
  };

  test.each([
    ["clip", ["x", "w", "r"], { clip: { float: 1 } }, /node layer \(LSTM\): clip/],
    ["coupled gates", ["x", "w", "r"], { input_forget: { int: 1 } }, /input_forget/],
    ["peepholes", ["x", "w", "r", "", "", "", "", "p"], {}, /peepholes/],
    ["short sequences", ["x", "w", "r", "", "short"], {}, /sequence_lens/],
    ["unknown lengths", ["x", "w", "r", "", "unknown"], {}, /sequence_lens/],
    ["Affine", ["x", "w", "r"], { activations: { strings: ["Affine"] } }, /activation Affine/],
    ["odd weights", ["x", "odd", "r"], {}, /input 1 must have the shape \[1,16,5\]/],
  ] as const)("%s", (_, inputs, attributes, message) => {
    expect(layer(inputs, attributes)).toThrow(message);
  });

  test("lengths that are those of the whole input are fine", () => {
    expect(layer(["x", "w", "r", "", "full"], {})()).toHaveLength(3);
  });
});
