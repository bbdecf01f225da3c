/**
 * Page-Hinkley: E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954; D. V. Hinkley, "Inference about the
 * change-point from cumulative sum tests", Biometrika 58, 1971; on error streams: Gama, Sebastião and Rodrigues, 2013.
 *
 *   m_T = sum over t <= T of (x_t - mean_t - tolerance),   drift when m_T - min over t <= T of m_t > threshold
 *
 * where x_t is 1 for an error and mean_t the mean of x_1 .. x_t. It answers to rises only and gives no warning.
 *
 * Constants by experiment (bench/drift.ts): false alarms go with exp(-2 tolerance threshold / variance), so many pairs are
 * as quiet as each other; of those with at most 0.3 in 1,000 batches, this one ignores what the two-window test
 * ignores (rises below 5 points) and needs 15 errors too many: the usual 0.005 and 50 need a learner that stays wrong for
 * 50, and ours have learned a new class before that.
 */
import { z } from "zod";
import { perExample } from "./bits.ts";
import type { DriftDetector, DriftState, Observation } from "./contract.ts";

export const PageHinkleyOptions = z.strictObject({
  kind: z.literal("page-hinkley"),
  /** Rise of the error that counts as none. */
  tolerance: z.number().nonnegative().default(0.05),
  /** Errors above the mean, summed, that are a drift. */
  threshold: z.number().positive().default(15),
  /** Examples before the first verdict. */
  minExamples: z.number().int().positive().default(30),
});
export type PageHinkleyOptions = z.infer<typeof PageHinkleyOptions>;

export class PageHinkley implements DriftDetector {
  readonly #options: PageHinkleyOptions;
  #examples = 0;
  #mean = 0;
  #sum = 0;
  #least = 0;

  constructor(options: PageHinkleyOptions) {
    this.#options = options;
  }

  observe(batch: Observation): DriftState {
    return perExample(batch, (error) => this.add(error));
  }

  reset(): void {
    this.#examples = 0;
    this.#mean = 0;
    this.#sum = 0;
    this.#least = 0;
  }

  add(error: 0 | 1): DriftState {
    const { tolerance, threshold, minExamples } = this.#options;
    this.#examples++;
    this.#mean += (error - this.#mean) / this.#examples;
    this.#sum += error - this.#mean - tolerance;
    this.#least = Math.min(this.#least, this.#sum);
    if (this.#examples < minExamples || this.#sum - this.#least <= threshold) return "stable";
    this.reset();
    return "drift";
  }
}
