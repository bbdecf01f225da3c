/** What the gradient tests of all families share: random shapes, and a check that keeps count of operators. */
import fc from "fast-check";
import { afterAll, beforeAll, expect } from "vitest";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import type { GradientRule } from "../../src/model/onnx/gradient/rule.ts";
import {
  type Attributes,
  ELEMENT_TYPES,
  type ElementType,
  type Node,
} from "../../src/model/onnx/graph.ts";
import { LOWERINGS } from "../../src/model/onnx/lower/table.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import { evaluator, expectGradients, type NumericInput } from "./numeric.ts";

export const runs = { numRuns: 8, seed: 1 };
export const size = fc.integer({ min: 1, max: 4 });
export const bit = fc.constantFrom(0, 1);
export const seed = fc.integer();
/** Of rank 0 to 3, sizes of 1 included. */
export const shape = fc.array(size, { minLength: 0, maxLength: 3 });

/** Two shapes that broadcast to one: some axes of each are 1, leading axes of one are left out. */
export const pair = fc
  .tuple(fc.array(fc.tuple(size, fc.integer({ min: 0, max: 2 })), { maxLength: 3 }), bit)
  .map(([axes, short]) => {
    const a = axes.map(([n, mode]) => (mode === 1 ? 1 : n));
    const b = axes.map(([n, mode]) => (mode === 2 ? 1 : n));
    return [a, short ? b.slice(1) : b] as const;
  });

type Build = (graph: GraphBuilder, names: readonly string[]) => string;

export interface Family {
  engine(): Engine;
  /** Central differences of one operator; `constants` follow the inputs as integer vectors. */
  check(
    operator: string,
    inputs: readonly NumericInput[],
    attributes?: Attributes,
    constants?: readonly (readonly number[])[],
  ): Promise<void>;
  /** The same of any graph, for the sake of this operator. */
  checkGraph(operator: string, inputs: readonly NumericInput[], build: Build): Promise<void>;
  /**
   * Values of a graph's outputs on ONNX Runtime, as float32. It refuses to write into an output of another
   * shape than it computes, so our shape inference is checked too. */
  forward(
    inputs: readonly NumericInput[],
    build: (graph: GraphBuilder, names: readonly string[]) => readonly string[],
  ): Promise<number[][]>;
  /** Gradients of the sum of a graph's output. */
  gradients(inputs: readonly NumericInput[], build: Build): Promise<number[][]>;
}

/**
 * Sets up a file of gradient tests. At its end every rule of `rules` must have been checked, or be one of
 * `flat`, through which no gradient passes. */
export function family(
  rules: Readonly<Record<string, GradientRule>>,
  flat: readonly string[] = [],
): Family {
  let engine: Engine;
  const covered = new Set(flat);
  beforeAll(async () => {
    engine = await createRuntime().engine();
  });
  afterAll(() => {
    expect([...covered].sort()).toEqual(Object.keys(rules).sort());
  });
  const checkGraph: Family["checkGraph"] = (operator, inputs, build) => {
    covered.add(operator);
    return expectGradients(engine, inputs, build);
  };
  return {
    engine: () => engine,
    checkGraph,
    check: (operator, inputs, attributes = {}, constants = []) =>
      checkGraph(operator, inputs, (graph, names) =>
        graph.emit(
          operator,
          [...names, ...constants.map((values) => graph.ints(values))],
          attributes,
        ),
      ),
    forward: (inputs, build) => forward(engine, inputs, build),
    gradients: (inputs, build) => gradients(engine, inputs, build),
  };
}

const declared = (inputs: readonly NumericInput[]): [GraphBuilder, string[]] => {
  const graph = new GraphBuilder();
  const names = inputs.map(({ shape: dims }, i) =>
    graph.input(`x${i}`, { type: "float32", shape: dims }),
  );
  return [graph, names];
};

async function run(
  engine: Engine,
  graph: GraphBuilder,
  inputs: readonly NumericInput[],
  outputs: readonly string[],
): Promise<number[][]> {
  const floats = outputs.map((name) =>
    graph.emit("Cast", [name], { to: { int: ELEMENT_TYPES.float32 } }),
  );
  const program = await evaluator(engine, graph.build("run", floats));
  const results = await program.run(
    Object.fromEntries(inputs.map((input, i) => [`x${i}`, input] as const)),
  );
  await program.release();
  return results.map((values) => [...values]);
}

const forward: (engine: Engine, ...rest: Parameters<Family["forward"]>) => Promise<number[][]> =
  async (engine, inputs, build) => {
    const [graph, names] = declared(inputs);
    return run(engine, graph, inputs, build(graph, names));
  };

const gradients = async (
  engine: Engine,
  inputs: readonly NumericInput[],
  build: Build,
): Promise<number[][]> => {
  const [graph, names] = declared(inputs);
  const loss = graph.emit("ReduceSum", [build(graph, names)], { keepdims: { int: 0 } });
  return run(engine, graph, inputs, [...differentiate(graph, loss, names).values()]);
};

export const tensor = (dims: readonly number[], values: readonly number[]): NumericInput => ({
  shape: dims,
  values: Float32Array.from(values),
});

/** A float32 vector or scalar as another type. */
export const castTo = (graph: GraphBuilder, name: string, type: ElementType): string =>
  type === "float32" ? name : graph.emit("Cast", [name], { to: { int: ELEMENT_TYPES[type] } });

/** The first output of an operator that is written out, in training. */
export function lowered(graph: GraphBuilder, node: Node): string {
  const outputs = LOWERINGS[node.operator]?.({
    graph,
    node,
    training: true,
    isTrained: () => false,
    stateOf: (name) => name,
    updateState: () => undefined,
    random: () => "",
  });
  return outputs?.[0] ?? "";
}
