/**
 * Models and operators as PyTorch exports them, against PyTorch's own autograd: outputs, loss, gradients of
 * every input and parameter, running statistics. The references are fixtures; test/oracle/README.md says how
 * they are made.
 */
import { beforeAll, describe, expect, test } from "vitest";
import type { NamedTensor } from "../../src/codec/safetensors.ts";
import { bindModel } from "../../src/model/onnx/bind.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import { type ElementType, sizeOf } from "../../src/model/onnx/graph.ts";
import type { Model } from "../../src/model/onnx/model.ts";
import { readModel } from "../../src/model/onnx/proto/read.ts";
import { createRuntime, type Engine, type TensorData } from "../../src/model/onnx/run.ts";
import { casesOf, type OracleCase, packs, sampled } from "../oracle/cases.ts";

const TOLERANCE = 1e-4;
const NONE: ReadonlyMap<string, NamedTensor> = new Map();

let engine: Engine;
beforeAll(async () => {
  engine = await createRuntime({ only: "native" }).engine();
});

const of = (reference: OracleCase, kind: string): ReadonlyMap<string, NamedTensor> =>
  reference.tensors.get(kind) ?? NONE;

/** What a graph is fed, by name. */
type Feeds = Map<string, { type: ElementType; shape: readonly number[]; data: TensorData }>;

function dataAs(type: ElementType, { data }: NamedTensor): TensorData {
  if (type === "int64") return BigInt64Array.from(data, BigInt);
  if (type === "bool") return Uint8Array.from(data);
  if (type === "int32") return Int32Array.from(data);
  expect(type).toBe("float32");
  return data;
}

/** Names of what is differentiated: float inputs and parameters. */
const trainedOf = (reference: OracleCase): readonly string[] => [
  ...of(reference, "gradient").keys(),
  ...of(reference, "samples").keys(),
];

function feedsOf(reference: OracleCase, model: Model): Feeds {
  const feeds: Feeds = new Map();
  for (const { name, type } of model.inputs) {
    const tensor = of(reference, "input").get(name) as NamedTensor;
    feeds.set(name, { type, shape: tensor.shape, data: dataAs(type, tensor) });
  }
  const fed = new Set([...trainedOf(reference), ...of(reference, "state").keys()]);
  for (const { name, type, shape, data } of model.initializers)
    if (fed.has(name)) feeds.set(name, { type, shape, data: data.slice() as Float32Array });
  return feeds;
}

/** The loss that the reference was differentiated of; what it needs is added to the feeds. */
function lossOf(
  graph: GraphBuilder,
  reference: OracleCase,
  outputs: ReadonlyMap<string, string>,
  feeds: Feeds,
): string {
  const feed = (name: string, shape: readonly number[], data: Float32Array): string => {
    feeds.set(name, { type: "float32", shape, data });
    return graph.input(name, { type: "float32", shape });
  };
  const all = { keepdims: { int: 0 } };
  if (reference.about.loss === "cross-entropy") {
    const { data } = of(reference, "labels").get("") as NamedTensor;
    const [logits] = outputs.values();
    const classes = graph.shapeOf(logits as string).at(-1) as number;
    const hot = new Float32Array(data.length * classes);
    for (const [row, label] of data.entries()) hot[row * classes + label] = -1 / data.length;
    const shape = [data.length, classes];
    const rows = graph.emit("Reshape", [logits as string, graph.ints(shape)]);
    const logs = graph.emit("LogSoftmax", [rows], { axis: { int: 1 } });
    return graph.emit("ReduceSum", [graph.emit("Mul", [logs, feed("hot", shape, hot)])], all);
  }
  const parts = [...of(reference, "weight")].map(([name, { shape, data }]) => {
    const weights = feed(`weight of ${name}`, shape, data);
    return graph.emit(
      "ReduceSum",
      [graph.emit("Mul", [outputs.get(name) as string, weights])],
      all,
    );
  });
  return parts.reduce((sum, part) => graph.emit("Add", [sum, part]));
}

