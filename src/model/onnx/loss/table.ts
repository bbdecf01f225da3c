/** All losses. A new one is a file with its options and one entry here and in `options.ts`. */
import type { GraphBuilder } from "../builder.ts";
import { binaryCrossEntropy } from "./binary.ts";
import { infoNce } from "./contrastive.ts";
import type { LossOptions } from "./options.ts";
import { absoluteError, huber, squaredError } from "./regression.ts";
import type { Loss } from "./rule.ts";
import { softmaxCrossEntropy } from "./softmax.ts";

const LOSSES: {
  readonly [Kind in LossOptions["kind"]]: Loss<Extract<LossOptions, { kind: Kind }>>;
} = {
  "absolute-error": absoluteError,
  "binary-cross-entropy": binaryCrossEntropy,
  huber,
  "info-nce": infoNce,
  "softmax-cross-entropy": softmaxCrossEntropy,
  "squared-error": squaredError,
};

/**
 * Adds to `graph` the loss of each example, [batch], and answers its name. `output` and `target` are [batch, ...].
 * Errors: `InputError` GRAPH_LOSS where they do not fit.
 */
export const lossOf = (
  graph: GraphBuilder,
  options: LossOptions,
  output: string,
  target: string,
): string => (LOSSES[options.kind] as Loss<LossOptions>)({ graph, output, target, options });
