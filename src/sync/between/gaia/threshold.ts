/**
 * The significance threshold over the clocks: v_t = v / sqrt(t) by default (Hsieh et al., NSDI'17, section
 * 3.2), and the other policies of the authors' code.
 */
import type { Micros } from "../../../core/units.ts";
import { type ScheduleSpec, scheduleFactor } from "../../../optimize/schedule.ts";

import type { GaiaOptions } from "./options.ts";

/** What the bandwidth controller looks at. */
export interface Sent {
  readonly now: Micros;
  /** Bytes sent so far. */
  readonly bytes: number;
}

export interface Threshold {
  /** The threshold after `clock` clocks (from 1). */
  at(clock: number, sent: Sent): number;
}

export function createThreshold(options: GaiaOptions, learningRate: ScheduleSpec): Threshold {
  const policy = createPolicy(options, learningRate);
  const { flushEvery } = options;
  return {
    at: (clock, sent) => {
      const threshold = policy.at(clock, sent);
      return flushEvery > 0 && clock % flushEvery === 0 ? 0 : threshold;
    },
  };
}

function createPolicy(
  { significance, schedule }: GaiaOptions,
  learningRate: ScheduleSpec,
): Threshold {
  switch (schedule.kind) {
    case "inverse-sqrt":
      return { at: (clock) => significance / Math.sqrt(clock) };
    case "constant":
      return { at: () => significance };
    case "list":
      return {
        at: (clock) => {
          const step = Math.floor((clock - 1) / schedule.every);
          return schedule.values[Math.min(step, schedule.values.length - 1)] as number;
        },
      };
    case "ramp":
      return {
        at: (clock) => {
          const share = Math.min(1, (clock - 1) / schedule.clocks);
          return significance + (schedule.to - significance) * share;
        },
      };
    case "learning-rate":
      return { at: (clock) => significance * scheduleFactor(learningRate, clock - 1) };
    case "bandwidth":
      return bandwidthController(significance, schedule);
    default:
      return schedule satisfies never;
  }
}

/** Additive steps that keep the sent rate within 10 % of a limit. */
function bandwidthController(
  base: number,
  schedule: Extract<GaiaOptions["schedule"], { kind: "bandwidth" }>,
): Threshold {
  let extra = 0;
  let last: Sent = { now: 0, bytes: 0 };
  return {
    at: (clock, sent) => {
      const elapsed = sent.now - last.now;
      if (elapsed > 0) {
        const rate = ((sent.bytes - last.bytes) * 8) / elapsed; // bits a microsecond = Mbit/s
        if (rate > 1.1 * schedule.limitMbps) extra += schedule.step;
        else if (rate < 0.9 * schedule.limitMbps) extra -= schedule.step;
        last = sent;
      }
      const ramp = schedule.rampClocks > 0 ? Math.min(1, clock / schedule.rampClocks) : 1;
      extra = Math.min(Math.max(0, extra), Math.max(0, schedule.bound - base) * ramp);
      return base + extra;
    },
  };
}