/** Everything the reference speaks of, as our graph computes it: by kind, then by name. */
async function compute(reference: OracleCase): Promise<Map<string, Float32Array>> {
  const model = readModel(reference.model, { name: reference.name });
  const feeds = feedsOf(reference, model);
  const graph = new GraphBuilder();
  for (const [name, { type, shape }] of feeds) graph.input(name, { type, shape });
  const bound = bindModel(graph, model, {
    inputs: new Map(model.inputs.map(({ name }) => [name, name])),
    fed: new Set(feeds.keys()),
    trained: new Set(trainedOf(reference)),
    training: reference.about.training,
  });
  for (const [i, { name, type, shape }] of bound.randoms.entries()) {
    const drawn = of(reference, "random").get(String(i));
    feeds.set(name, { type, shape, data: drawn?.data ?? new Float32Array(sizeOf(shape)) });
  }
  const outputs = new Map(
    model.outputs.map(({ name }) => [name, bound.values.get(name) as string]),
  );
  const loss = lossOf(graph, reference, outputs, feeds);
  const wanted = new Map([["loss/", loss]]);
  for (const [name, value] of outputs) wanted.set(`output/${name}`, value);
  for (const name of of(reference, "state").keys())
    wanted.set(`state/${name}`, bound.states.get(name) as string);
  for (const [name, value] of differentiate(graph, loss, trainedOf(reference)))
    wanted.set(`gradient/${name}`, value);
  return run(graph, wanted, feeds);
}

async function run(
  graph: GraphBuilder,
  wanted: ReadonlyMap<string, string>,
  feeds: Feeds,
): Promise<Map<string, Float32Array>> {
  const own = new Map([...wanted].map(([key, value]) => [key, graph.emit("Identity", [value])]));
  const built = graph.build("oracle", [...own.values()]);
  const program = await engine.load(built);
  const results = new Map(
    [...own].map(([key, name]) => [key, new Float32Array(sizeOf(graph.shapeOf(name)))]),
  );
  const tensor = ({
    type,
    shape,
    data,
  }: { type: ElementType } & Omit<NamedTensor, "name" | "data"> & { data: TensorData }) =>
    engine.tensor(type, data, shape);
  await program.run(
    Object.fromEntries(
      built.inputs.map(({ name }) => {
        const fed = feeds.get(name);
        if (!fed) throw new Error(`nothing is fed to ${name}`);
        return [name, tensor(fed)];
      }),
    ),
    Object.fromEntries(
      [...own].map(([key, name]) => {
        const data = results.get(key) as Float32Array;
        return [name, engine.tensor("float32", data, graph.shapeOf(name))];
      }),
    ),
  );
  await program.release();
  return results;
}

/** Equal within TOLERANCE of the largest magnitude in the tensor. */
function expectEqual(
  actual: ArrayLike<number>,
  wanted: ArrayLike<number>,
  what: string,
  largest = Math.max(...Array.from(wanted, Math.abs)),
): void {
  expect(actual.length, what).toBe(wanted.length);
  for (let k = 0; k < wanted.length; k++) {
    const error = Math.abs((actual[k] as number) - (wanted[k] as number));
    if (!(error <= TOLERANCE * largest + 1e-7))
      expect.fail(`${what}[${k}]: ${actual[k]} instead of ${wanted[k]} (largest ${largest})`);
  }
}

async function check(reference: OracleCase): Promise<void> {
  const results = await compute(reference);
  const got = (kind: string, name: string) => results.get(`${kind}/${name}`) as Float32Array;
  for (const kind of ["loss", "output", "state", "gradient"])
    for (const [name, { data }] of of(reference, kind))
      expectEqual(got(kind, name), data, `${kind} ${name}`);
  for (const [name, { data }] of of(reference, "samples")) {
    const whole = got("gradient", name);
    const [largest, norm] = (of(reference, "scale").get(name) as NamedTensor).data;
    const picked = sampled(whole.length, data.length).map((k) => whole[k] as number);
    expectEqual(picked, data, `gradient ${name}`, largest);
    expectEqual([Math.hypot(...whole)], [norm as number], `norm of the gradient of ${name}`);
  }
}

describe.each(packs())("%s", (pack) => {
  test.each(casesOf(pack).map((reference) => [reference.name, reference] as const))(
    "%s",
    async (_, reference) => {
      await check(reference);
    },
  );
});
