/**
 * Computes small constants while a graph is built: exporters write shapes as arithmetic (Shape, Gather,
 * Concat, Reshape), and static shapes make all of that known. A fold answers exactly what ONNX Runtime
 * would compute; integers are exact and wrap, floats are rounded to their type.
 */
import { type Initializer, type Node, sizeOf, type TensorType } from "../graph.ts";
import { SHAPE_RULES } from "../shape/table.ts";

export type Constant = Omit<Initializer, "name">;
export type Data = Initializer["data"];

export interface FoldContext {
  readonly node: Node;
  /** Types of the inputs; undefined where an optional input is left out. */
  readonly types: readonly (TensorType | undefined)[];
  /** Values of the inputs that are constants. */
  readonly values: readonly (Constant | undefined)[];
}

/** The outputs, or undefined if they cannot be known. */
export type Fold = (at: FoldContext) => readonly Constant[] | undefined;

/** Larger results, in elements, are left to ONNX Runtime. */
export const FOLD_LIMIT = 65_536;

/** A node whose inputs are all constants, and the types of its outputs. */
export interface Known {
  readonly node: Node;
  readonly inputs: readonly (Constant | undefined)[];
  readonly outputs: readonly TensorType[];
}

/** The data of the outputs, or undefined if ONNX leaves them open (an overflow, say). */
export type Compute = (at: Known) => readonly Data[] | undefined;

/**
 * The fold of an operator that reads only constants; the shape rule types its outputs.
 * Errors: `InputError` of the shape rule if the inputs do not fit.
 */
export const folding =
  (compute: Compute): Fold =>
  ({ node, types, values }) => {
    if (types.some((type, i) => type && !values[i])) return undefined;
    const rule = SHAPE_RULES[node.operator];
    const outputs = rule?.({
      node,
      inputs: types,
      constant: (index) => values[index] && Array.from(values[index].data, Number),
    });
    if (!outputs || outputs.some(({ shape }) => sizeOf(shape) > FOLD_LIMIT)) return undefined;
    const data = compute({ node, inputs: values, outputs });
    return data?.map((part, i) => ({ ...(outputs[i] as TensorType), data: part }));
  };

/** The same for operators with one output. */
export const foldingOne = (compute: (at: Known) => Data | undefined): Fold =>
  folding((at) => {
    const data = compute(at);
    return data && [data];
  });

/** A constant input that the shape rule has already asked for. */
export const inputOf = (at: Known, index: number): Constant => at.inputs[index] as Constant;
export const outputOf = (at: Known): TensorType => at.outputs[0] as TensorType;

/** The values of an integer input as numbers; undefined if left out. */
export const numbersAt = (at: Known, index: number): readonly number[] | undefined =>
  at.inputs[index] && Array.from(at.inputs[index].data, Number);

/** Zeros of the element type that `data` has. */
export const emptyLike = (data: Data, length: number): Data =>
  new (data.constructor as new (length: number) => Data)(length);

/** Elements of `data` at the places that `from` names. */
export function pick(data: Data, length: number, from: (index: number) => number): Data {
  const picked = emptyLike(data, length);
  for (let i = 0; i < length; i++) picked[i] = data[from(i)] as number;
  return picked;
}
