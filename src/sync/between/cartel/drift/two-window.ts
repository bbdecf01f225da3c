/**
 * The two-window test: a design of our own for Cartel (the paper's test is not public). The latest batches (`now`) are
 * compared with a longer window of those just before them (`reference`). It asks for drift
 *
 *   error: when err(now) - err(reference) > max(rise, z sqrt(p (1 - p) (1/n_now + 1/n_reference)) + s), where p is the
 *          error of both together, z `deviations`, and s = (1 - 2p) (z^2 - 1) / (6 n_now) what a binomial's skewness adds
 *          to its quantile (Cornish and Fisher, 1938); `patience` batches running (a warning before that);
 *   class: when a class that the reference (all but) does not have passes `newShare` of now, at once; or when a class of
 *          which nobody knew has come too often for chance: were the order of the examples chance, all k of its examples
 *          would lie among the n that have come since its first batch, and none among the m before, with the probability
 *          C(n, k) / C(m + n, k) (Fisher's exact test, 1935), which times the number of classes must be below `surprise`.
 *
 * Constants by experiment (`bench/drift.ts --only bernoulli`, errors of 0.5 % to 30 %, batches of 10 and 50): with z = 2
 * there are up to 5 false alarms in 1,000 batches; with 3 at most 0.3, but 2 without s where batches are small and errors
 * few. Patience 1 finds a drift one batch sooner for up to 1.1. A class of 1 % in the reference counts as absent, so that
 * one that comes again after 50 batches is new again; five examples, because a rare class brings three by chance. Three
 * that come in one batch of ten are none (4e-6 after 545 examples), nor four in two or three; three in two batches may be (4e-5).
 *
 * After a drift all but the latest batch is forgotten: were the batches before it kept, the same change would be found
 * twice, as new class and then as error. Nothing is said until there are a full `now` and as long a reference.
 */
import { z } from "zod";
import type { DriftDetector, DriftState, Observation } from "./contract.ts";

const count = z.number().int().positive();

export const TwoWindowOptions = z.strictObject({
  kind: z.literal("two-window"),
  /** Batches of the reference. */
  reference: count.default(50),
  /** Latest batches. */
  now: count.default(5),
  /** Least rise of the error, 0..1. */
  rise: z.number().gt(0).lt(1).default(0.05),
  /** Least rise in standard deviations of the difference. */
  deviations: z.number().positive().default(3),
  /** Batches in a row that must show the rise. */
  patience: count.default(2),
  /** Share of `now` that a new class must pass. */
  newShare: z.number().gt(0).lt(1).default(0.05),
  /** Examples that it must have there, too. */
  newExamples: count.default(5),
  /** Share of the reference up to which a class counts as absent. */
  absentShare: z.number().min(0).lt(1).default(0.01),
  /** Chance, over all classes together, below which the first examples of one are no chance. */
  surprise: z.number().min(0).lt(1).default(1e-4),
});
export type TwoWindowOptions = z.infer<typeof TwoWindowOptions>;

export class TwoWindow implements DriftDetector {
  readonly #options: TwoWindowOptions;
  readonly #now: Window;
  readonly #reference: Window;
  /** Batches in a row with a rise. */
  #risen = 0;

  constructor(options: TwoWindowOptions, classes: number) {
    this.#options = options;
    this.#now = new Window(classes);
    this.#reference = new Window(classes);
  }

  reset(): void {
    this.#now.clear();
    this.#reference.clear();
    this.#risen = 0;
  }

  observe(batch: Observation): DriftState {
    const { now, reference } = this.#options;
    const latest = { ...batch, classCounts: batch.classCounts.slice() };
    this.#now.push(latest);
    if (this.#now.batches > now) this.#reference.push(this.#now.shift());
    if (this.#reference.batches > reference) this.#reference.shift();
    // A reference shorter than `now` would make the test one of itself.
    if (this.#reference.batches < Math.min(now, reference)) return "stable";
    this.#risen = this.#hasRisen() ? this.#risen + 1 : 0;
    if (this.#risen >= this.#options.patience || this.#hasNewClass() || this.#hasSurprise()) {
      this.reset();
      this.#now.push(latest);
      return "drift";
    }
    return this.#risen > 0 ? "warning" : "stable";
  }

  #hasRisen(): boolean {
    const { rise, deviations } = this.#options;
    const now = this.#now;
    const reference = this.#reference;
    const p = (now.errors + reference.errors) / (now.examples + reference.examples);
    const deviation = Math.sqrt(p * (1 - p) * (1 / now.examples + 1 / reference.examples));
    const skew = ((1 - 2 * p) * (deviations ** 2 - 1)) / (6 * now.examples);
    const difference = now.errors / now.examples - reference.errors / reference.examples;
    return difference > Math.max(rise, deviations * deviation + skew);
  }

  #hasNewClass(): boolean {
    const { newShare, newExamples, absentShare } = this.#options;
    const { classCounts: before, examples } = this.#reference;
    const enough = Math.max(newShare * this.#now.examples, newExamples - 1);
    return this.#now.classCounts.some(
      (seen, c) => seen > enough && before[c]! <= absentShare * examples,
    );
  }

  #hasSurprise(): boolean {
    const { classCounts: before, examples } = this.#reference;
    return this.#now.classCounts.some((seen, c) => {
      if (seen === 0 || before[c]! > 0) return false;
      const since = this.#now.since(c);
      const chance = allAmongLatest(seen, since, examples + this.#now.examples);
      return chance * before.length < this.#options.surprise;
    });
  }
}

/** That `seen` of `all` examples in an order of chance lie among the latest: C(latest, seen) / C(all, seen). */
function allAmongLatest(seen: number, latest: number, all: number): number {
  let chance = 1;
  for (let i = 0; i < seen; i++) chance *= (latest - i) / (all - i);
  return chance;
}

/** Batches in a row, and their sums. */
class Window {
  #batches: Observation[] = [];
  readonly classCounts: Float64Array;
  examples = 0;
  errors = 0;

  constructor(classes: number) {
    this.classCounts = new Float64Array(classes);
  }

  get batches(): number {
    return this.#batches.length;
  }

  /** Examples from the first batch on that has the class. */
  since(c: number): number {
    const first = this.#batches.findIndex(({ classCounts }) => classCounts[c]! > 0);
    return this.#batches.slice(first).reduce((sum, { examples }) => sum + examples, 0);
  }

  push(batch: Observation): void {
    this.#batches.push(batch);
    this.#count(batch, 1);
  }

  shift(): Observation {
    const batch = this.#batches.shift()!;
    this.#count(batch, -1);
    return batch;
  }

  clear(): void {
    this.#batches = [];
    this.classCounts.fill(0);
    this.examples = 0;
    this.errors = 0;
  }

  #count(batch: Observation, sign: 1 | -1): void {
    this.examples += sign * batch.examples;
    this.errors += sign * batch.errors;
    for (let c = 0; c < this.classCounts.length; c++)
      this.classCounts[c] = this.classCounts[c]! + sign * batch.classCounts[c]!;
  }
}
