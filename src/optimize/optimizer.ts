/**
 * First-order rules that turn gradients into additive changes of a range of parameters: plain SGD,
 * momentum (Polyak 1964; the rate enters the history, as in Caffe and Gaia), AdaGrad (Duchi et al., JMLR
 * 2011) and Adam (Kingma and Ba, ICLR 2015). The owner of a range keeps one, with the state of that range.
 */
import { invariant, PangaeaError } from "../core/errors.ts";
import type { Kernels } from "../core/kernels/contract.ts";
import { scheduleFactor } from "./schedule.ts";
import type { OptimizerSpec } from "./spec.ts";

export interface Optimizer {
  /**
   * delta = the additive change of the parameters for this gradient at this clock (from 0, for the
   * schedule); the state advances. Arrays have the optimizer's length; `delta` may be `gradient` itself.
   */
  delta(gradient: Float32Array, clock: number, delta: Float32Array): void;
  /**
   * The change at `indices` only (ascending, no repeats); `gradient` and `delta` hold one value for each.
   * The state of other entries is untouched. Rules whose history moves every entry at every clock
   * (momentum, adam) refuse with SPARSE_UNSUPPORTED.
   */
  sparseDelta(
    indices: Uint32Array,
    gradient: Float32Array,
    clock: number,
    delta: Float32Array,
  ): void;
  /**
   * The immediate effect of one's own gradient, -rate * gradient, which for linear rules is exactly its
   * share of the change: what a worker adds to its cache to read its own writes. Any length. Absent for
   * adagrad and adam.
   */
  preview?(gradient: Float32Array, clock: number, delta: Float32Array): void;
  /** Forgets the state. */
  reset(): void;
}

type Spec<Kind> = Extract<OptimizerSpec, { readonly kind: Kind }>;
type Descend = (gradient: Float32Array, clock: number, delta: Float32Array) => void;

/** An optimizer for a range of `length` parameters. */
export function createOptimizer(spec: OptimizerSpec, length: number, kernels: Kernels): Optimizer {
  switch (spec.kind) {
    case "sgd":
      return sgd(descent(spec, kernels));
    case "momentum":
      return momentum(spec, length, kernels);
    case "adagrad":
      return adagrad(spec, length, kernels);
    case "adam":
      return adam(spec, length, kernels);
    default:
      return spec satisfies never;
  }
}

const rateAt = (spec: OptimizerSpec, clock: number): number =>
  spec.learningRate * scheduleFactor(spec.schedule, clock);

/** delta = -rate * gradient */
const descent =
  (spec: OptimizerSpec, kernels: Kernels): Descend =>
  (gradient, clock, delta) => {
    if (delta !== gradient) kernels.copy(delta, gradient);
    kernels.scale(delta, -rateAt(spec, clock));
  };

const refuseSparse = (kind: string) => (): never => {
  throw new PangaeaError(
    "SPARSE_UNSUPPORTED",
    `${kind} changes every parameter at every clock, so it cannot take sparse updates`,
    { fix: "use the optimizer sgd or adagrad with models that push sparse updates" },
  );
};

const sgd = (descend: Descend): Optimizer => ({
  delta: descend,
  sparseDelta: (_, gradient, clock, delta) => descend(gradient, clock, delta),
  preview: descend,
  reset: () => {},
});

/** history = momentum * history + rate * gradient; delta = -history */
function momentum(spec: Spec<"momentum">, length: number, kernels: Kernels): Optimizer {
  const history = kernels.allocate(length);
  return {
    delta: (gradient, clock, delta) =>
      kernels.momentum(history, gradient, rateAt(spec, clock), spec.momentum, delta),
    sparseDelta: refuseSparse("momentum"),
    preview: descent(spec, kernels),
    reset: () => kernels.fill(history, 0),
  };
}

/** sum += gradient^2; delta = -rate * gradient / (sqrt(sum) + epsilon) */
function adagrad(spec: Spec<"adagrad">, length: number, kernels: Kernels): Optimizer {
  const sum = kernels.allocate(length);
  let scratch: Float32Array | undefined;
  return {
    delta: (gradient, clock, delta) =>
      kernels.adagrad(sum, gradient, rateAt(spec, clock), spec.epsilon, delta),
    sparseDelta: (indices, gradient, clock, delta) => {
      invariant(indices.length <= length, `${indices.length} indices into ${length} parameters`);
      scratch ??= kernels.allocate(length);
      const sums = scratch.subarray(0, indices.length);
      kernels.gather(sums, sum, indices);
      kernels.adagrad(sums, gradient, rateAt(spec, clock), spec.epsilon, delta);
      kernels.scatter(sum, indices, sums);
    },
    reset: () => kernels.fill(sum, 0),
  };
}

/** Bias correction counts the gradients taken, not the clock, so that a skipped clock does no harm. */
function adam(spec: Spec<"adam">, length: number, kernels: Kernels): Optimizer {
  const moments = { first: kernels.allocate(length), second: kernels.allocate(length) };
  const { beta1, beta2, epsilon } = spec;
  let taken = 0;
  return {
    delta: (gradient, clock, delta) => {
      taken++;
      const [correction1, correction2] = [1 - beta1 ** taken, 1 - beta2 ** taken];
      const settings = { beta1, beta2, epsilon, correction1, correction2 };
      kernels.adam(moments, gradient, rateAt(spec, clock), settings, delta);
    },
    sparseDelta: refuseSparse("adam"),
    reset: () => {
      taken = 0;
      kernels.fill(moments.first, 0);
      kernels.fill(moments.second, 0);
    },
  };
}
