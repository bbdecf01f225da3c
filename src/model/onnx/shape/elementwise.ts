/** Shapes of operators that work element by element, broadcast or not. */
import { shapeError } from "../errors.ts";
import type { TensorType } from "../graph.ts";
import { ELEMENT_TYPES, type ElementType, intAttribute } from "../graph.ts";
import { broadcast, required, type ShapeContext, type ShapeRule } from "./rule.ts";

const unary: ShapeRule = (at) => [required(at, 0)];

const broadcastOf = (at: ShapeContext, first: number, count: number): readonly number[] => {
  let shape: readonly number[] = required(at, first).shape;
  for (let i = first + 1; i < first + count; i++) {
    const joined = broadcast(shape, required(at, i).shape);
    if (!joined) throw shapeError(at.node, at.inputs, "shapes cannot be broadcast");
    shape = joined;
  }
  return shape;
};

const binary: ShapeRule = (at) => {
  const a = required(at, 0);
  if (a.type !== required(at, 1).type)
    throw shapeError(at.node, at.inputs, "element types differ", "insert a Cast");
  return [{ type: a.type, shape: broadcastOf(at, 0, 2) }];
};

const comparison: ShapeRule = (at) => [{ type: "bool", shape: binary(at)[0]?.shape ?? [] }];

const where: ShapeRule = (at) => [{ type: required(at, 1).type, shape: broadcastOf(at, 0, 3) }];

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
  Add: binary,
  Cast: cast,
  DequantizeLinear: dequantize,
  Div: binary,
  Equal: comparison,
  Exp: unary,
  Greater: comparison,
  Identity: unary,
  Log: unary,
  LogSoftmax: unary,
  Mul: binary,
  Neg: unary,
  Relu: unary,
  Sign: unary,
  Softmax: unary,
  Sqrt: unary,
  Sub: binary,
  Where: where,
} satisfies Record<string, ShapeRule>;
