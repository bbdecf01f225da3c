/** The significance threshold over the clocks, every policy in closed form (Hsieh et al., NSDI'17, 3.2). */
import { describe, expect, test } from "vitest";
import type { ScheduleSpec } from "../../src/optimize/schedule.ts";
import { GaiaOptions } from "../../src/sync/between/gaia/options.ts";
import { createThreshold } from "../../src/sync/between/gaia/threshold.ts";

const quiet = { now: 0, bytes: 0 };
const constant: ScheduleSpec = { kind: "constant" };

function thresholds(options: Record<string, unknown>, clocks: number, rate = constant): number[] {
  const threshold = createThreshold(GaiaOptions.parse({ kind: "gaia", ...options }), rate);
  return Array.from({ length: clocks }, (_, i) => threshold.at(i + 1, quiet));
}

describe("policies", () => {
  test("v / sqrt(t) by default", () => {
    expect(thresholds({ significance: 0.02 }, 100)).toEqual(
      Array.from({ length: 100 }, (_, i) => 0.02 / Math.sqrt(i + 1)),
    );
  });

  test("constant", () => {
    expect(new Set(thresholds({ schedule: { kind: "constant" } }, 50))).toEqual(new Set([0.01]));
  });

  test("an explicit list, whose last value stays", () => {
    const schedule = { kind: "list", values: [0.3, 0.2, 0.1], every: 2 };
    expect(thresholds({ schedule }, 8)).toEqual([0.3, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1]);
  });

  test("a linear ramp, up or down", () => {
    const up = thresholds(
      { significance: 0.05, schedule: { kind: "ramp", to: 0.15, clocks: 10 } },
      13,
    );
    up.forEach((value, i) => {
      expect(value).toBeCloseTo(0.05 + (0.1 * Math.min(i, 10)) / 10, 12);
    });
    const down = thresholds({ significance: 0.2, schedule: { kind: "ramp", to: 0, clocks: 4 } }, 6);
    down.forEach((value, i) => {
      expect(value).toBeCloseTo(0.2 * (1 - Math.min(i, 4) / 4), 12);
    });
  });

  test("the factor of the learning rate; inv with power 1/2 and gamma 1 is v / sqrt(t)", () => {
    const schedule = { kind: "learning-rate" };
    const step: ScheduleSpec = { kind: "step", every: 2, factor: 0.1 };
    expect(thresholds({ significance: 1, schedule }, 5, step).map((x) => +x.toFixed(9))).toEqual([
      1, 1, 0.1, 0.1, 0.01,
    ]);
    const inv = thresholds({ schedule }, 30, { kind: "inv", gamma: 1, power: 0.5 });
    thresholds({}, 30).forEach((value, i) => {
      expect(inv[i]).toBeCloseTo(value, 12);
    });
  });

  test("a flush lets everything out every so many clocks, whatever the policy", () => {
    for (const kind of ["constant", "inverse-sqrt", "learning-rate"]) {
      const values = thresholds({ flushEvery: 4, schedule: { kind } }, 12);
      values.forEach((value, i) => {
        expect(value === 0).toBe((i + 1) % 4 === 0);
      });
    }
  });
});

describe("bandwidth controller", () => {
  const options = (more: object = {}): GaiaOptions =>
    GaiaOptions.parse({
      kind: "gaia",
      significance: 0.01,
      schedule: { kind: "bandwidth", limitMbps: 10, bound: 0.2, ...more },
    });

  /** A link whose traffic falls as the threshold rises: rate = peak / (1 + threshold / 0.02) Mbit/s. */
  function control(peakMbps: number, clocks: number, more: object = {}) {
    const threshold = createThreshold(options(more), constant);
    let [now, bytes, value] = [0, 0, 0.01];
    const history: { value: number; rate: number }[] = [];
    for (let clock = 1; clock <= clocks; clock++) {
      const rate = peakMbps / (1 + value / 0.02);
      now += 100_000;
      bytes += (rate * 100_000) / 8;
      value = threshold.at(clock, { now, bytes });
      history.push({ value, rate });
    }
    return history;
  }

  test.each([15, 40, 90])("settles within a tenth of the limit, from %i Mbit/s", (peak) => {
    const settled = control(peak, 200).slice(100);
    for (const { rate } of settled) {
      expect(rate).toBeGreaterThanOrEqual(0.9 * 10 - 2);
      expect(rate).toBeLessThanOrEqual(1.1 * 10 + 2);
    }
    // Inside the band it does not move.
    const steady = settled.filter(({ rate }) => rate > 9 && rate < 11).map(({ value }) => value);
    expect(new Set(steady).size).toBeLessThanOrEqual(1);
  });

  test("moves by one step a clock and stays between base and bound", () => {
    const high = control(1e5, 100).map(({ value }) => value);
    expect(high[0]).toBeCloseTo(0.015, 12);
    for (let i = 1; i < high.length; i++) {
      expect(high[i]).toBeCloseTo(Math.min(0.2, 0.015 + 0.005 * i), 12);
    }
    expect(new Set(control(1, 100).map(({ value }) => value))).toEqual(new Set([0.01]));
  });

  test("the upper clamp ramps up", () => {
    control(1e5, 60, { rampClocks: 50 }).forEach(({ value }, i) => {
      expect(value).toBeLessThanOrEqual(0.01 + 0.19 * Math.min(1, (i + 1) / 50) + 1e-12);
    });
  });
});
