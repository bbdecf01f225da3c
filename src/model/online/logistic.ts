/**
 * Logistic regression, one class against the rest, by stochastic gradient descent (Bottou, "Large-scale machine learning
 * with stochastic gradient descent", COMPSTAT 2010): the objective is l2/2 |w|^2 + the mean of log(1 + exp(-y s)). The
 * rate is constant, for streams that drift.
 */
import type { LinearRule } from "./linear-rule.ts";
import type { LogisticSpec } from "./spec.ts";

export const logistic = ({ l2, rate }: Pick<LogisticSpec, "l2" | "rate">): LinearRule => ({
  kind: "logistic",
  l2,
  curvature: 0.25,
  inverseRate: () => 1 / rate,
  // Without overflow for margins of either sign.
  loss: (margin) => Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin))),
  slope: (margin) => -1 / (1 + Math.exp(margin)),
});
