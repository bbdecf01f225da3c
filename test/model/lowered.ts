/** What the tests of lowered operators share: one operator written out, and the same run as ONNX has it. */
import type { GraphBuilder } from "../../src/model/onnx/builder.ts";
import type { Attributes, Graph } from "../../src/model/onnx/graph.ts";
import type { LoweringContext } from "../../src/model/onnx/lower/rule.ts";
import { LOWERINGS } from "../../src/model/onnx/lower/table.ts";
import type { Engine } from "../../src/model/onnx/run.ts";
import { evaluator, type NumericInput } from "./numeric.ts";

/** Writes the operator out as in training, all inputs trained; answers its first output. */
export function lower(
  graph: GraphBuilder,
  operator: string,
  inputs: readonly string[],
  attributes: Attributes = {},
  context: Partial<LoweringContext> = {},
): string {
  const name = graph.freshName(operator);
  const at: LoweringContext = {
    graph,
    node: { name, operator, inputs, outputs: ["y"], attributes },
    training: true,
    isTrained: () => true,
    stateOf: (name) => name,
    updateState: () => undefined,
    random: (shape) => graph.input(graph.freshName("random"), { type: "float32", shape }),
    ...context,
  };
  const outputs = LOWERINGS[operator]?.(at) ?? [graph.emit(operator, inputs, attributes)];
  return outputs[0] as string;
}

/** The output, of the first input's shape, that ONNX Runtime's own operator gives. */
export async function runOwn(
  engine: Engine,
  operator: string,
  inputs: readonly NumericInput[],
  attributes: Attributes = {},
): Promise<Float32Array> {
  const values = inputs.map(({ shape }, i) => ({ name: `x${i}`, type: "float32" as const, shape }));
  const names = values.map(({ name }) => name);
  const graph: Graph = {
    name: "own",
    nodes: [{ name: "node", operator, inputs: names, outputs: ["y"], attributes }],
    inputs: values,
    outputs: [{ name: "y", type: "float32", shape: inputs[0]?.shape ?? [] }],
    initializers: [],
  };
  return runGraph(engine, graph, inputs);
}

/** Runs a graph once on inputs in order; answers its first output. */
export async function runGraph(
  engine: Engine,
  graph: Graph,
  inputs: readonly NumericInput[],
): Promise<Float32Array> {
  const program = await evaluator(engine, graph);
  const feeds = graph.inputs.map(({ name }, i) => [name, inputs[i] as NumericInput] as const);
  const [values] = await program.run(Object.fromEntries(feeds));
  await program.release();
  return values as Float32Array;
}
