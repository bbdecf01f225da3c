/**
 * Gradients of activations. Every formula stays finite however large the input: exponentials are taken of
 * nothing positive, or the operator's own output stands in for them. At a kink the slope is the flatter one,
 * as in PyTorch.
 */
import { floatAttribute, stringAttribute } from "../graph.ts";
import { type Formula, formula, unary } from "./formula.ts";
import { type GradientContext, type GradientRule, inputOf, unbroadcast } from "./rule.ts";

const relu = unary(({ y, g, op, mask }) => op("Mul", g, mask(op("Greater", y, 0))));

const leakyRelu = unary(({ x, g, op }, { node }) => {
  const alpha = floatAttribute(node, "alpha", 0.01);
  return op("Mul", g, op("Where", op("Greater", x, 0), 1, alpha));
});

/** y = x where x > 0, else slope * x. */
const pRelu: GradientRule = (at) => {
  const { x, g, op } = formula(at);
  const slope = inputOf(at, 1);
  const ofInput = (): string => op("Mul", g, op("Where", op("Greater", x, 0), 1, slope));
  const ofSlope = (): string =>
    unbroadcast(at.graph, op("Mul", g, op("Min", x, 0)), at.graph.shapeOf(slope));
  return [at.needs(0) ? ofInput() : undefined, at.needs(1) ? ofSlope() : undefined];
};

/** y = scale * (x where x > 0, else alpha (e^x - 1)): the slope of the left branch is y + scale * alpha. */
const exponential = ({ y, g, op }: Formula, alpha: number, scale: number): string => {
  const left = op("Add", y, scale * alpha);
  return op("Mul", g, op("Where", op("Greater", y, 0), scale, left));
};

/** y = x where x > 0, else alpha (e^(x/alpha) - 1): the slope is 1 + min(y, 0) / alpha. */
const celu = ({ y, g, op }: Formula, alpha: number): string => {
  const below = op("Min", y, 0);
  return op("Mul", g, op("Add", alpha === 1 ? below : op("Mul", below, 1 / alpha), 1));
};

/** With alpha = 1 Elu is Celu, whose slope is cheaper. */
const elu = unary((at, { node }) => {
  const alpha = floatAttribute(node, "alpha", 1);
  return alpha === 1 ? celu(at, 1) : exponential(at, alpha, 1);
});

/** The numbers of Klambauer et al., "Self-Normalizing Neural Networks", 2017, as ONNX has them. */
const selu = unary((at, { node }) =>
  exponential(
    at,
    floatAttribute(node, "alpha", 1.6732632423543772),
    floatAttribute(node, "gamma", 1.0507009873554805),
  ),
);

const thresholdedRelu = unary(({ x, g, op, mask }, { node }) =>
  op("Mul", g, mask(op("Greater", x, floatAttribute(node, "alpha", 1)))),
);

/** The slope is 1 beyond the threshold on either side, else 0. */
const shrink = unary(({ x, g, op, mask }, { node }) =>
  op("Mul", g, mask(op("Greater", op("Abs", x), floatAttribute(node, "lambd", 0.5)))),
);

const sigmoid = unary(({ y, g, op }) => op("Mul", g, op("Sub", y, op("Mul", y, y))));
const tanh = unary(({ y, g, op }) => op("Mul", g, op("Sub", 1, op("Mul", y, y))));
const softplus = unary(({ x, g, op }) => op("Mul", g, op("Sigmoid", x)));

/** y = x / (1 + |x|), y' = 1 / (1 + |x|)^2. */
const softsign = unary(({ x, g, op }) => {
  const divisor = op("Add", op("Abs", x), 1);
  return op("Div", op("Div", g, divisor), divisor);
});

const hardSigmoid = unary(({ y, g, op, mask }, { node }) => {
  const between = mask(op("And", op("Greater", y, 0), op("Less", y, 1)));
  return op("Mul", op("Mul", g, floatAttribute(node, "alpha", 0.2)), between);
});

/** y = x max(0, min(1, x/6 + 1/2)), y' = 0, x/3 + 1/2 or 1. */
const hardSwish = unary(({ x, g, op }) => {
  const ramp = op("Add", op("Mul", x, 1 / 3), 0.5);
  const left = op("Where", op("Greater", x, -3), ramp, 0);
  return op("Mul", g, op("Where", op("Less", x, 3), left, 1));
});

/** y = x P(x) with the normal distribution's P, y' = P(x) + x p(x). */
const normalGelu = ({ x, op }: Formula): string => {
  const erf = op("Erf", op("Mul", x, Math.SQRT1_2));
  const below = op("Add", op("Mul", erf, 0.5), 0.5);
  const bell = op("Exp", op("Mul", op("Mul", x, x), -0.5));
  return op("Add", below, op("Mul", op("Mul", bell, x), 1 / Math.sqrt(2 * Math.PI)));
};

/** y = x (1 + t) / 2 with t = tanh(u), u = s (x + c x^3); y' = (1 + t) / 2 + x (1 - t^2) s (1 + 3 c x^2) / 2. */
const tanhGelu = ({ x, op }: Formula): string => {
  const scale = Math.sqrt(2 / Math.PI);
  const squared = op("Mul", x, x);
  const u = op("Mul", x, op("Add", op("Mul", squared, 0.044715 * scale), scale));
  const t = op("Tanh", u);
  const steepness = op("Add", op("Mul", squared, 1.5 * 0.044715 * scale), scale / 2);
  const side = op("Mul", op("Sub", 1, op("Mul", t, t)), op("Mul", x, steepness));
  return op("Add", op("Add", op("Mul", t, 0.5), 0.5), side);
};

const gelu = unary((at, { node }) =>
  at.op(
    "Mul",
    at.g,
    stringAttribute(node, "approximate", "none") === "tanh" ? tanhGelu(at) : normalGelu(at),
  ),
);

const celuOf = (at: Formula, { node }: GradientContext): string =>
  celu(at, floatAttribute(node, "alpha", 1));

export const activationGradients = {
  Celu: unary(celuOf),
  Elu: elu,
  Gelu: gelu,
  HardSigmoid: hardSigmoid,
  HardSwish: hardSwish,
  LeakyRelu: leakyRelu,
  PRelu: pRelu,
  Relu: relu,
  Selu: selu,
  Shrink: shrink,
  Sigmoid: sigmoid,
  Softplus: softplus,
  Softsign: softsign,
  Tanh: tanh,
  ThresholdedRelu: thresholdedRelu,
} satisfies Record<string, GradientRule>;
