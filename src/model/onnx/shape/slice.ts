/** What a Slice and a Pad do on each axis, worked out once for their shapes, gradients and folds. */

import { shapeError } from "../errors.ts";
import type { Node, TensorType } from "../graph.ts";
import { axisOf } from "../graph.ts";

/** Elements start, start + step, ... of an axis, `count` of them. */
export interface AxisSlice {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** The integer inputs of the node; undefined where one is left out. */
export type Constants = (index: number) => readonly number[] | undefined;

const clamp = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));

/** One entry an axis of `type`. Errors: `InputError`. */
export function slicesOf(node: Node, type: TensorType, constant: Constants): AxisSlice[] {
  const { shape } = type;
  const [starts = [], ends = []] = [constant(1), constant(2)];
  const axes = axesOf(node, type, constant(3) ?? starts.map((_, i) => i));
  const steps = constant(4) ?? starts.map(() => 1);
  if ([ends, axes, steps].some(({ length }) => length !== starts.length))
    throw shapeError(node, [type], "starts, ends, axes and steps differ in length");
  const slices = shape.map((count) => ({ start: 0, step: 1, count }));
  axes.forEach((axis, i) => {
    const size = shape[axis] ?? 0;
    const step = steps[i] ?? 1;
    if (step === 0) throw shapeError(node, [type], "a step of 0");
    const place = (value: number, low: number, high: number): number =>
      clamp(value < 0 ? value + size : value, low, high);
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    const start = place(starts[i] ?? 0, Math.max(low, 0), high);
    const end = place(endOf(ends[i] ?? 0, step), low, high);
    const count = Math.max(0, Math.ceil((end - start) / step));
    slices[axis] = { start, step, count };
  });
  return slices;
}

/** The largest integers mean "as far as the step leads": with a negative one, to the beginning. */
const endOf = (end: number, step: number): number =>
  step < 0 && (end === 2 ** 31 - 1 || end === 2 ** 63) ? Number.NEGATIVE_INFINITY : end;

/** Elements added (or, if negative, cut off) before and after an axis. */
export interface AxisPad {
  readonly begin: number;
  readonly end: number;
}

/** One entry an axis of `type`, from a Pad's pads (all begins, then all ends) and its axes. */
export function padsOf(node: Node, type: TensorType, constant: Constants): AxisPad[] {
  const pads = constant(1) ?? [];
  const all = type.shape.map((_, axis) => axis);
  const axes = axesOf(node, type, constant(3) ?? all);
  if (pads.length !== 2 * axes.length)
    throw shapeError(node, [type], `${pads.length} pads for ${axes.length} axes`);
  const padded = all.map(() => ({ begin: 0, end: 0 }));
  axes.forEach((axis, i) => {
    padded[axis] = { begin: pads[i] ?? 0, end: pads[i + axes.length] ?? 0 };
  });
  return padded;
}

/** Axes counted from the front, each within the rank and named once. Errors: `InputError`. */
export function axesOf(
  node: Node,
  type: TensorType,
  axes: readonly number[],
  rank = type.shape.length,
): number[] {
  const counted = axes.map((axis) => axisOf(axis, rank));
  const bad = counted.some((axis, i) => axis < 0 || axis >= rank || counted.indexOf(axis) !== i);
  if (bad) throw shapeError(node, [type], `[${axes.join()}] are not axes of rank ${rank}`);
  return counted;
}
