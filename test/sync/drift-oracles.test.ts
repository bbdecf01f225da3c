/** Each detector beside the plainest reading of its definition. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { Adwin, AdwinOptions } from "../../src/sync/between/cartel/drift/adwin.ts";
import type { DriftState } from "../../src/sync/between/cartel/drift/contract.ts";
import { Ddm, DdmOptions } from "../../src/sync/between/cartel/drift/ddm.ts";
import {
  PageHinkley,
  PageHinkleyOptions,
} from "../../src/sync/between/cartel/drift/page-hinkley.ts";
import { TwoWindow, TwoWindowOptions } from "../../src/sync/between/cartel/drift/two-window.ts";

type Bit = 0 | 1;
const sum = (bits: readonly number[]): number => bits.reduce((a, b) => a + b, 0);
/** Two stretches with their own error rates, so that changes are common. */
const series = (longest: number) =>
  fc
    .record({
      seed: fc.nat(1e6),
      before: fc.double({ min: 0, max: 1, noNaN: true }),
      after: fc.double({ min: 0, max: 1, noNaN: true }),
      length: fc.integer({ min: 1, max: longest }),
    })
    .map(({ seed, before, after, length }): Bit[] => {
      const random = createRandom(seed);
      return Array.from({ length }, (_, i) =>
        random.next() < (i < length / 2 ? before : after) ? 1 : 0,
      );
    });

describe("ADWIN", () => {
  /** The definition: while two parts of the window, cut anywhere, differ by more than the bound, only the newer stays. */
  function exhaustive(bits: readonly Bit[], delta: number, minPart: number) {
    let window: Bit[] = [];
    return bits.map((bit) => {
      window.push(bit);
      let risen = false;
      for (let cuts = allCuts(window, delta, minPart); cuts.length > 0; ) {
        const strongest = cuts.reduce((a, b) => (b.ratio > a.ratio ? b : a));
        risen ||= strongest.rise > 0;
        window = window.slice(strongest.n0);
        cuts = allCuts(window, delta, minPart);
      }
      return { length: window.length, state: risen ? "drift" : "stable" };
    });
  }
  function allCuts(window: readonly Bit[], delta: number, minPart: number) {
    const n = window.length;
    const p = sum(window) / n;
    return window
      .map((_, n0) => {
        const n1 = n - n0;
        const rise = sum(window.slice(n0)) / n1 - sum(window.slice(0, n0)) / n0;
        const m = 1 / (1 / n0 + 1 / n1);
        const d = delta / Math.log(n);
        const bound =
          Math.sqrt((2 / m) * p * (1 - p) * Math.log(2 / d)) + (2 / (3 * m)) * Math.log(2 / d);
        return { n0, n1, rise, ratio: Math.abs(rise) / bound };
      })
      .filter(({ n0, n1, ratio }) => n0 >= minPart && n1 >= minPart && ratio > 1);
  }

  test("with a bucket for every outcome it is the definition: every border is tried", () => {
    fc.assert(
      fc.property(series(90), (bits) => {
        const options = { kind: "adwin", delta: 0.2, buckets: 100, every: 1, minPart: 2 };
        const adwin = new Adwin(AdwinOptions.parse(options));
        const found = bits.map((bit) => {
          const state = adwin.add(bit);
          return { length: adwin.length, state };
        });
        expect(found).toEqual(exhaustive(bits, 0.2, 2));
      }),
      { numRuns: 60 },
    );
  });

  test("the histogram: the window's length and sum are exact, its memory logarithmic", () => {
    fc.assert(
      fc.property(series(1500), fc.integer({ min: 2, max: 8 }), (bits, buckets) => {
        const adwin = new Adwin(AdwinOptions.parse({ kind: "adwin", delta: 0.05, buckets }));
        for (const [i, bit] of bits.entries()) {
          adwin.add(bit);
          expect(adwin.length).toBeLessThanOrEqual(i + 1);
          if (i % 97 === 0 || i === bits.length - 1)
            expect(adwin.total).toBe(sum(bits.slice(i + 1 - adwin.length, i + 1)));
        }
        const sizes = Math.ceil(Math.log2(adwin.length + 2));
        expect(adwin.buckets).toBeLessThanOrEqual(buckets * sizes);
      }),
      { numRuns: 20 },
    );
  });

  test("after an abrupt change the window holds little of what was before", () => {
    for (let seed = 0; seed < 10; seed++) {
      const random = createRandom(seed);
      const adwin = new Adwin(AdwinOptions.parse({ kind: "adwin" }));
      for (let i = 0; i < 5000; i++) adwin.add(random.next() < 0.1 ? 1 : 0);
      expect(adwin.length).toBeGreaterThan(2000);
      for (let i = 0; i < 1000; i++) adwin.add(random.next() < 0.6 ? 1 : 0);
      expect(adwin.length).toBeLessThan(1100);
    }
  });
});

