/**
 * Floating-point operations of a graph, counted per operator: a multiply-add is two, any other arithmetic
 * on an element one, moving elements none. Padding counts as if it were data, as is usual.
 */
import type { Graph, Node } from "./graph.ts";
import { intAttribute, intsAttribute, sizeOf } from "./graph.ts";

/** Shapes of a node's inputs and of its first output. */
interface Shapes {
  readonly node: Node;
  readonly inputs: readonly (readonly number[])[];
  readonly output: readonly number[];
}

type Cost = (at: Shapes) => number;

const perOutput =
  (cost: number): Cost =>
  (at) =>
    cost * sizeOf(at.output);
const perInput: Cost = (at) => sizeOf(at.inputs[0] ?? []);
const free: Cost = () => 0;

const gemm: Cost = (at) => {
  const depth = at.inputs[0]?.[intAttribute(at.node, "transA", 0) ? 0 : 1] ?? 0;
  return sizeOf(at.output) * (2 * depth + (at.inputs[2] ? 1 : 0));
};
const matMul: Cost = (at) => 2 * sizeOf(at.output) * (at.inputs[0]?.at(-1) ?? 0);
const conv: Cost = (at) =>
  sizeOf(at.output) * (2 * sizeOf((at.inputs[1] ?? []).slice(1)) + (at.inputs[2] ? 1 : 0));
const convTranspose: Cost = (at) =>
  2 * sizeOf(at.inputs[0] ?? []) * sizeOf((at.inputs[1] ?? []).slice(1));
const pool: Cost = (at) => sizeOf(at.output) * sizeOf(intsAttribute(at.node, "kernel_shape", []));

/** Operators not named here cost one operation an output element. */
const COSTS: Readonly<Record<string, Cost>> = {
  Cast: free,
  Conv: conv,
  ConvTranspose: convTranspose,
  Expand: free,
  Flatten: free,
  Gemm: gemm,
  Identity: free,
  LogSoftmax: perOutput(5),
  MatMul: matMul,
  MaxPool: pool,
  MaxUnpool: free,
  ReduceMean: perInput,
  ReduceSum: perInput,
  ReduceSumSquare: (at) => 2 * perInput(at),
  Reshape: free,
  ScatterElements: free,
  Slice: free,
  Softmax: perOutput(4),
  Transpose: free,
};

/** FLOPs of one run of the graph. */
export function flopsOf(graph: Graph, shapeOf: (value: string) => readonly number[]): number {
  let total = 0;
  for (const node of graph.nodes) {
    const cost = COSTS[node.operator] ?? perOutput(1);
    total += cost({
      node,
      inputs: node.inputs.map((name) => (name === "" ? [] : shapeOf(name))),
      output: shapeOf(node.outputs[0] ?? ""),
    });
  }
  return total;
}
