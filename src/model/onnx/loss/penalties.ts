/** Penalties on the size of parameters. */
import type { GraphBuilder } from "../builder.ts";

export interface Penalties {
  /** Times the sum of |w|. */
  readonly l1: number;
  /** Times half the sum of w^2. */
  readonly l2: number;
}

/** loss + l1 * |w| + l2/2 * |w|^2 over all elements of `parameters`; `loss` has rank 0. */
export function addPenalties(
  graph: GraphBuilder,
  loss: string,
  parameters: readonly string[],
  { l1, l2 }: Penalties,
): string {
  let total = loss;
  const add = (sum: string, factor: number): void => {
    total = graph.emit("Add", [total, graph.emit("Mul", [sum, graph.scalar(factor)])]);
  };
  const whole = { keepdims: { int: 0 } };
  for (const name of parameters) {
    if (l1 > 0) add(graph.emit("ReduceSum", [graph.emit("Abs", [name])], whole), l1);
    if (l2 > 0) add(graph.emit("ReduceSumSquare", [name], whole), l2 / 2);
  }
  return total;
}
