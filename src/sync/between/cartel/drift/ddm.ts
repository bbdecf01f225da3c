/**
 * Drift Detection Method: Gama, Medas, Castillo and Rodrigues, "Learning with drift detection", SBIA 2004.
 *
 * With error p_i over i examples and s_i = sqrt(p_i (1 - p_i) / i), keep p_min and s_min of the i where p_i + s_i was
 * least; warning from p_min + 2 s_min on, drift from p_min + 3 s_min on. The counts then begin anew.
 *
 * The paper waits for 30 examples. With errors of 1 % and less the least error is then often 0 and the next error a
 * drift: up to 12 false alarms in 1,000 batches (`bench/drift.ts --only bernoulli`). After 500 examples it is 0.6 from an
 * error of 2 % on; 1.6 below that remain.
 */
import { z } from "zod";
import { perExample } from "./bits.ts";
import type { DriftDetector, DriftState, Observation } from "./contract.ts";

export const DdmOptions = z
  .strictObject({
    kind: z.literal("ddm"),
    /** Deviations above the least error at which a warning begins. */
    warning: z.number().positive().default(2),
    /** Deviations above the least error that are a drift. */
    drift: z.number().positive().default(3),
    /** Examples before the first verdict, and before the least error is looked for. */
    minExamples: z.number().int().positive().default(500),
  })
  .refine(({ warning, drift }) => warning <= drift, {
    path: ["warning"],
    message: "a warning comes before a drift",
  });
export type DdmOptions = z.infer<typeof DdmOptions>;

export class Ddm implements DriftDetector {
  readonly #options: DdmOptions;
  #examples = 0;
  #errors = 0;
  #leastError = Number.POSITIVE_INFINITY;
  #leastDeviation = Number.POSITIVE_INFINITY;

  constructor(options: DdmOptions) {
    this.#options = options;
  }

  observe(batch: Observation): DriftState {
    return perExample(batch, (error) => this.add(error));
  }

  reset(): void {
    this.#examples = 0;
    this.#errors = 0;
    this.#leastError = Number.POSITIVE_INFINITY;
    this.#leastDeviation = Number.POSITIVE_INFINITY;
  }

  add(error: 0 | 1): DriftState {
    const { warning, drift, minExamples } = this.#options;
    this.#examples++;
    this.#errors += error;
    if (this.#examples < minExamples) return "stable";
    const p = this.#errors / this.#examples;
    const s = Math.sqrt((p * (1 - p)) / this.#examples);
    if (p + s <= this.#leastError + this.#leastDeviation) {
      this.#leastError = p;
      this.#leastDeviation = s;
    }
    if (p + s > this.#leastError + drift * this.#leastDeviation) {
      this.reset();
      return "drift";
    }
    return p + s > this.#leastError + warning * this.#leastDeviation ? "warning" : "stable";
  }
}
