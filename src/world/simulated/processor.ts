/** Modelled processors: how long a step takes in virtual time. */
import { z } from "zod";

/** Why a worker is slower than its declared speed. */
export const StragglerSpec = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none") }),
  /** Each step's time times a lognormal factor of mean 1. */
  z.strictObject({ kind: z.literal("lognormal"), sigma: z.number().positive() }),
  /** The named nodes are slower by a factor. */
  z.strictObject({
    kind: z.literal("slow"),
    nodes: z.array(z.string()).min(1),
    factor: z.number().gt(1),
  }),
  /** A step is followed by a pause with this probability. */
  z.strictObject({
    kind: z.literal("pauses"),
    probability: z.number().gt(0).lt(1),
    ms: z.number().positive(),
  }),
]);
export type StragglerSpec = z.infer<typeof StragglerSpec>;
