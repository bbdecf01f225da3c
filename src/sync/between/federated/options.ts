/** Options of federated averaging; names as in the paper (McMahan et al., AISTATS'17). */
import { z } from "zod";

export const FederatedOptions = z.strictObject({
  kind: z.literal("federated"),
  /** C: the share of sites in a round. */
  fraction: z.number().gt(0).lte(1).default(1),
  /** E: passes of a site over its own data in a round. */
  localEpochs: z.number().positive().default(1),
  /** `samples`: the average weighs a site by its examples. `equal`: all the same. */
  weights: z.enum(["samples", "equal"]).default("samples"),
  /** The site that averages; by default the best-connected one. */
  coordinator: z.string().optional(),
  /** On streams: batches of each site in a round. */
  everyBatches: z.number().int().positive().default(10),
});
export type FederatedOptions = z.infer<typeof FederatedOptions>;
