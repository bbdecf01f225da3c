/**
 * The dumb oracle of every gradient: central differences of the operator's own forward graph, run on ONNX
 * Runtime. The loss is a fixed random weighting of the output, summed in float64.
 */
import { expect } from "vitest";
import { createRandom, type Random } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import { type Graph, sizeOf } from "../../src/model/onnx/graph.ts";
import type { Engine } from "../../src/model/onnx/run.ts";

export interface NumericInput {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Runs a graph on float32 inputs; answers its outputs in order. */
export async function evaluator(engine: Engine, graph: Graph) {
  const program = await engine.load(graph);
  const outputs = graph.outputs.map((value) => new Float32Array(sizeOf(value.shape)));
  const fetches = Object.fromEntries(
    graph.outputs.map((value, i) => [
      value.name,
      engine.tensor("float32", outputs[i] as Float32Array, value.shape),
    ]),
  );
  return {
    async run(inputs: Readonly<Record<string, NumericInput>>): Promise<Float32Array[]> {
      const feeds = Object.fromEntries(
        graph.inputs.map(({ name }) => {
          const input = inputs[name] as NumericInput;
          return [name, engine.tensor("float32", input.values, input.shape)];
        }),
      );
      await program.run(feeds, fetches);
      return outputs;
    },
    release: () => program.release(),
  };
}

/** Checks the gradient of `build`'s output with respect to every input. */
export async function expectGradients(
  engine: Engine,
  inputs: readonly NumericInput[],
  build: (graph: GraphBuilder, names: readonly string[]) => string,
  step = 2e-2,
): Promise<void> {
  const names = inputs.map((_, i) => `x${i}`);
  const graph = new GraphBuilder();
  inputs.forEach(({ shape }, i) => {
    graph.input(names[i] as string, { type: "float32", shape });
  });
  const output = build(graph, names);
  const forward = await evaluator(engine, graph.build("forward", [output]));
  const shape = graph.shapeOf(output);
  const weights = uniform(createRandom(7), shape);
  graph.input("weights", { type: "float32", shape });
  const weighted = graph.emit("Mul", [output, "weights"]);
  const loss = graph.emit("ReduceSum", [weighted], { keepdims: { int: 0 } });
  const gradients = [...differentiate(graph, loss, names).values()];
  const own = gradients.map((name) => graph.emit("Identity", [name]));
  const backward = await evaluator(engine, graph.build("backward", own));

  const given = Object.fromEntries(names.map((name, i) => [name, inputs[i] as NumericInput]));
  const analytic = await backward.run({ ...given, weights });
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i] as NumericInput;
    const numeric = new Float64Array(input.values.length);
    for (let k = 0; k < numeric.length; k++) {
      const value = input.values[k] as number;
      const at = async (shifted: number): Promise<number> => {
        input.values[k] = shifted;
        const [y] = await forward.run(given);
        return dot(y as Float32Array, weights.values);
      };
      numeric[k] = ((await at(value + step)) - (await at(value - step))) / (2 * step);
      input.values[k] = value;
    }
    expectClose(analytic[i] as Float32Array, numeric, `input ${i}`);
  }
  await forward.release();
  await backward.release();
}

/** Equal within 1 % of the array's largest magnitude. */
export function expectClose(
  actual: ArrayLike<number>,
  wanted: ArrayLike<number>,
  what: string,
  tolerance = 1e-2,
): void {
  expect(actual.length, what).toBe(wanted.length);
  let scale = 1e-2;
  for (let k = 0; k < wanted.length; k++) scale = Math.max(scale, Math.abs(wanted[k] as number));
  for (let k = 0; k < wanted.length; k++) {
    const error = Math.abs((actual[k] as number) - (wanted[k] as number));
    if (!(error <= tolerance * scale))
      expect.fail(`${what}[${k}]: ${actual[k]} instead of ${wanted[k]} (scale ${scale})`);
  }
}

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k] as number) * (b[k] as number);
  return sum;
};

/** Uniform values in [-1, 1), or in [low, high). */
export const uniform = (
  random: Random,
  shape: readonly number[],
  low = -1,
  high = 1,
): NumericInput => ({
  shape,
  values: Float32Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random.next()),
});

/** Distinct values at least 0.1 apart and 0.05 from zero: no kink lies within a difference. */
export const apart = (random: Random, shape: readonly number[]): NumericInput => {
  const count = sizeOf(shape);
  const grid = Float32Array.from(
    { length: count },
    (_, i) => (i - Math.floor(count / 2) + 0.5) / 10,
  );
  return { shape, values: random.shuffle(grid) };
};