describe("DDM and Page-Hinkley", () => {
  test("DDM: the formulas of the paper, over all examples since it began", () => {
    fc.assert(
      fc.property(series(250), (bits) => {
        const minExamples = 30;
        const ddm = new Ddm(DdmOptions.parse({ kind: "ddm", warning: 2, drift: 3, minExamples }));
        let own: Bit[] = [];
        const expected = bits.map((bit): DriftState => {
          own.push(bit);
          const points = own.flatMap((_, k) => {
            const i = k + 1;
            if (i < minExamples) return [];
            const p = sum(own.slice(0, i)) / i;
            return [{ p, s: Math.sqrt((p * (1 - p)) / i) }];
          });
          const now = points.at(-1);
          if (!now) return "stable";
          const least = points.reduce((a, b) => (b.p + b.s <= a.p + a.s ? b : a));
          const level = now.p + now.s;
          if (level > least.p + 3 * least.s) {
            own = [];
            return "drift";
          }
          return level > least.p + 2 * least.s ? "warning" : "stable";
        });
        expect(bits.map((bit) => ddm.add(bit))).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  test("Page-Hinkley: the sum above its least, over all examples since it began", () => {
    fc.assert(
      fc.property(series(150), (bits) => {
        const options = { tolerance: 0.013, threshold: 7, minExamples: 10 };
        const found = new PageHinkley(
          PageHinkleyOptions.parse({ kind: "page-hinkley", ...options }),
        );
        let own: Bit[] = [];
        const expected = bits.map((bit): DriftState => {
          own.push(bit);
          const terms = own.map(
            (x, t) => x - sum(own.slice(0, t + 1)) / (t + 1) - options.tolerance,
          );
          const sums = terms.map((_, t) => sum(terms.slice(0, t + 1)));
          const above = sums.at(-1)! - Math.min(0, ...sums);
          if (own.length < options.minExamples || above <= options.threshold) return "stable";
          own = [];
          return "drift";
        });
        expect(bits.map((bit) => found.add(bit))).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });
});

describe("two windows, by hand", () => {
  const options = {
    reference: 4,
    now: 2,
    rise: 0.1,
    deviations: 2,
    patience: 2,
    newShare: 0.05,
    newExamples: 1,
    absentShare: 0,
    surprise: 0,
  };
  const make = (more: object = {}) =>
    new TwoWindow(TwoWindowOptions.parse({ kind: "two-window", ...options, ...more }), 3);
  const batch = (errors: number, counts: readonly number[] = [50, 50, 0]) => ({
    examples: sum(counts),
    errors,
    classCounts: Uint32Array.from(counts),
  });
  const states = (found: TwoWindow, errors: readonly number[]): string =>
    errors.map((count) => found.observe(batch(count))[0]).join("");

  test("a rise must last `patience` batches; nothing is said before the reference is as long as now", () => {
    // now 10+30 of 200 less reference 40 of 400: 20 - 10 = 10 points, no more than the least rise; then 30 - 10.
    expect(states(make(), [10, 10, 10, 10, 10, 10, 30, 30])).toBe("sssssssw");
    expect(states(make(), [10, 10, 10, 10, 10, 10, 30, 30, 30])).toBe("ssssssswd");
    expect(states(make(), [10, 90, 90])).toBe("sss");
    expect(states(make(), [10, 10, 90, 90])).toBe("sssw");
  });

  test("a rise within chance is none: 11 points of 20 examples are below two deviations", () => {
    const small = (errors: number) => batch(errors, [5, 5, 0]);
    const found = make();
    for (let k = 0; k < 6; k++) expect(found.observe(small(2))).toBe("stable");
    // 20 % of 40 against 35 % of 20: p = 0.25, deviation 0.119: twice that is 23.7 points.
    expect(found.observe(small(3))).toBe("stable");
    expect(found.observe(small(4))).toBe("stable");
  });

  test("a class that the reference does not have, above five percent of now: at once", () => {
    const found = make();
    for (let k = 0; k < 6; k++) found.observe(batch(10));
    expect(found.observe(batch(10, [45, 45, 10]))).toBe("stable"); // 10 of 200 is 5 %
    expect(found.observe(batch(10, [45, 44, 11]))).toBe("drift"); // 21 of 200
    expect(found.observe(batch(10, [45, 44, 11]))).toBe("stable"); // the reference has it now
  });

  test("a class that was in the reference by a few only counts as absent where the options say so", () => {
    const seen = (absentShare: number) => {
      const found = make({ absentShare });
      found.observe(batch(10, [50, 49, 1]));
      for (let k = 0; k < 4; k++) found.observe(batch(10));
      return [found.observe(batch(10, [40, 40, 20])), found.observe(batch(10, [40, 40, 20]))];
    };
    // 20 of 200 with the reference's 1 of 400, which is 0.25 %.
    expect(seen(0)[0]).toBe("stable");
    expect(seen(0.003)[0]).toBe("drift");
  });

  test("a new class must have enough examples, too", () => {
    const seen = (newExamples: number) => {
      const found = make({ newExamples });
      for (let k = 0; k < 6; k++) found.observe(batch(1, [5, 5, 0]));
      return [0, 1].map(() => found.observe(batch(1, [4, 4, 2])));
    };
    expect(seen(2)).toEqual(["drift", "stable"]);
    expect(seen(4)).toEqual(["stable", "drift"]);
    expect(seen(5)).toEqual(["stable", "stable"]);
  });

  test("the first examples of a class: at once where an order of chance would not put them together", () => {
    const before = 6;
    const chanceOf = (k: number, n: number): number => {
      let chance = 1;
      for (let i = 0; i < k; i++) chance *= (n - i) / (70 - i);
      return chance;
    };
    const found = (surprise: number, coming: readonly number[]): string => {
      const detector = make({ newExamples: 100, now: 3, surprise: 3 * surprise });
      for (let k = 0; k < before; k++) detector.observe(batch(1, [5, 5, 0]));
      return coming.map((k) => detector.observe(batch(1, [5, 5 - k, k]))[0]).join("");
    };
    // Three of ten, after sixty examples of others: reference and now hold seven batches.
    expect(chanceOf(3, 10)).toBeCloseTo(120 / 54_740, 9);
    expect(found(1.01 * chanceOf(3, 10), [3])).toBe("d");
    expect(found(0.99 * chanceOf(3, 10), [3])).toBe("s");
    // Counted from the batch in which the class came first.
    expect(found(1.01 * chanceOf(3, 20), [1, 2])).toBe("sd");
    expect(found(0.99 * chanceOf(3, 20), [1, 2])).toBe("ss");
    // Once there is one before the latest batches, it is not new.
    expect(found(0.01, [1, 0, 0, 5])).toBe("ssss");
  });

  test("after a drift the latest batch stays, and there is quiet until reference and now are full", () => {
    const found = make();
    expect(states(found, [10, 10, 10, 10, 90, 90])).toBe("sssswd");
    expect(states(found, [90, 90, 90, 90])).toBe("ssss");
    expect(states(found, [10, 10, 10, 10, 10, 10, 90, 90])).toBe("sssssswd");
  });

  test("a reset forgets that, too", () => {
    const found = make();
    expect(states(found, [10, 10, 10, 10])).toBe("ssss");
    found.reset();
    expect(states(found, [90, 90, 90, 90])).toBe("ssss");
  });
});
