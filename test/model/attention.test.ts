/**
 * Attention and RotaryEmbedding written out: the same values as ONNX Runtime's own kernels of operator set 23,
 * and gradients against central differences.
 */
import fc from "fast-check";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { bindModel } from "../../src/model/onnx/bind.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import type { Attributes, ElementType, Initializer, Node } from "../../src/model/onnx/graph.ts";
import { sizeOf } from "../../src/model/onnx/graph.ts";
import type { Model } from "../../src/model/onnx/model.ts";
import { writeModelFile } from "../../src/model/onnx/proto/write.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { evaluator, expectClose, expectGradients, type NumericInput, uniform } from "./numeric.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createRuntime().engine();
});

/** A model of one node: `inputs` come from outside, `constants` from its file. */
interface Case {
  readonly operator: string;
  readonly attributes: Attributes;
  readonly inputs: readonly NumericInput[];
  readonly constants: readonly (Initializer | undefined)[];
}

const nodeOf = ({ operator, attributes, inputs, constants }: Case): Node => ({
  name: "layer",
  operator,
  inputs: [...inputs.map((_, i) => `x${i}`), ...constants.map((tensor) => tensor?.name ?? "")],
  outputs: ["y"],
  attributes,
});

const modelOf = (at: Case, outputRank: number): Model => ({
  name: "test",
  irVersion: 10,
  opset: 23,
  domains: {},
  producer: "test",
  documentation: "",
  metadata: {},
  nodes: [nodeOf(at)],
  inputs: at.inputs.map(({ shape }, i) => ({ name: `x${i}`, type: "float32", shape })),
  outputs: [{ name: "y", type: "float32", shape: Array<string>(outputRank).fill("") }],
  initializers: at.constants.filter((tensor) => tensor !== undefined),
});

/** Our graph of the model, for training. */
function bound(graph: GraphBuilder, at: Case, names: readonly string[]): string {
  const inputs = new Map(names.map((name, i) => [`x${i}`, name]));
  const none: ReadonlySet<string> = new Set();
  const model = bindModel(graph, modelOf(at, 0), {
    inputs,
    fed: none,
    trained: none,
    training: true,
  });
  return model.values.get("y") as string;
}

async function ours(at: Case): Promise<{ values: Float32Array; shape: readonly number[] }> {
  const graph = new GraphBuilder();
  const names = at.inputs.map(({ shape }, i) => graph.input(`x${i}`, { type: "float32", shape }));
  const y = bound(graph, at, names);
  const program = await evaluator(engine, graph.build("test", [y]));
  const [values] = await program.run(Object.fromEntries(at.inputs.map((x, i) => [`x${i}`, x])));
  await program.release();
  return { values: values as Float32Array, shape: graph.shapeOf(y) };
}

