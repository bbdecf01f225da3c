/** Types of operators that make values from nothing but sizes and attributes. */
import { shapeError, unsupportedError } from "../errors.ts";
import {
  type Attribute,
  ELEMENT_TYPES,
  type ElementType,
  intAttribute,
  type Node,
  type TensorType,
} from "../graph.ts";
import { required, type ShapeContext, type ShapeRule } from "./rule.ts";

const given = (at: ShapeContext, index: number): readonly number[] => {
  const values = at.constant(index);
  if (!values) throw shapeError(at.node, at.inputs, `input ${index} is missing`);
  return values;
};

/** The element type of an attribute that holds ONNX's number for it; undefined if there is no attribute. */
export function typeAttribute(node: Node, name: string): ElementType | undefined {
  const number = intAttribute(node, name, 0);
  if (number === 0) return undefined;
  const found = Object.entries(ELEMENT_TYPES).find(([, value]) => value === number);
  if (!found) throw unsupportedError(node, `element type ${number} is not supported`);
  return found[0] as ElementType;
}

/** The one attribute of a Constant as a type, by its name. */
const FORMS: Readonly<Record<string, (value: Attribute) => TensorType | undefined>> = {
  value: (value) => ("tensor" in value ? value.tensor : undefined),
  value_int: () => ({ type: "int64", shape: [] }),
  value_ints: (value) =>
    "ints" in value ? { type: "int64", shape: [value.ints.length] } : undefined,
  value_float: () => ({ type: "float32", shape: [] }),
  value_floats: (value) =>
    "floats" in value ? { type: "float32", shape: [value.floats.length] } : undefined,
};

const constant: ShapeRule = (at) => {
  const [name = "", value] = Object.entries(at.node.attributes)[0] ?? [];
  const type = value && FORMS[name]?.(value);
  if (!type) throw unsupportedError(at.node, `a constant of the form "${name}" is not supported`);
  return [{ type: type.type, shape: type.shape }];
};

const constantOfShape: ShapeRule = (at) => {
  const { value } = at.node.attributes;
  const type = value && "tensor" in value ? value.tensor.type : "float32";
  const shape = given(at, 0);
  if (shape.some((size) => size < 0))
    throw shapeError(at.node, at.inputs, `sizes [${shape.join()}] are negative`);
  return [{ type, shape }];
};

const range: ShapeRule = (at) => {
  const [start = 0] = given(at, 0);
  const [limit = 0] = given(at, 1);
  const [delta = 0] = given(at, 2);
  if (delta === 0) throw shapeError(at.node, at.inputs, "a step of 0");
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  return [{ type: required(at, 0).type, shape: [count] }];
};

const eyeLike: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  if (shape.length !== 2) throw shapeError(at.node, at.inputs, "the input is no matrix");
  return [{ type: typeAttribute(at.node, "dtype") ?? type, shape }];
};

const shapeOf: ShapeRule = (at) => {
  const [start, end] = shapeSpan(at.node, required(at, 0).shape.length);
  return [{ type: "int64", shape: [Math.max(0, end - start)] }];
};

/** The axes that a Shape node reads, from its attributes `start` and `end`. */
export function shapeSpan(node: Node, rank: number): [number, number] {
  const place = (axis: number): number =>
    Math.min(rank, Math.max(0, axis < 0 ? axis + rank : axis));
  return [place(intAttribute(node, "start", 0)), place(intAttribute(node, "end", rank))];
}

const size: ShapeRule = (at) => {
  required(at, 0);
  return [{ type: "int64", shape: [] }];
};

export const constantShapes = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  EyeLike: eyeLike,
  Range: range,
  Shape: shapeOf,
  Size: size,
} satisfies Record<string, ShapeRule>;
