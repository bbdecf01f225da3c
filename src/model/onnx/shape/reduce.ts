/** Shapes of reductions. Their axes are an input (opset 18), those of ArgMax, ArgMin and TopK an attribute. */
import { shapeError } from "../errors.ts";
import { axisOf, intAttribute, type Node } from "../graph.ts";
import { required, type ShapeContext, type ShapeRule } from "./rule.ts";

/** The axes that a reduction runs over; no axes given means all of them, or none if the node says so. */
export function reducedAxes(
  node: Node,
  rank: number,
  given: readonly number[] | undefined,
): readonly number[] {
  if (given && given.length > 0) return given.map((axis) => axisOf(axis, rank));
  const none = intAttribute(node, "noop_with_empty_axes", 0) === 1;
  return none ? [] : Array.from({ length: rank }, (_, axis) => axis);
}

const checked = (at: ShapeContext, axis: number, rank: number): void => {
  if (axis < 0 || axis >= rank)
    throw shapeError(at.node, at.inputs, `there is no axis ${axis < 0 ? axis - rank : axis}`);
};

const without = (
  at: ShapeContext,
  shape: readonly number[],
  axes: readonly number[],
): readonly number[] => {
  for (const axis of axes) checked(at, axis, shape.length);
  const keep = intAttribute(at.node, "keepdims", 1) === 1;
  return keep
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis));
};

const reduce: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const axes = reducedAxes(at.node, shape.length, at.constant(1));
  return [{ type, shape: without(at, shape, axes) }];
};

const argument: ShapeRule = (at) => {
  const { shape } = required(at, 0);
  const axis = axisOf(intAttribute(at.node, "axis", 0), shape.length);
  return [{ type: "int64", shape: without(at, shape, [axis]) }];
};

/** The k largest or smallest along an axis, and their places. */
const topK: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const axis = axisOf(intAttribute(at.node, "axis", -1), shape.length);
  checked(at, axis, shape.length);
  const k = at.constant(1)?.[0] ?? 0;
  const size = shape[axis] ?? 0;
  if (k < 0 || k > size) throw shapeError(at.node, at.inputs, `k is ${k}, the axis has ${size}`);
  const kept = shape.map((other, i) => (i === axis ? k : other));
  return [
    { type, shape: kept },
    { type: "int64", shape: kept },
  ];
};

export const reduceShapes = {
  ArgMax: argument,
  ArgMin: argument,
  ReduceL1: reduce,
  ReduceL2: reduce,
  ReduceLogSum: reduce,
  ReduceLogSumExp: reduce,
  ReduceMax: reduce,
  ReduceMean: reduce,
  ReduceMin: reduce,
  ReduceProd: reduce,
  ReduceSum: reduce,
  ReduceSumSquare: reduce,
  TopK: topK,
} satisfies Record<string, ShapeRule>;
