/** Optimizers and learning-rate schedules as an experiment file names them. */
import { z } from "zod";

const count = z.number().int().positive();

/** The factor on the learning rate over the clocks. */
export const ScheduleSpec = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant") }),
  z.strictObject({ kind: z.literal("step"), every: count, factor: z.number().positive() }),
  z.strictObject({
    kind: z.literal("multistep"),
    at: z.array(count).min(1),
    factor: z.number().positive(),
  }),
  /** 1 / sqrt(1 + clock) */
  z.strictObject({ kind: z.literal("inverse-sqrt") }),
  /** (1 + gamma * clock) ^ -power */
  z.strictObject({ kind: z.literal("inv"), gamma: z.number().positive(), power: z.number() }),
  /** gamma ^ clock */
  z.strictObject({ kind: z.literal("exp"), gamma: z.number().gt(0).lte(1) }),
  /** (1 - clock / clocks) ^ power */
  z.strictObject({ kind: z.literal("poly"), clocks: count, power: z.number().positive() }),
]);
export type ScheduleSpec = z.infer<typeof ScheduleSpec>;

const common = {
  learningRate: z.number().positive(),
  schedule: ScheduleSpec.default({ kind: "constant" }),
};

export const OptimizerSpec = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sgd"), ...common }),
  z.strictObject({
    kind: z.literal("momentum"),
    ...common,
    momentum: z.number().min(0).lt(1).default(0.9),
  }),
  z.strictObject({
    kind: z.literal("adagrad"),
    ...common,
    epsilon: z.number().positive().default(1e-8),
  }),
  z.strictObject({
    kind: z.literal("adam"),
    ...common,
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.999),
    epsilon: z.number().positive().default(1e-8),
  }),
]);
export type OptimizerSpec = z.infer<typeof OptimizerSpec>;
