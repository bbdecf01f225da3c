/** Bounds on the gradients of a step, so that one bad batch cannot throw the parameters far away. */
import type { GraphBuilder } from "../builder.ts";

export interface Clip {
  /** Bound of the Euclidean norm of all gradients taken together; they keep their direction. */
  readonly norm?: number | undefined;
  /** Bound of each element's magnitude; comes before the bound of the norm. */
  readonly value?: number | undefined;
}

/**
 * Parameter to the name of its bounded gradient. By norm: g * min(1, norm / (total + 1e-6)), as PyTorch's
 * `clip_grad_norm_` (Pascanu et al., "On the difficulty of training recurrent neural networks", 2013).
 */
export function clipGradients(
  graph: GraphBuilder,
  gradients: ReadonlyMap<string, string>,
  { norm, value }: Clip,
): Map<string, string> {
  let clipped = new Map(gradients);
  const each = (change: (gradient: string) => string): void => {
    clipped = new Map([...clipped].map(([name, gradient]) => [name, change(gradient)]));
  };
  if (value !== undefined) {
    const bounds = [graph.scalar(-value), graph.scalar(value)];
    each((gradient) => graph.emit("Clip", [gradient, ...bounds]));
  }
  if (norm !== undefined && clipped.size > 0) {
    const factor = shrinkage(graph, [...clipped.values()], norm);
    each((gradient) => graph.emit("Mul", [gradient, factor]));
  }
  return clipped;
}

function shrinkage(graph: GraphBuilder, gradients: readonly string[], norm: number): string {
  const squares = gradients.map((gradient) =>
    graph.emit("ReduceSumSquare", [gradient], { keepdims: { int: 0 } }),
  );
  const total = graph.emit("Sqrt", [squares.reduce((a, b) => graph.emit("Add", [a, b]))]);
  const bound = graph.emit("Add", [total, graph.scalar(1e-6)]);
  const ratio = graph.emit("Div", [graph.scalar(norm), bound]);
  return graph.emit("Clip", [ratio, graph.scalar(0), graph.scalar(1)]);
}
