/** Shapes of operators that work element by element, broadcast or not. */
import { shapeError } from "../errors.ts";
import {
  axisOf,
  ELEMENT_TYPES,
  type ElementType,
  intAttribute,
  type TensorType,
} from "../graph.ts";
import { broadcast, required, type ShapeContext, type ShapeRule } from "./rule.ts";

export const unary: ShapeRule = (at) => [required(at, 0)];

const predicate: ShapeRule = (at) => [{ type: "bool", shape: required(at, 0).shape }];

/** Element by element too, as far as shapes go; the axis must be there. */
const alongAxis: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const given = intAttribute(at.node, "axis", -1);
  const axis = axisOf(given, shape.length);
  // ONNX Runtime takes a scalar as one element.
  if (shape.length > 0 && (axis < 0 || axis >= shape.length))
    throw shapeError(at.node, at.inputs, `there is no axis ${given}`);
  return [{ type, shape }];
};

const broadcastOf = (at: ShapeContext, first: number, count: number): readonly number[] => {
  let shape: readonly number[] = required(at, first).shape;
  for (let i = first + 1; i < first + count; i++) {
    const joined = broadcast(shape, required(at, i).shape);
    if (!joined) throw shapeError(at.node, at.inputs, "shapes cannot be broadcast");
    shape = joined;
  }
  return shape;
};

const sameType = (at: ShapeContext, first: number, count: number): ElementType => {
  const { type } = required(at, first);
  for (let i = first + 1; i < first + count; i++)
    if (required(at, i).type !== type)
      throw shapeError(at.node, at.inputs, "element types differ", "insert a Cast");
  return type;
};

const mustBeBool = (at: ShapeContext, index: number): void => {
  if (required(at, index).type !== "bool")
    throw shapeError(at.node, at.inputs, `input ${index} must be bool`, "insert a Cast");
};

/** Any number of inputs that broadcast to one shape. */
const variadic: ShapeRule = (at) => {
  const count = Math.max(1, at.inputs.length);
  return [{ type: sameType(at, 0, count), shape: broadcastOf(at, 0, count) }];
};

const binary: ShapeRule = (at) => [{ type: sameType(at, 0, 2), shape: broadcastOf(at, 0, 2) }];

/** The exponent may be of another type. */
const pow: ShapeRule = (at) => [{ type: required(at, 0).type, shape: broadcastOf(at, 0, 2) }];

const comparison: ShapeRule = (at) => [
  { type: sameType(at, 0, 2) && "bool", shape: broadcastOf(at, 0, 2) },
];

const logical: ShapeRule = (at) => {
  mustBeBool(at, 0);
  return comparison(at);
};

const not: ShapeRule = (at) => {
  mustBeBool(at, 0);
  return unary(at);
};

const where: ShapeRule = (at) => {
  mustBeBool(at, 0);
  return [{ type: sameType(at, 1, 2), shape: broadcastOf(at, 0, 3) }];
};

/** Bounds are scalars, each optional. */
const clip: ShapeRule = (at) => {
  for (const bound of at.inputs.slice(1))
    if (bound && (bound.shape.length > 0 || bound.type !== required(at, 0).type))
      throw shapeError(at.node, at.inputs, "bounds must be scalars of the input's type");
  return unary(at);
};

const cast: ShapeRule = (at) => {
  const number = intAttribute(at.node, "to", 0);
  const type = (Object.keys(ELEMENT_TYPES) as ElementType[]).find(
    (name) => ELEMENT_TYPES[name] === number,
  );
  if (!type) throw shapeError(at.node, at.inputs, `element type ${number} is not supported`);
  return [{ type, shape: required(at, 0).shape }];
};

const dequantize: ShapeRule = (at): readonly TensorType[] => [
  { type: "float32", shape: required(at, 0).shape },
];

export const elementwiseShapes = {
  Abs: unary,
  Acos: unary,
  Acosh: unary,
  Add: binary,
  And: logical,
  Asin: unary,
  Asinh: unary,
  Atan: unary,
  Atanh: unary,
  Cast: cast,
  Ceil: unary,
  Clip: clip,
  Cos: unary,
  Cosh: unary,
  CumSum: unary,
  DequantizeLinear: dequantize,
  Div: binary,
  Equal: comparison,
  Erf: unary,
  Exp: unary,
  Floor: unary,
  Greater: comparison,
  GreaterOrEqual: comparison,
  Hardmax: alongAxis,
  Identity: unary,
  IsInf: predicate,
  IsNaN: predicate,
  Less: comparison,
  LessOrEqual: comparison,
  Log: unary,
  LogSoftmax: alongAxis,
  Max: variadic,
  Mean: variadic,
  Min: variadic,
  Mod: binary,
  Mul: binary,
  Neg: unary,
  Not: not,
  Or: logical,
  Pow: pow,
  Reciprocal: unary,
  Round: unary,
  Sign: unary,
  Sin: unary,
  Sinh: unary,
  Softmax: alongAxis,
  Sqrt: unary,
  Sub: binary,
  Sum: variadic,
  Tan: unary,
  Where: where,
  Xor: logical,
} satisfies Record<string, ShapeRule>;
