/** Gradients of operators that only move elements: the gradient moves back. */
import { intsAttribute } from "../graph.ts";
import { type GradientRule, inputOf, reshape, unbroadcast } from "./rule.ts";

const moved: GradientRule = (at) => [
  reshape(at.graph, at.upstream, at.graph.shapeOf(inputOf(at, 0))),
];

const expand: GradientRule = (at) => [
  unbroadcast(at.graph, at.upstream, at.graph.shapeOf(inputOf(at, 0))),
];

const transpose: GradientRule = (at) => {
  const axes = at.graph.shapeOf(at.upstream).map((_, axis) => axis);
  const order = intsAttribute(at.node, "perm", [...axes].reverse());
  const inverse = axes.map((axis) => order.indexOf(axis));
  return [at.graph.emit("Transpose", [at.upstream], { perm: { ints: inverse } })];
};

export const movingGradients = {
  Expand: expand,
  Flatten: moved,
  Reshape: moved,
  Transpose: transpose,
} satisfies Record<string, GradientRule>;
