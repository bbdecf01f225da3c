/** Shapes of activations: those of their inputs. */
import { shapeError } from "../errors.ts";
import { sameShape } from "../graph.ts";
import { unary } from "./elementwise.ts";
import { broadcast, required, type ShapeRule } from "./rule.ts";

/** The slope broadcasts to the input, never the other way. */
const pRelu: ShapeRule = (at) => {
  const x = required(at, 0);
  const slope = required(at, 1);
  const joined = broadcast(x.shape, slope.shape);
  if (!joined || !sameShape(joined, x.shape))
    throw shapeError(at.node, at.inputs, "the slope does not broadcast to the input's shape");
  return [x];
};

export const activationShapes = {
  Celu: unary,
  Elu: unary,
  Gelu: unary,
  HardSigmoid: unary,
  HardSwish: unary,
  LeakyRelu: unary,
  PRelu: pRelu,
  Relu: unary,
  Selu: unary,
  Shrink: unary,
  Sigmoid: unary,
  Softplus: unary,
  Softsign: unary,
  Tanh: unary,
  ThresholdedRelu: unary,
} satisfies Record<string, ShapeRule>;
