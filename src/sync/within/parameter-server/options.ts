/** Options of the parameter server: how far the reads of one copy may run ahead of its slowest worker. */
import { z } from "zod";

export const ParameterServerOptions = z.strictObject({
  kind: z.literal("parameter-server"),
  /**
   * `bsp`: a read at clock c sees every update stamped <= c-1. `ssp`: every update stamped <= c-s-1, and
   * always one's own. `tap`: whatever has arrived, and always one's own.
   */
  consistency: z.enum(["bsp", "ssp", "tap"]).default("bsp"),
  /** s of `ssp`, in clocks. */
  staleness: z.number().int().nonnegative().default(3),
});
export type ParameterServerOptions = z.infer<typeof ParameterServerOptions>;
