/**
 * Linear support vector machine, one against the rest, by Pegasos (Shalev-Shwartz, Singer and Srebro, "Pegasos: Primal
 * Estimated sub-GrAdient SOlver for SVM", ICML 2007): the objective is l2/2 |w|^2 + the mean of max(0, 1 - y s), the rate
 * of step t is 1 / (l2 t). The constant is one more feature that is always 1 (section 6 there).
 *
 * Streams drift, so t stops at `memory`: from then on examples fade as exp(-age / memory), and the row keeps learning.
 */
import type { LinearRule } from "./linear-rule.ts";
import type { SvmSpec } from "./spec.ts";

export const hinge = ({ l2, memory }: Pick<SvmSpec, "l2" | "memory">): LinearRule => ({
  kind: "svm",
  l2,
  curvature: 1,
  inverseRate: (step) => l2 * Math.min(step, memory),
  loss: (margin) => Math.max(0, 1 - margin),
  slope: (margin) => (margin < 1 ? -1 : 0),
});
