/** What may be said about training a graph: losses, what is trained, penalties, clipping, where inputs come from. */
import { z } from "zod";
import { LossOptions } from "./onnx/loss/options.ts";

const count = z.number().int().nonnegative();
const Columns = z.tuple([count, count]).refine(([from, to]) => from < to, "from must be below to");

/** Losses that need no options can be named alone. */
const LOSS_NAMES = [
  "softmax-cross-entropy",
  "binary-cross-entropy",
  "squared-error",
  "absolute-error",
  "huber",
  "info-nce",
] as const;

/** `softmax-cross-entropy`, or with options: `{ kind: huber, delta: 2 }`. */
const Loss = z.union([z.enum(LOSS_NAMES), LossOptions]);
export type Loss = z.infer<typeof Loss>;

export const lossOptions = (loss: Loss): LossOptions =>
  typeof loss === "string" ? LossOptions.parse({ kind: loss }) : loss;

export const lossKind = (loss: Loss): LossOptions["kind"] =>
  typeof loss === "string" ? loss : loss.kind;

/**
 * What an output is compared with: the row's label, the model's own input (reconstruction), columns
 * [from, to) of the row's features, a constant, or another output of the model (contrastive losses).
 */
const Target = z.union([
  z.enum(["label", "input"]),
  z.number(),
  z.strictObject({ columns: Columns }),
  z.strictObject({ output: z.string() }),
]);
export type Target = z.infer<typeof Target>;

const Term = z.strictObject({
  loss: Loss,
  /** Name of the model's output; the first one if absent. */
  output: z.string().optional(),
  target: Target.default("label"),
  weight: z.number().default(1),
});
export type Term = z.infer<typeof Term>;

const Patterns = z.array(z.string().min(1)).min(1);

const Objective = z.strictObject({
  name: z.string().min(1),
  terms: z.array(Term).min(1),
  train: Patterns,
});

/** Where an input of the model comes from: columns [from, to) of the features, or noise of the run's seed. */
const InputSource = z.union([
  z.strictObject({ columns: Columns }),
  z.strictObject({ noise: z.enum(["normal", "uniform"]) }),
]);
export type InputSource = z.infer<typeof InputSource>;

/** Keys of a model that is a graph. */
export const TRAINING = {
  loss: Loss.default("softmax-cross-entropy"),
  /** The output that the loss reads and that is judged; the first one if absent. */
  output: z.string().optional(),
  target: Target.default("label"),
  /** Names of the tensors that are trained: `*` stands for anything, a leading `!` excludes. Absent: all. */
  train: Patterns.optional(),
  /** Adds l1 * |w| and l2/2 * |w|^2 of weights (tensors of two or more axes, so not biases) to the loss. */
  l1: z.number().nonnegative().default(0),
  l2: z.number().nonnegative().default(0),
  /** Bounds the gradient of a step: its Euclidean norm, or each element's size. */
  clip: z
    .strictObject({
      norm: z.number().positive().optional(),
      value: z.number().positive().optional(),
    })
    .optional(),
  /** Instead of `loss`: objectives that take turns, step by step (the two sides of a GAN). */
  objectives: z.array(Objective).min(1).optional(),
  inputs: z.record(z.string(), InputSource).default({}),
};

export const TrainingOptions = z.strictObject(TRAINING);
export type TrainingOptions = z.infer<typeof TrainingOptions>;
