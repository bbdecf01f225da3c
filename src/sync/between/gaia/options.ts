/** Options of Gaia; names as in the paper (Hsieh et al., NSDI'17). */
import { z } from "zod";

const threshold = z.number().nonnegative();

/** How the significance threshold moves over the clocks; v is `significance`. */
export const ThresholdSchedule = z.discriminatedUnion("kind", [
  /** v / sqrt(t): the paper's default. */
  z.strictObject({ kind: z.literal("inverse-sqrt") }),
  z.strictObject({ kind: z.literal("constant") }),
  /** values[min(floor(clock / every), last)] */
  z.strictObject({
    kind: z.literal("list"),
    values: z.array(threshold).min(1),
    every: z.number().int().positive(),
  }),
  /** From v to `to`, linearly over `clocks`. */
  z.strictObject({
    kind: z.literal("ramp"),
    to: threshold,
    clocks: z.number().int().positive(),
  }),
  /** v times the factor of the optimizer's learning-rate schedule. */
  z.strictObject({ kind: z.literal("learning-rate") }),
  /** Raises the threshold by `step` while more than 1.1 x the limit is sent, lowers it under 0.9 x. */
  z.strictObject({
    kind: z.literal("bandwidth"),
    limitMbps: z.number().positive(),
    bound: threshold.default(0.2),
    step: z.number().positive().default(0.005),
    /** The upper clamp ramps up over this many clocks; 0: at once. */
    rampClocks: z.number().int().nonnegative().default(0),
  }),
]);
export type ThresholdSchedule = z.infer<typeof ThresholdSchedule>;

export const Overlay = z.strictObject({
  /** Groups of site ids; `auto` groups by the measured speed of the links; `preset` as the preset says. */
  groups: z.union([z.enum(["preset", "auto"]), z.array(z.array(z.string()).min(1)).min(1)]),
  /** The hub of each group, in the order of `groups`; by default the best-connected site. */
  hubs: z.array(z.string()).optional(),
  /** `hub`: one hub a group. `multi`: for each pair of groups the pair of sites with the best link. */
  routers: z.enum(["hub", "multi"]).default("hub"),
});
export type Overlay = z.infer<typeof Overlay>;

export const GaiaOptions = z.strictObject({
  kind: z.literal("gaia"),
  /** v: the initial threshold of |accumulated update / value|. */
  significance: threshold.default(0.01),
  /** `absolute` compares |accumulated update| itself with the threshold. */
  measure: z.enum(["relative", "absolute"]).default("relative"),
  schedule: ThresholdSchedule.default({ kind: "inverse-sqrt" }),
  /** Every so many clocks everything goes out; 0: never. */
  flushEvery: z.number().int().nonnegative().default(0),
  /**
   * DS, the clocks by which a shard may be ahead of its slowest mirror. `auto`: per pair
   * ceil(round trip / clock duration) + 1. 0: lockstep, remote updates applied at the clock boundary in
   * site order.
   */
  staleness: z.union([z.literal("auto"), z.number().int().nonnegative()]).default("auto"),
  /** The selective barrier: indexes go ahead of values that outrun the link. */
  barrier: z.boolean().default(true),
  overlay: Overlay.optional(),
});
export type GaiaOptions = z.infer<typeof GaiaOptions>;
