/** Runs built models on ONNX Runtime with random values. */
import { createRandom } from "../../src/core/random.ts";
import type { BuiltModel } from "../../src/model/build/builder.ts";
import { type Graph, sizeOf } from "../../src/model/onnx/graph.ts";
import type { Engine, Tensors } from "../../src/model/onnx/run.ts";
import { uniform } from "./numeric.ts";

export type Values = ReadonlyMap<string, Float32Array | BigInt64Array>;

export const BATCH = 3;

/** Random values for every trained tensor and the running averages; tokens below 9. */
export function filled({ model, starts }: BuiltModel): Map<string, Float32Array | BigInt64Array> {
  const random = createRandom(11);
  const values = new Map<string, Float32Array | BigInt64Array>();
  for (const { name, shape } of model.initializers)
    if (starts.has(name)) values.set(name, uniform(random, shape).values);
    else if (name.includes("running")) values.set(name, uniform(random, shape, 0.5, 2).values);
  for (const { name, type, shape } of model.inputs) {
    const sizes = [BATCH, ...shape.slice(1).map(Number)];
    const floats = uniform(random, sizes).values;
    const tokens = () =>
      BigInt64Array.from({ length: sizeOf(sizes) }, () => BigInt(random.integer(9)));
    values.set(name, type === "int64" ? tokens() : floats);
  }
  return values;
}

/** A graph ready to run on values by name; each run answers its outputs in order, in the same arrays. */
export async function prepare(engine: Engine, graph: Graph) {
  const program = await engine.load(graph);
  const results = graph.outputs.map(({ shape }) => new Float32Array(sizeOf(shape)));
  const fetches: Tensors = Object.fromEntries(
    graph.outputs.map(({ name, shape }, i) => [
      name,
      engine.tensor("float32", results[i] as Float32Array, shape),
    ]),
  );
  return {
    async run(values: Values): Promise<readonly Float32Array[]> {
      const feeds = Object.fromEntries(
        graph.inputs.map(({ name, type, shape }) => {
          const data = values.get(name) ?? uniform(createRandom(3), shape, 0, 1).values;
          return [name, engine.tensor(type, data, shape)];
        }),
      );
      await program.run(feeds, fetches);
      return results;
    },
    release: () => program.release(),
  };
}

/** The outputs of one run. */
export async function runOnce(
  engine: Engine,
  graph: Graph,
  values: Values,
): Promise<readonly Float32Array[]> {
  const { run, release } = await prepare(engine, graph);
  const results = await run(values);
  await release();
  return results;
}
