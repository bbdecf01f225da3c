/** Gradients of reductions: the upstream gradient is spread back over the reduced axes. */
import { sizeOf } from "../graph.ts";
import { type GradientContext, type GradientRule, inputOf, keptShape, reshape } from "./rule.ts";

const kept = (at: GradientContext, value: string): string =>
  reshape(at.graph, value, keptShape(at));

const spread = (at: GradientContext, value: string): string =>
  at.graph.emit("Expand", [kept(at, value), at.graph.ints(at.graph.shapeOf(inputOf(at, 0)))]);

const sum: GradientRule = (at) => [spread(at, at.upstream)];

const mean: GradientRule = (at) => {
  const count = sizeOf(at.graph.shapeOf(inputOf(at, 0))) / sizeOf(keptShape(at));
  return [spread(at, at.graph.emit("Mul", [at.upstream, at.graph.scalar(1 / count)]))];
};

/** d sum(x^2) = 2 x g; broadcasting spreads g. */
const sumSquare: GradientRule = (at) => {
  const twice = at.graph.emit("Mul", [kept(at, at.upstream), at.graph.scalar(2)]);
  return [at.graph.emit("Mul", [inputOf(at, 0), twice])];
};

export const reduceGradients = {
  ReduceMean: mean,
  ReduceSum: sum,
  ReduceSumSquare: sumSquare,
} satisfies Record<string, GradientRule>;
