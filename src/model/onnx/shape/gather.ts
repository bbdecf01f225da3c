/** Shapes of operators that read or write elements by index. */
import { shapeError, unsupportedError } from "../errors.ts";
import { intAttribute, sameShape, stringAttribute } from "../graph.ts";
import { required, type ShapeContext, type ShapeRule } from "./rule.ts";
import { axisAttribute } from "./shape.ts";

/** An input of int32 or int64 indices. */
function indicesOf(at: ShapeContext): readonly number[] {
  const { type, shape } = required(at, 1);
  if (type !== "int32" && type !== "int64")
    throw shapeError(at.node, at.inputs, "indices must be int32 or int64", "insert a Cast");
  return shape;
}

/** An axis of the first input. */
function dataAxis(at: ShapeContext): number {
  const rank = required(at, 0).shape.length;
  const axis = axisAttribute(at, 0, rank);
  if (axis === rank)
    throw shapeError(at.node, at.inputs, `axis ${axis} is outside of rank ${rank}`);
  return axis;
}

const gather: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const axis = dataAxis(at);
  return [{ type, shape: [...shape.slice(0, axis), ...indicesOf(at), ...shape.slice(axis + 1)] }];
};

function fitElements(at: ShapeContext): readonly number[] {
  const { shape } = required(at, 0);
  const axis = dataAxis(at);
  const indices = indicesOf(at);
  const fits = indices.every((size, k) => k === axis || size <= (shape[k] ?? 0));
  if (indices.length !== shape.length || !fits)
    throw shapeError(at.node, at.inputs, `indices do not fit beside axis ${axis}`);
  return indices;
}

const gatherElements: ShapeRule = (at) => [{ type: required(at, 0).type, shape: fitElements(at) }];

/** The shape of what `indices` name in `shape`: the index's last axis counts through axes of the data. */
function namedSlices(at: ShapeContext, batchDims: number): number[] {
  const { shape } = required(at, 0);
  const indices = indicesOf(at);
  const depth = indices.at(-1) ?? 0;
  const fits =
    indices.length > batchDims &&
    depth + batchDims <= shape.length &&
    sameShape(indices.slice(0, batchDims), shape.slice(0, batchDims));
  if (!fits) throw shapeError(at.node, at.inputs, "indices do not fit the data");
  return [...indices.slice(0, -1), ...shape.slice(batchDims + depth)];
}

const gatherND: ShapeRule = (at) => [
  { type: required(at, 0).type, shape: namedSlices(at, intAttribute(at.node, "batch_dims", 0)) },
];

function refuseReduction(at: ShapeContext): void {
  const reduction = stringAttribute(at.node, "reduction", "none");
  if (!["none", "add", "mul", "min", "max"].includes(reduction))
    throw unsupportedError(at.node, `reduction ${reduction} is not supported`);
}

const scatterElements: ShapeRule = (at) => {
  refuseReduction(at);
  if (!sameShape(fitElements(at), required(at, 2).shape))
    throw shapeError(at.node, at.inputs, "indices and updates differ in shape");
  return [required(at, 0)];
};

const scatterND: ShapeRule = (at) => {
  refuseReduction(at);
  if (!sameShape(namedSlices(at, 0), required(at, 2).shape))
    throw shapeError(at.node, at.inputs, `updates must have the shape [${namedSlices(at, 0)}]`);
  return [required(at, 0)];
};

/** A new axis as long as `depth`; `values` holds what is off and what is on. */
const oneHot: ShapeRule = (at) => {
  const { shape } = required(at, 0);
  const [depth = 0] = at.constant(1) ?? [];
  const axis = intAttribute(at.node, "axis", -1);
  const place = axis < 0 ? axis + shape.length + 1 : axis;
  if (shape.length === 0 || depth < 1 || place < 0 || place > shape.length)
    throw shapeError(at.node, at.inputs, `depth ${depth} on axis ${axis} does not fit`);
  return [{ type: required(at, 2).type, shape: shape.toSpliced(place, 0, depth) }];
};

const nonZero: ShapeRule = (at) => {
  const { shape } = required(at, 0);
  const values = at.constant(0) ?? [];
  return [{ type: "int64", shape: [shape.length, values.filter((value) => value !== 0).length] }];
};

export const gatherShapes = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  NonZero: nonZero,
  OneHot: oneHot,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
} satisfies Record<string, ShapeRule>;
