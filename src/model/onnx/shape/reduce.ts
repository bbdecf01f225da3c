/** Shapes of reductions. Their axes are an input (opset 18). */
import { axisOf, intAttribute } from "../graph.ts";
import { required, type ShapeRule } from "./rule.ts";

const reduce: ShapeRule = (at) => {
  const { shape } = required(at, 0);
  const keep = intAttribute(at.node, "keepdims", 1) === 1;
  const axes = at.constant(1)?.map((axis) => axisOf(axis, shape.length)) ?? shape.map((_, i) => i);
  const reduced = keep
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis));
  return [{ type: required(at, 0).type, shape: reduced }];
};

export const reduceShapes = {
  ReduceMean: reduce,
  ReduceSum: reduce,
  ReduceSumSquare: reduce,
} satisfies Record<string, ShapeRule>;
