/** Gradients of operators that work element by element. y is the output, g = dLoss/dy. */
import { ELEMENT_TYPES } from "../graph.ts";
import { type GradientContext, type GradientRule, inputOf, outputOf, unbroadcast } from "./rule.ts";

/** Gradients of a broadcast operator: computed only where needed, then summed to the input's shape. */
const broadcasting =
  (a: (at: GradientContext) => string, b: (at: GradientContext) => string): GradientRule =>
  (at) =>
    [a, b].map((gradient, i) =>
      at.needs(i)
        ? unbroadcast(at.graph, gradient(at), at.graph.shapeOf(inputOf(at, i)))
        : undefined,
    );

const upstream = (at: GradientContext): string => at.upstream;
const negated = (at: GradientContext): string => at.graph.emit("Neg", [at.upstream]);
const times = (at: GradientContext, factor: string): string =>
  at.graph.emit("Mul", [at.upstream, factor]);

const add = broadcasting(upstream, upstream);
const sub = broadcasting(upstream, negated);
const mul = broadcasting(
  (at) => times(at, inputOf(at, 1)),
  (at) => times(at, inputOf(at, 0)),
);

/** d(a/b)/da = 1/b, d(a/b)/db = -y/b. */
const div = broadcasting(
  (at) => at.graph.emit("Div", [at.upstream, inputOf(at, 1)]),
  (at) => {
    const share = at.graph.emit("Div", [outputOf(at), inputOf(at, 1)]);
    return at.graph.emit("Neg", [times(at, share)]);
  },
);

const neg: GradientRule = (at) => [negated(at)];
const identity: GradientRule = (at) => [at.upstream];
const exp: GradientRule = (at) => [times(at, outputOf(at))];
const log: GradientRule = (at) => [at.graph.emit("Div", [at.upstream, inputOf(at, 0)])];
const abs: GradientRule = (at) => [times(at, at.graph.emit("Sign", [inputOf(at, 0)]))];

/** d sqrt(x) = g / (2 y). */
const sqrt: GradientRule = (at) => {
  const twice = at.graph.emit("Add", [outputOf(at), outputOf(at)]);
  return [at.graph.emit("Div", [at.upstream, twice])];
};

/** The gradient passes where y > 0. (Multiplying by a mask is faster than Where, and than Sign.) */
const relu: GradientRule = (at) => {
  const positive = at.graph.emit("Greater", [outputOf(at), at.graph.scalar(0)]);
  return [times(at, at.graph.emit("Cast", [positive], { to: { int: ELEMENT_TYPES.float32 } }))];
};

export const elementwiseGradients = {
  Abs: abs,
  Add: add,
  Div: div,
  Exp: exp,
  Identity: identity,
  Log: log,
  Mul: mul,
  Neg: neg,
  Relu: relu,
  Sqrt: sqrt,
  Sub: sub,
} satisfies Record<string, GradientRule>;
