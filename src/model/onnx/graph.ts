/**
 * ONNX graphs as plain data (https://onnx.ai/onnx/repo-docs/IR.html). Shapes are static: the batch size is
 * bound before a graph is built, so that every error can name both shapes.
 */

/** Element types by the number that ONNX gives them (TensorProto.DataType). */
export const ELEMENT_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
} as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

/** The typed array that holds elements of each type. */
export const ELEMENT_ARRAYS = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  float64: Float64Array,
} as const satisfies Record<ElementType, unknown>;

export interface TensorType {
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** A named input or output of a graph. */
export interface Value extends TensorType {
  readonly name: string;
}

/** A constant of the graph. `data` has one element for each entry of the shape. */
export interface Initializer extends Value {
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Int8Array;
}

/** Attributes carry their ONNX type, because 1 and 1.0 are different things in a file. */
export type Attribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly tensor: Initializer }
  /** An AttributeProto that we do not read (a subgraph, say), as it stood in the file. */
  | { readonly raw: Uint8Array; readonly holds: string };
export type Attributes = Readonly<Record<string, Attribute>>;

export interface Node {
  readonly name: string;
  /** `op_type`: "Conv". */
  readonly operator: string;
  /** Absent: the default domain of ONNX. */
  readonly domain?: string | undefined;
  /** Names of values; an empty name stands for an optional input left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

/** Nodes are in topological order. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly initializers: readonly Initializer[];
}

export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis]);

export const intAttribute = (node: Node, name: string, fallback: number): number => {
  const attribute = node.attributes[name];
  return attribute && "int" in attribute ? attribute.int : fallback;
};

export const intsAttribute = (
  node: Node,
  name: string,
  fallback: readonly number[],
): readonly number[] => {
  const attribute = node.attributes[name];
  return attribute && "ints" in attribute ? attribute.ints : fallback;
};

export const floatAttribute = (node: Node, name: string, fallback: number): number => {
  const attribute = node.attributes[name];
  return attribute && "float" in attribute ? attribute.float : fallback;
};

export const stringAttribute = (node: Node, name: string, fallback: string): string => {
  const attribute = node.attributes[name];
  return attribute && "string" in attribute ? attribute.string : fallback;
};

/** An axis counted from the end if negative. */
export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** Elements of a tensor as numbers; int64 beyond 2^53 loses digits, which no shape or index needs. */
export const numbersOf = (tensor: Initializer): number[] => Array.from(tensor.data, Number);
