/** What the user writes under `optimizer:`. Rates are per clock; all values are used as float32. */
import { z } from "zod";
import { ScheduleSpec } from "./schedule.ts";

const common = {
  learningRate: z.number().positive(),
  schedule: ScheduleSpec.default({ kind: "constant" }),
};
const decay = z.number().min(0).lt(1);

export const OptimizerSpec = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sgd"), ...common }),
  z.strictObject({ kind: z.literal("momentum"), ...common, momentum: decay.default(0.9) }),
  z.strictObject({
    kind: z.literal("adagrad"),
    ...common,
    epsilon: z.number().positive().default(1e-8),
  }),
  z.strictObject({
    kind: z.literal("adam"),
    ...common,
    beta1: decay.default(0.9),
    beta2: decay.default(0.999),
    epsilon: z.number().positive().default(1e-8),
  }),
]);
export type OptimizerSpec = z.infer<typeof OptimizerSpec>;
