import { z } from "zod";

export const CentralizeOptions = z.strictObject({
  kind: z.literal("centralize"),
  /** The site that gets all records; by default the best-connected one. */
  site: z.string().optional(),
  /** `all`: as many workers as the whole run has stand at that site. `own`: only its own. */
  workers: z.enum(["all", "own"]).default("all"),
});
export type CentralizeOptions = z.infer<typeof CentralizeOptions>;
