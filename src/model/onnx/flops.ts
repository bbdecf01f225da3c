/**
 * Floating-point operations of a graph, counted per operator: a multiply-add is two, any other arithmetic
 * on an element one, moving elements none. Padding counts as if it were data, as is usual.
 */
import type { Graph, Node } from "./graph.ts";
import { intAttribute, intsAttribute, sizeOf } from "./graph.ts";
import { equationOf, letterSizes } from "./shape/einsum.ts";

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
/** A product and a sum for each of the indices, which all run over one another. */
const einsum: Cost = (at) => {
  const { operands } = equationOf(at.node);
  const indices = sizeOf([...(letterSizes(operands, at.inputs)?.values() ?? [])]);
  return operands.length * indices;
};
/** Of n inputs n - 1 are added or compared. */
const others: Cost = (at) => (at.inputs.length - 1) * sizeOf(at.output);
const convTranspose: Cost = (at) =>
  2 * sizeOf(at.inputs[0] ?? []) * sizeOf((at.inputs[1] ?? []).slice(1));
const pool: Cost = (at) => sizeOf(at.output) * sizeOf(intsAttribute(at.node, "kernel_shape", []));

/** Both products of each step and example, and about four operations for each row of a gate. */
const recurrent: Cost = (at) => {
  const [steps = 0, batch = 0] = at.inputs[0] ?? [];
  const [w = [], r = []] = at.inputs.slice(1);
  return steps * batch * (2 * (sizeOf(w) + sizeOf(r)) + 4 * sizeOf(w.slice(0, 2)));
};

/** Operators not named here cost one operation an output element. */
const COSTS: Readonly<Record<string, Cost>> = {
  ArgMax: perInput,
  ArgMin: perInput,
  AveragePool: pool,
  BatchNormalization: perOutput(2),
  Cast: free,
  Celu: perOutput(4),
  Clip: perOutput(2),
  Concat: free,
  Constant: free,
  ConstantOfShape: free,
  Conv: conv,
  ConvTranspose: convTranspose,
  DepthToSpace: free,
  Einsum: einsum,
  Elu: perOutput(3),
  Expand: free,
  EyeLike: free,
  Flatten: free,
  Gather: free,
  GatherElements: free,
  GatherND: free,
  Gelu: perOutput(5),
  Gemm: gemm,
  GlobalAveragePool: perInput,
  GlobalMaxPool: perInput,
  GroupNormalization: perOutput(8),
  GRU: recurrent,
  HardSigmoid: perOutput(4),
  HardSwish: perOutput(5),
  Identity: free,
  InstanceNormalization: perOutput(8),
  LayerNormalization: perOutput(8),
  LeakyRelu: perOutput(2),
  LogSoftmax: perOutput(5),
  LRN: (at) => sizeOf(at.output) * (2 * intAttribute(at.node, "size", 1) + 4),
  LSTM: recurrent,
  MatMul: matMul,
  Max: others,
  MaxPool: pool,
  MaxUnpool: free,
  Mean: (at) => at.inputs.length * sizeOf(at.output),
  Min: others,
  NonZero: free,
  OneHot: free,
  Pad: free,
  PRelu: perOutput(2),
  Range: free,
  ReduceL1: (at) => 2 * perInput(at),
  ReduceL2: (at) => 2 * perInput(at),
  ReduceLogSum: perInput,
  ReduceLogSumExp: (at) => 4 * perInput(at),
  ReduceMax: perInput,
  ReduceMean: perInput,
  ReduceMin: perInput,
  ReduceProd: perInput,
  ReduceSum: perInput,
  ReduceSumSquare: (at) => 2 * perInput(at),
  Reshape: free,
  ReverseSequence: free,
  ScatterElements: free,
  ScatterND: free,
  Selu: perOutput(4),
  Shape: free,
  Sigmoid: perOutput(4),
  Size: free,
  Slice: free,
  Softmax: perOutput(4),
  Softplus: perOutput(3),
  Softsign: perOutput(3),
  SpaceToDepth: free,
  Split: free,
  Squeeze: free,
  Sum: others,
  Tile: free,
  TopK: perInput,
  Transpose: free,
  Trilu: free,
  Unsqueeze: free,
  Where: free,
};

/** FLOPs of one run of a graph, or of some of its nodes. */
export function flopsOf(
  graph: Pick<Graph, "nodes">,
  shapeOf: (value: string) => readonly number[],
): number {
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
