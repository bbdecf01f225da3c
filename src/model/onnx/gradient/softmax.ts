/**
 * Gradients of what losses are made of. y is the output, g = dLoss/dy. No exponential of anything positive
 * is taken, so nothing overflows. Hardmax is flat.
 */
import { flat } from "./formula.ts";
import { type GradientContext, type GradientRule, lastAxis, outputOf } from "./rule.ts";

const sumOver = (at: GradientContext, value: string): string =>
  at.graph.emit("ReduceSum", [value, at.graph.ints([lastAxis(at)])], { keepdims: { int: 1 } });

/** dx = g - softmax(x) * sum(g), and softmax(x) = exp(y). */
const logSoftmax: GradientRule = (at) => {
  const probability = at.graph.emit("Exp", [outputOf(at)]);
  const pull = at.graph.emit("Mul", [probability, sumOver(at, at.upstream)]);
  return [at.graph.emit("Sub", [at.upstream, pull])];
};

/** dx = y * (g - sum(g * y)). */
const softmax: GradientRule = (at) => {
  const weighted = at.graph.emit("Mul", [at.upstream, outputOf(at)]);
  const centred = at.graph.emit("Sub", [at.upstream, sumOver(at, weighted)]);
  return [at.graph.emit("Mul", [outputOf(at), centred])];
};

export const softmaxGradients = {
  Hardmax: flat,
  LogSoftmax: logSoftmax,
  Softmax: softmax,
} satisfies Record<string, GradientRule>;
