/**
 * How a rate moves over the clocks. The learning rate follows it, and so may Gaia's threshold. Clocks
 * count from 0; the factor at clock 0 is 1 for every schedule but those with a ramp. Names and formulas of `step`,
 * `multistep`, `exp`, `inv` and `poly` are those of Caffe's solver (caffe.proto, `lr_policy`).
 */
import { z } from "zod";

const clocks = z.number().int().positive();
const shrink = z.number().positive().max(1);

export const ScheduleSpec = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant") }),
  /**
   * min(1, (clock + 1) / clocks): a gentle start, which asynchronous methods need most (the warm start of
   * Downpour, Dean et al., NIPS 2012; the ramp of Goyal et al., 2017).
   */
  z.strictObject({ kind: z.literal("warmup"), clocks }),
  /** factor^floor(clock / every) */
  z.strictObject({ kind: z.literal("step"), every: clocks, factor: shrink }),
  /** factor^(number of `at` reached) */
  z.strictObject({ kind: z.literal("multistep"), at: z.array(clocks).min(1), factor: shrink }),
  /** gamma^clock */
  z.strictObject({ kind: z.literal("exp"), gamma: shrink }),
  /** (1 + gamma * clock)^-power */
  z.strictObject({
    kind: z.literal("inv"),
    gamma: z.number().nonnegative(),
    power: z.number().nonnegative(),
  }),
  /** 1 / sqrt(clock + 1) */
  z.strictObject({ kind: z.literal("inverse-sqrt") }),
  /** (1 - clock / maxClocks)^power, 0 from maxClocks on */
  z.strictObject({
    kind: z.literal("poly"),
    maxClocks: clocks,
    power: z.number().positive().default(1),
  }),
  /**
   * Half a cosine from 1 to `floor` over `clocks`, after a ramp over the first `warmup` of them (Loshchilov and
   * Hutter, "SGDR", ICLR 2017); `floor` from then on.
   */
  z.strictObject({
    kind: z.literal("cosine"),
    clocks,
    warmup: z.number().int().nonnegative().default(0),
    floor: z.number().min(0).max(1).default(0),
  }),
]);
export type ScheduleSpec = z.infer<typeof ScheduleSpec>;

/** What the rate at `clock` is multiplied by, in [0, 1]. */
export function scheduleFactor(schedule: ScheduleSpec, clock: number): number {
  switch (schedule.kind) {
    case "constant":
      return 1;
    case "warmup":
      return Math.min(1, (clock + 1) / schedule.clocks);
    case "step":
      return schedule.factor ** Math.floor(clock / schedule.every);
    case "multistep":
      return schedule.factor ** schedule.at.filter((at) => clock >= at).length;
    case "exp":
      return schedule.gamma ** clock;
    case "inv":
      return (1 + schedule.gamma * clock) ** -schedule.power;
    case "inverse-sqrt":
      return 1 / Math.sqrt(clock + 1);
    case "poly":
      return Math.max(0, 1 - clock / schedule.maxClocks) ** schedule.power;
    case "cosine":
      return cosine(schedule, clock);
    default:
      return schedule satisfies never;
  }
}

function cosine(
  { clocks, warmup, floor }: Extract<ScheduleSpec, { kind: "cosine" }>,
  clock: number,
): number {
  if (clock < warmup) return (clock + 1) / warmup;
  const done = Math.min(1, (clock - warmup) / Math.max(1, clocks - warmup));
  return floor + ((1 - floor) * (1 + Math.cos(Math.PI * done))) / 2;
}
