/**
 * How the mean of the workers' results becomes the change of a range of the shared parameters. Trained
 * elements come first and go through an optimizer. What follows is state (running averages): its results
 * are changes already, and their mean is applied as it is, without rate, history or schedule.
 */
import type { Kernels } from "../core/kernels/contract.ts";
import { lowerBound } from "../core/sorted.ts";
import { createOptimizer, type Optimizer } from "./optimizer.ts";
import type { OptimizerSpec } from "./spec.ts";

/** Changes for gradients and changes of state, with what `Optimizer` says of arrays and indices. */
export type Rule = Omit<Optimizer, "preview">;

export interface RuleSetup {
  readonly optimizer: OptimizerSpec;
  /** Elements of the range. */
  readonly length: number;
  /** The first so many of them are trained; the others are state. */
  readonly trained: number;
  /** Where several domains add up to one copy: this domain's part of all workers, in (0, 1]. */
  readonly part: number;
}

export function createRule(setup: RuleSetup, kernels: Kernels): Rule {
  const { optimizer, length, trained, part } = setup;
  if (trained === 0) return stateRule(part, kernels);
  const inner = createOptimizer(optimizer, trained, kernels);
  const rule = scaled(inner, shareOf(optimizer, part), kernels);
  return trained === length ? rule : joined(rule, stateRule(part, kernels), trained);
}

/**
 * By how much a change of a domain counts where several domains add up to one copy. The optimizer sees the
 * domain's mean gradient. For linear rules the domain's part of all workers is exact: the same as one
 * optimizer on everybody's mean. Adaptive rules divide by the size of the gradient, which averaging over k
 * domains makes sqrt(k) smaller where noise prevails: the square-root rule (Malladi et al., "On the SDEs and
 * Scaling Rules for Adaptive Gradient Algorithms", NeurIPS 2022).
 */
const shareOf = ({ kind }: OptimizerSpec, part: number): number =>
  kind === "sgd" || kind === "momentum" ? part : Math.sqrt(part);

function scaled(rule: Rule, share: number, kernels: Kernels): Rule {
  if (share === 1) return rule;
  return {
    delta: (gradient, clock, delta) => {
      rule.delta(gradient, clock, delta);
      kernels.scale(delta, share);
    },
    sparseDelta: (indices, gradient, clock, delta) => {
      rule.sparseDelta(indices, gradient, clock, delta);
      kernels.scale(delta, share);
    },
    reset: () => rule.reset(),
  };
}

/** delta = part * change */
function stateRule(part: number, kernels: Kernels): Rule {
  const take: Rule["delta"] = (change, _, delta) => {
    if (delta !== change) kernels.copy(delta, change);
    kernels.scale(delta, part);
  };
  return {
    delta: take,
    sparseDelta: (_, change, clock, delta) => take(change, clock, delta),
    reset: () => {},
  };
}

/** One rule for [0, border) and another for the rest. */
const joined = (first: Rule, second: Rule, border: number): Rule => ({
  delta: (result, clock, delta) => {
    first.delta(result.subarray(0, border), clock, delta.subarray(0, border));
    second.delta(result.subarray(border), clock, delta.subarray(border));
  },
  sparseDelta: (indices, result, clock, delta) => {
    const cut = lowerBound(indices, border);
    const apply = (rule: Rule, from: number, to: number): void =>
      rule.sparseDelta(
        indices.subarray(from, to),
        result.subarray(from, to),
        clock,
        delta.subarray(from, to),
      );
    apply(first, 0, cut);
    apply(second, cut, indices.length);
  },
  reset: () => {
    first.reset();
    second.reset();
  },
});
