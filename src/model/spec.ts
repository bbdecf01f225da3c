/** Models as plain data: what an experiment file says, and what crosses to a compute thread. */
import { z } from "zod";
import type { DataShape } from "../core/dataset.ts";

const positive = z.number().int().positive();

/** One layer of a sequential model, in the short form that people write: `relu`, `{ dense: 10 }`. */
export const LayerSpec = z.union([
  z.enum(["relu", "flatten"]),
  z.strictObject({ dense: positive }),
  z.strictObject({
    conv: positive,
    kernel: positive,
    /** `same` keeps height and width at stride 1. */
    padding: z.enum(["same", "valid"]).default("same"),
    stride: positive.default(1),
  }),
  z.strictObject({ maxPool: positive }),
]);
export type LayerSpec = z.infer<typeof LayerSpec>;

export const SequentialSpec = z.strictObject({
  kind: z.literal("sequential"),
  layers: z.array(LayerSpec).min(1),
  /** Of one example: -log of the right class's probability, or half the squared error. */
  loss: z.enum(["softmax-cross-entropy", "squared-error"]).default("softmax-cross-entropy"),
  /** Weight decay: adds l2/2 * |w|^2 of weights (not biases) to the loss. */
  l2: z.number().nonnegative().default(0),
});
export type SequentialSpec = z.infer<typeof SequentialSpec>;

export const MatrixFactorisationSpec = z.strictObject({
  kind: z.literal("matrix-factorisation"),
  rank: positive.default(50),
  l2: z.number().nonnegative().default(0.05),
  /** Standard deviation of the starting factors. */
  initialDeviation: z.number().positive().default(0.1),
});
export type MatrixFactorisationSpec = z.infer<typeof MatrixFactorisationSpec>;

/** What the user writes under `model:`. */
export const ModelOptions = z.discriminatedUnion("kind", [SequentialSpec, MatrixFactorisationSpec]);
export type ModelOptions = z.infer<typeof ModelOptions>;

/** A model together with the shape of the data it meets: all that `createLearner` needs. */
export interface ModelSpec {
  readonly model: ModelOptions;
  readonly data: DataShape;
  /** Mean of the targets, from metadata: the constant term of matrix factorisation. */
  readonly targetMean?: number | undefined;
}
