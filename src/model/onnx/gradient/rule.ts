/**
 * Reverse-mode differentiation, one rule an operator: given dLoss/dOutput, a rule emits standard ONNX
 * operators that compute dLoss/dInput for each input that needs it.
 */
import type { GraphBuilder } from "../builder.ts";
import { axisOf, intAttribute, type Node, sameShape } from "../graph.ts";

export interface GradientContext {
  readonly graph: GraphBuilder;
  readonly node: Node;
  /** dLoss / d(first output), of that output's shape; zeros if the loss does not depend on it. */
  readonly upstream: string;
  /** dLoss / d(output `index`); undefined if the loss does not depend on that output. */
  upstreamOf(index: number): string | undefined;
  /** Whether anything that is trained stands behind this input. */
  needs(index: number): boolean;
}

/** One entry an input: the name of its gradient, of exactly its shape, or undefined. */
export type GradientRule = (at: GradientContext) => readonly (string | undefined)[];

export const inputOf = (at: GradientContext, index: number): string => at.node.inputs[index] ?? "";
export const outputOf = (at: GradientContext): string => at.node.outputs[0] ?? "";

/** Undoes broadcasting: sums `gradient` over the axes along which `shape` was repeated. */
export function unbroadcast(
  graph: GraphBuilder,
  gradient: string,
  shape: readonly number[],
): string {
  const wide = graph.shapeOf(gradient);
  if (sameShape(wide, shape)) return gradient;
  const lead = wide.length - shape.length;
  const axes = wide.flatMap((size, axis) =>
    axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : [],
  );
  if (axes.length === 0) return reshape(graph, gradient, shape);
  const keepsRank = lead === 0;
  const sum = graph.emit("ReduceSum", [gradient, graph.ints(axes)], {
    keepdims: { int: keepsRank ? 1 : 0 },
  });
  return reshape(graph, sum, shape);
}

export const reshape = (graph: GraphBuilder, value: string, shape: readonly number[]): string =>
  sameShape(graph.shapeOf(value), shape)
    ? value
    : graph.emit("Reshape", [value, graph.ints(shape)]);

export const lastAxis = (at: GradientContext): number =>
  axisOf(intAttribute(at.node, "axis", -1), at.graph.shapeOf(inputOf(at, 0)).length);

/** Zeros of a float32 shape. */
export const zeros = (graph: GraphBuilder, shape: readonly number[]): string =>
  graph.emit("Expand", [graph.scalar(0), graph.ints(shape)]);
