/** Shape inference: one short function an operator, from the types of the inputs to those of the outputs. */
import { shapeError } from "../errors.ts";
import type { Node, TensorType } from "../graph.ts";

export interface ShapeContext {
  readonly node: Node;
  /** Types of the inputs; undefined where an optional input is left out. */
  readonly inputs: readonly (TensorType | undefined)[];
  /** The values of an integer input, which must be a constant of the graph; undefined if left out. */
  constant(index: number): readonly number[] | undefined;
}

export type ShapeRule = (at: ShapeContext) => readonly TensorType[];

/** The type of an input that the operator cannot do without. */
export function required(at: ShapeContext, index: number): TensorType {
  const type = at.inputs[index];
  if (!type) throw shapeError(at.node, at.inputs, `input ${index} is missing`);
  return type;
}

/** NumPy's broadcasting of two shapes; undefined if they do not fit. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const x = a[axis - rank + a.length] ?? 1;
    const y = b[axis - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    shape.push(x === 1 ? y : x);
  }
  return shape;
}