async function kernels(at: Case, rank: number) {
  const session = await InferenceSession.create(writeModelFile(modelOf(at, rank)), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const feeds = at.inputs.map(({ values, shape }, i) => [
    `x${i}`,
    new Tensor("float32", values, shape),
  ]);
  const { y } = await session.run(Object.fromEntries(feeds));
  await session.release();
  return { values: y?.data as Float32Array, shape: y?.dims };
}

async function expectKernel(at: Case): Promise<void> {
  const own = await ours(at);
  const theirs = await kernels(at, own.shape.length);
  expect(own.shape).toEqual(theirs.shape);
  expectClose(own.values, theirs.values, "values", 1e-5);
}

const expectOwnGradients = (at: Case): Promise<void> =>
  expectGradients(engine, at.inputs, (graph, names) => bound(graph, at, names));

const tensor = (
  name: string,
  type: ElementType,
  shape: readonly number[],
  data: Initializer["data"],
): Initializer => ({ name, type, shape, data });

const size = fc.integer({ min: 1, max: 3 });

describe("Attention", () => {
  const cases = fc
    .record({
      batch: size,
      shared: size,
      groups: fc.constantFrom(1, 2),
      queries: size,
      extra: fc.integer({ min: 0, max: 2 }),
      width: size,
      valueWidth: size,
      merged: fc.boolean(),
      mask: fc.constantFrom("none", "float", "bool", "whole"),
      causal: fc.boolean(),
      scale: fc.constantFrom(undefined, 0.3),
      softcap: fc.constantFrom(0, 0.5),
      seed: fc.integer(),
    })
    .map(drawn);

  interface Drawn {
    readonly batch: number;
    readonly shared: number;
    readonly groups: number;
    readonly queries: number;
    readonly extra: number;
    readonly width: number;
    readonly valueWidth: number;
    readonly merged: boolean;
    readonly mask: string;
    readonly causal: boolean;
    readonly scale: number | undefined;
    readonly softcap: number;
    readonly seed: number;
  }

  function drawn(at: Drawn): Case {
    const random = createRandom(at.seed);
    const keys = at.queries + at.extra;
    const heads = at.shared * at.groups;
    const input = (count: number, length: number, width: number): NumericInput =>
      uniform(
        random,
        at.merged ? [at.batch, length, count * width] : [at.batch, count, length, width],
      );
    return {
      operator: "Attention",
      attributes: {
        ...(at.merged ? { q_num_heads: { int: heads }, kv_num_heads: { int: at.shared } } : {}),
        ...(at.scale === undefined ? {} : { scale: { float: at.scale } }),
        ...(at.softcap === 0 ? {} : { softcap: { float: at.softcap } }),
        is_causal: { int: Number(at.causal) },
      },
      inputs: [
        input(heads, at.queries, at.width),
        input(at.shared, keys, at.width),
        input(at.shared, keys, at.valueWidth),
      ],
      constants: [maskOf(at, [at.queries, keys], heads)],
    };
  }

  function maskOf(at: Drawn, flat: readonly number[], heads: number): Initializer | undefined {
    const random = createRandom(at.seed + 1);
    const shape = at.mask === "whole" ? [at.batch, heads, ...flat] : flat;
    const [, keys = 1] = flat;
    if (at.mask === "none") return undefined;
    if (at.mask !== "bool") return tensor("mask", "float32", shape, uniform(random, shape).values);
    // The first key always counts: a row in which none does is NaN in some kernels.
    const counts = Uint8Array.from({ length: sizeOf(shape) }, (_, i) =>
      i % keys === 0 || random.next() < 0.5 ? 1 : 0,
    );
    return tensor("mask", "bool", shape, counts);
  }

  test("has the values of ONNX Runtime's own kernel", () =>
    fc.assert(fc.asyncProperty(cases, expectKernel), { numRuns: 40, seed: 1 }));

  test("has the gradients of central differences", () =>
    fc.assert(fc.asyncProperty(cases, expectOwnGradients), { numRuns: 10, seed: 2 }));

  test("a row in which nothing counts stays finite", async () => {
    const x = uniform(createRandom(1), [1, 1, 2, 2]);
    const mask = tensor("mask", "bool", [2, 2], Uint8Array.of(0, 0, 1, 1));
    const at = { operator: "Attention", attributes: {}, inputs: [x, x, x], constants: [mask] };
    expect((await ours(at)).values.every(Number.isFinite)).toBe(true);
  });

  test("caches and odd heads are refused by name", () => {
    const x = uniform(createRandom(1), [1, 2, 3]);
    const past = tensor("past", "float32", [1, 1, 1, 3], new Float32Array(3));
    const build = (attributes: Attributes, constants: Case["constants"]) => () => {
      const graph = new GraphBuilder();
      const names = [0, 1, 2].map((i) => graph.input(`x${i}`, { type: "float32", shape: x.shape }));
      bound(graph, { operator: "Attention", attributes, inputs: [x, x, x], constants }, names);
    };
    expect(build({}, [undefined, past, past])).toThrow(/node layer \(Attention\): caches/);
    expect(build({ q_num_heads: { int: 2 }, kv_num_heads: { int: 2 } }, [])).toThrow(
      /input 0 cannot be split into q_num_heads = 2 heads; inputs: float32\[1,2,3\]/,
    );
    expect(build({}, [])).toThrow(/q_num_heads = 0/);
  });
});

describe("RotaryEmbedding", () => {
  const cases = fc
    .record({
      batch: size,
      heads: size,
      length: size,
      pairs: size,
      rest: fc.constantFrom(0, 2),
      merged: fc.boolean(),
      interleaved: fc.boolean(),
      positions: fc.boolean(),
      seed: fc.integer(),
    })
    .map((at): Case => {
      const random = createRandom(at.seed);
      const width = 2 * at.pairs + at.rest;
      const shape = at.merged
        ? [at.batch, at.length, at.heads * width]
        : [at.batch, at.heads, at.length, width];
      const table = at.positions ? [5, at.pairs] : [at.batch, at.length, at.pairs];
      const angles = uniform(random, table, -3, 3).values;
      const ids = BigInt64Array.from({ length: at.batch * at.length }, () =>
        BigInt(Math.floor(random.next() * 5)),
      );
      return {
        operator: "RotaryEmbedding",
        attributes: {
          interleaved: { int: Number(at.interleaved) },
          ...(at.rest === 0 ? {} : { rotary_embedding_dim: { int: 2 * at.pairs } }),
          ...(at.merged || at.rest > 0 ? { num_heads: { int: at.heads } } : {}),
        },
        inputs: [uniform(random, shape)],
        constants: [
          tensor("cos", "float32", table, angles.map(Math.cos)),
          tensor("sin", "float32", table, angles.map(Math.sin)),
          at.positions ? tensor("ids", "int64", [at.batch, at.length], ids) : undefined,
        ],
      };
    });

  test("has the values of ONNX Runtime's own kernel", () =>
    fc.assert(fc.asyncProperty(cases, expectKernel), { numRuns: 40, seed: 1 }));

  test("has the gradients of central differences", () =>
    fc.assert(fc.asyncProperty(cases, expectOwnGradients), { numRuns: 12, seed: 2 }));
});
