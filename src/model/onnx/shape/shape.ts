/** Shapes of operators that only move elements. */
import { shapeError } from "../errors.ts";
import { axisOf, intAttribute, intsAttribute, sizeOf } from "../graph.ts";
import { broadcast, required, type ShapeContext, type ShapeRule } from "./rule.ts";

const constant = (at: ShapeContext, index: number): readonly number[] => {
  const values = at.constant(index);
  if (!values) throw shapeError(at.node, at.inputs, `input ${index} is missing`);
  return values;
};

const reshape: ShapeRule = (at) => {
  const x = required(at, 0);
  const wanted = constant(at, 1).map((size, axis) => (size === 0 ? (x.shape[axis] ?? 0) : size));
  const known = wanted.reduce((product, size) => (size < 0 ? product : product * size), 1);
  const shape = wanted.map((size) => (size < 0 ? sizeOf(x.shape) / known : size));
  if (sizeOf(shape) !== sizeOf(x.shape))
    throw shapeError(at.node, at.inputs, `cannot reshape to [${wanted.join()}]`);
  return [{ type: x.type, shape }];
};

const flatten: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const axis = axisOf(intAttribute(at.node, "axis", 1), shape.length);
  return [{ type, shape: [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))] }];
};

const transpose: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const order = intsAttribute(at.node, "perm", shape.map((_, axis) => axis).reverse());
  if (
    [...order].sort((a, b) => a - b).some((axis, i) => axis !== i) ||
    order.length !== shape.length
  )
    throw shapeError(at.node, at.inputs, `perm [${order.join()}] is no order of the axes`);
  return [{ type, shape: order.map((axis) => shape[axis] ?? 0) }];
};

const expand: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const target = broadcast(shape, constant(at, 1));
  if (!target) throw shapeError(at.node, at.inputs, `cannot expand to [${constant(at, 1).join()}]`);
  return [{ type, shape: target }];
};

/** Slice with constant starts, ends, axes and steps; steps must be positive. */
const slice: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const starts = constant(at, 1);
  const ends = constant(at, 2);
  const axes = at.constant(3) ?? starts.map((_, i) => i);
  const steps = at.constant(4) ?? starts.map(() => 1);
  const sliced = [...shape];
  axes.forEach((given, i) => {
    const axis = axisOf(given, shape.length);
    const size = shape[axis] ?? 0;
    const place = (value: number): number =>
      Math.min(size, Math.max(0, value < 0 ? value + size : value));
    const step = steps[i] ?? 1;
    if (step < 1) throw shapeError(at.node, at.inputs, `steps of ${step} are not supported`);
    sliced[axis] = Math.max(0, Math.ceil((place(ends[i] ?? 0) - place(starts[i] ?? 0)) / step));
  });
  return [{ type, shape: sliced }];
};

const scatterElements: ShapeRule = (at) => [required(at, 0)];

export const movingShapes = {
  Expand: expand,
  Flatten: flatten,
  Reshape: reshape,
  ScatterElements: scatterElements,
  Slice: slice,
  Transpose: transpose,
} satisfies Record<string, ShapeRule>;
