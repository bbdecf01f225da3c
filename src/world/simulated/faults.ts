/** Faults to inject, as an experiment file names them. Times are seconds of the world's time. */
import { z } from "zod";

const seconds = z.number().nonnegative();

export const FaultSpec = z.discriminatedUnion("kind", [
  /** The node's program is gone, as under `kill -9`; it starts anew on the same store. */
  z.strictObject({
    kind: z.literal("crash"),
    node: z.string(),
    at: seconds,
    restartAfter: seconds.optional(),
  }),
  /** Nothing passes between two sites; reliable messages arrive after the heal. */
  z.strictObject({
    kind: z.literal("partition"),
    a: z.string(),
    b: z.string(),
    at: seconds,
    for: seconds,
  }),
  /** Extra one-way delay on links from `from` to `to` (each: every site, if absent). */
  z.strictObject({
    kind: z.literal("delay"),
    from: z.string().optional(),
    to: z.string().optional(),
    at: seconds,
    for: seconds,
    extraMs: z.number().positive(),
  }),
]);
export type FaultSpec = z.infer<typeof FaultSpec>;
