import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { perExample } from "../../src/sync/between/cartel/drift/bits.ts";
import type {
  DriftDetector,
  DriftState,
  Observation,
} from "../../src/sync/between/cartel/drift/contract.ts";
import { createDetector, DriftOptions } from "../../src/sync/between/cartel/drift/options.ts";

const detector = (options: object, classes = 1): DriftDetector =>
  createDetector(DriftOptions.parse(options), classes);
const KINDS = ["two-window", "adwin", "ddm", "page-hinkley"] as const;

const batchOf = (examples: number, errors: number): Observation => ({
  examples,
  errors,
  classCounts: Uint32Array.of(examples),
});

/** Batches of errors by chance, the chance depending on the batch. */
function* bernoulli(
  seed: number,
  batches: number,
  examples: number,
  chance: (batch: number) => number,
): Generator<Observation> {
  const random = createRandom(seed, "errors");
  for (let batch = 0; batch < batches; batch++) {
    let errors = 0;
    for (let k = 0; k < examples; k++) if (random.next() < chance(batch)) errors++;
    yield batchOf(examples, errors);
  }
}
const driftsOf = (found: DriftDetector, batches: Iterable<Observation>): number[] =>
  [...batches].flatMap((batch, b) => (found.observe(batch) === "drift" ? [b] : []));

describe("what every detector keeps", () => {
  test.each(KINDS)("%s: at most one false alarm in 1,000 batches that do not change", (kind) => {
    for (const chance of [0.02, 0.1, 0.3]) {
      let alarms = 0;
      for (let seed = 0; seed < 10; seed++)
        alarms += driftsOf(
          detector({ kind }),
          bernoulli(seed, 1000, 50, () => chance),
        ).length;
      expect(alarms).toBeLessThanOrEqual(10);
    }
  });

  test.each(KINDS)("%s: finds a jump of 30 points within ten batches, always", (kind) => {
    for (let seed = 0; seed < 30; seed++) {
      const jump = (batch: number) => (batch < 100 ? 0.05 : 0.35);
      const drifts = driftsOf(detector({ kind }), bernoulli(seed, 110, 50, jump));
      const after = drifts.filter((batch) => batch >= 100);
      expect(after.length, `seed ${seed}`).toBeGreaterThan(0);
    }
  });

  test.each(KINDS)(
    "%s: finds a rise of 30 points over 60 batches in nearly every stream",
    (kind) => {
      let found = 0;
      for (let seed = 0; seed < 30; seed++) {
        const rise = (batch: number) => 0.05 + 0.3 * Math.min(1, Math.max(0, (batch - 100) / 60));
        const drifts = driftsOf(detector({ kind }), bernoulli(seed, 200, 50, rise));
        if (drifts.some((batch) => batch > 100)) found++;
      }
      expect(found).toBeGreaterThanOrEqual(28);
    },
  );

  test.each(KINDS)("%s: an error that falls is no drift", (kind) => {
    for (let seed = 0; seed < 10; seed++) {
      const falling = (batch: number) => 0.6 * 0.97 ** batch + 0.05;
      expect(driftsOf(detector({ kind }), bernoulli(seed, 150, 50, falling))).toEqual([]);
    }
  });

  test.each(KINDS)("%s: after a reset it is as new", (kind) => {
    const before = [...bernoulli(1, 80, 20, () => 0.4)];
    const after = [...bernoulli(2, 200, 20, (batch) => (batch < 100 ? 0.1 : 0.5))];
    const used = detector({ kind });
    for (const batch of before) used.observe(batch);
    used.reset();
    const fresh = detector({ kind });
    expect(after.map((batch) => used.observe(batch))).toEqual(
      after.map((batch) => fresh.observe(batch)),
    );
  });

  test.each(["adwin", "ddm", "page-hinkley"])(
    "%s: the borders of batches say nothing: the same examples give the same verdicts",
    (kind) => {
      // Errors at even distances, as a batch spreads them: every second example from example 2,000 on, else every 10th.
      const bits = Array.from({ length: 4000 }, (_, i) =>
        (i < 2000 ? i % 10 === 9 : i % 2 === 1) ? 1 : 0,
      );
      const at = (size: number): number[] => {
        const found = detector({ kind });
        return Array.from({ length: bits.length / size }, (_, batch) => {
          const own = bits.slice(batch * size, (batch + 1) * size);
          const errors = own.reduce<number>((a, b) => a + b, 0);
          return found.observe(batchOf(size, errors)) === "drift" ? batch * size : -1;
        }).filter((example) => example >= 0);
      };
      const single = at(1);
      expect(single.length).toBeGreaterThan(0);
      for (const size of [10, 20, 50, 100]) {
        const drifts = at(size);
        expect(drifts).toHaveLength(single.length);
        for (const [i, example] of drifts.entries())
          expect(Math.abs(example - single[i]!)).toBeLessThan(size + 10);
      }
    },
  );

  test("a batch is as many examples and errors as it says, evenly spread", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), fc.nat(200), (examples, some) => {
        const errors = Math.min(some, examples);
        const bits: number[] = [];
        perExample(batchOf(examples, errors), (error) => {
          bits.push(error);
          return "stable";
        });
        expect(bits).toHaveLength(examples);
        const sums = bits.map((_, i) => bits.slice(0, i + 1).reduce((a, b) => a + b, 0));
        expect(sums.at(-1) ?? 0).toBe(errors);
        for (const [i, sum] of sums.entries())
          expect(Math.abs(sum - ((i + 1) * errors) / examples)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("the most serious state of a batch is the batch's", () => {
    const worst = (states: DriftState[]) => {
      const rest = [...states];
      return perExample(batchOf(states.length, 0), () => rest.shift()!);
    };
    expect(worst(["stable", "warning", "stable"])).toBe("warning");
    expect(worst(["warning", "drift", "warning"])).toBe("drift");
    expect(worst([])).toBe("stable");
  });

  test("options: an unknown kind, a warning above the drift, numbers out of range", () => {
    expect(DriftOptions.safeParse({ kind: "eddm" }).success).toBe(false);
    expect(DriftOptions.safeParse({ kind: "ddm", warning: 4, drift: 3 }).success).toBe(false);
    expect(DriftOptions.safeParse({ kind: "adwin", delta: 1 }).success).toBe(false);
    for (const kind of KINDS) expect(DriftOptions.safeParse({ kind }).success).toBe(true);
  });
});
