/**
 * Brings a node of operator sets 13 and up to the form of the one we speak (OPSET, 22): axes that moved from
 * attributes to inputs, a mode that outputs told. The list is the difference of the schemas in onnx 1.23
 * (https://github.com/onnx/onnx/blob/main/docs/Changelog.md). Most operators changed in the types they take
 * only, or gained attributes whose defaults mean what older files meant (Add, Conv, MaxPool, Reshape, Pad,
 * LSTM, Dropout, …): they stay as they are. So do operators newer than 22.
 */
import type { GraphBuilder } from "./builder.ts";
import { shapeError } from "./errors.ts";
import { type Attributes, intAttribute, intsAttribute, type Node } from "./graph.ts";

type Upgrade = (graph: GraphBuilder, node: Node) => Node;

interface Change {
  /** The operator set whose form is the one that we speak. */
  readonly since: number;
  readonly upgrade: Upgrade;
}

const without = (attributes: Attributes, name: string): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([key]) => key !== name));

/** Axes become the second input; none at all: over all of them. */
const axesToInput: Upgrade = (graph, node) => {
  const axes = intsAttribute(node, "axes", []);
  const [data = ""] = node.inputs;
  return {
    ...node,
    inputs: axes.length > 0 ? [data, graph.ints(axes)] : [data],
    attributes: without(node.attributes, "axes"),
  };
};

/** Without sizes the number of parts was that of the outputs; now it is said. */
const split: Upgrade = (_, node) =>
  node.inputs[1]
    ? node
    : { ...node, attributes: { ...node.attributes, num_outputs: { int: node.outputs.length } } };

/** More than one output meant training; the two saved statistics went. */
const batchNormalization: Upgrade = (_, node) => ({
  ...node,
  outputs: node.outputs.slice(0, 3),
  attributes: { ...node.attributes, training_mode: { int: node.outputs.length > 1 ? 1 : 0 } },
});

/** Scale and bias were given for each group, now they are for each channel. */
const groupNormalization: Upgrade = (graph, node) => {
  const [data = "", scale = "", bias = ""] = node.inputs;
  const groups = intAttribute(node, "num_groups", 0);
  const channels = graph.shapeOf(data)[1] ?? 0;
  if (groups < 1 || channels % groups > 0)
    throw shapeError(
      node,
      [graph.typeOf(data)],
      `num_groups is ${groups}, of ${channels} channels`,
    );
  const perChannel = (name: string): string => {
    const column = graph.emit("Reshape", [name, graph.ints([groups, 1])]);
    const wide = graph.emit("Expand", [column, graph.ints([groups, channels / groups])]);
    return graph.emit("Reshape", [wide, graph.ints([channels])]);
  };
  return { ...node, inputs: [data, perChannel(scale), perChannel(bias)] };
};

/** Rounding of eight-bit floats, which we have not. */
const cast: Upgrade = (_, node) => ({
  ...node,
  attributes: without(node.attributes, "round_mode"),
});

const AXES: Change = { since: 18, upgrade: axesToInput };
const ROUNDING: Change = { since: Number.POSITIVE_INFINITY, upgrade: cast };
const CHANGES: Readonly<Record<string, Change>> = {
  BatchNormalization: { since: 14, upgrade: batchNormalization },
  Cast: ROUNDING,
  CastLike: ROUNDING,
  GroupNormalization: { since: 21, upgrade: groupNormalization },
  ReduceL1: AXES,
  ReduceL2: AXES,
  ReduceLogSum: AXES,
  ReduceLogSumExp: AXES,
  ReduceMax: AXES,
  ReduceMean: AXES,
  ReduceMin: AXES,
  ReduceProd: AXES,
  ReduceSumSquare: AXES,
  Split: { since: 18, upgrade: split },
};

/**
 * The node in the form of operator set 22; `opset` is that of its file. The node's inputs are names in
 * `graph`, where constants and nodes that it now needs are added.
 */
export function upgradeNode(graph: GraphBuilder, node: Node, opset: number): Node {
  const change = CHANGES[node.operator];
  return change && opset < change.since ? change.upgrade(graph, node) : node;
}
