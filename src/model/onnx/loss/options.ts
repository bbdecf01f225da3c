/** Everything that may be said about a loss. */
import { z } from "zod";
import { BinaryCrossEntropy } from "./binary.ts";
import { InfoNce } from "./contrastive.ts";
import { AbsoluteError, Huber, SquaredError } from "./regression.ts";
import { SoftmaxCrossEntropy } from "./softmax.ts";

export const LossOptions = z.discriminatedUnion("kind", [
  SoftmaxCrossEntropy,
  BinaryCrossEntropy,
  SquaredError,
  AbsoluteError,
  Huber,
  InfoNce,
]);
export type LossOptions = z.infer<typeof LossOptions>;
