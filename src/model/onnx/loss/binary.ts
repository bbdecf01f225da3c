/** Binary cross-entropy of logits: each output is the log-odds of a yes. */
import { z } from "zod";
import { type Loss, matricesOf, rowMean } from "./rule.ts";

export const BinaryCrossEntropy = z.strictObject({
  kind: z.literal("binary-cross-entropy"),
  /** How much a yes counts, a no counting 1; above 1 it buys recall with precision. */
  positiveWeight: z.number().positive().default(1),
});

/**
 * Mean over an example's outputs x with targets t in [0, 1] of
 * -weight * t * log(sigmoid(x)) - (1 - t) * log(1 - sigmoid(x)), as
 * (1 - t) * x + (1 + (weight - 1) * t) * softplus(-x), which stays exact and finite for any x.
 */
export const binaryCrossEntropy: Loss<z.infer<typeof BinaryCrossEntropy>> = (at) => {
  const { graph, options } = at;
  const [x, t] = matricesOf(at);
  const no = graph.emit("Sub", [graph.scalar(1), t]);
  const missed = graph.emit("Softplus", [graph.emit("Neg", [x])]);
  const weighted = (): string => {
    const more = graph.emit("Mul", [t, graph.scalar(options.positiveWeight - 1)]);
    return graph.emit("Mul", [graph.emit("Add", [more, graph.scalar(1)]), missed]);
  };
  const yes = options.positiveWeight === 1 ? missed : weighted();
  return rowMean(graph, graph.emit("Add", [graph.emit("Mul", [no, x]), yes]));
};
