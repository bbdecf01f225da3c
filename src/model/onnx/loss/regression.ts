/** Losses of numbers: d = output - target. */
import { z } from "zod";
import { type Loss, type LossContext, matricesOf, rowMean } from "./rule.ts";

/** Half the sum of d^2 over an example's outputs. */
export const SquaredError = z.strictObject({ kind: z.literal("squared-error") });

/** Mean of |d| over an example's outputs. */
export const AbsoluteError = z.strictObject({ kind: z.literal("absolute-error") });

/** Mean over an example's outputs of d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2). */
export const Huber = z.strictObject({
  kind: z.literal("huber"),
  /** Where the parabola becomes a line, in units of the output. */
  delta: z.number().positive().default(1),
});

const difference = (at: LossContext<{ kind: string }>): string =>
  at.graph.emit("Sub", matricesOf(at));

export const squaredError: Loss<z.infer<typeof SquaredError>> = (at) => {
  const { graph } = at;
  const sum = graph.emit("ReduceSumSquare", [difference(at), graph.ints([1])], {
    keepdims: { int: 0 },
  });
  return graph.emit("Mul", [sum, graph.scalar(0.5)]);
};

export const absoluteError: Loss<z.infer<typeof AbsoluteError>> = (at) =>
  rowMean(at.graph, at.graph.emit("Abs", [difference(at)]));

/** With c = d clipped to [-delta, delta], both branches are c * (d - c / 2). */
export const huber: Loss<z.infer<typeof Huber>> = (at) => {
  const { graph } = at;
  const { delta } = at.options;
  const d = difference(at);
  const c = graph.emit("Clip", [d, graph.scalar(-delta), graph.scalar(delta)]);
  const lever = graph.emit("Sub", [d, graph.emit("Mul", [c, graph.scalar(0.5)])]);
  return rowMean(graph, graph.emit("Mul", [c, lever]));
};
