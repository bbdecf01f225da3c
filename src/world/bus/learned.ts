/**
 * A deadline learned from what was seen: median + k * MAD (median of the absolute deviations) of the last gaps,
 * and never less than three medians, so that a steady beat is not suspected for one late message. Before the
 * first gap it is three times the gap that was announced.
 */
import type { Micros } from "../../core/units.ts";

const KEPT = 64;
const LEAST_MEDIANS = 3;

export class LearnedDeadline {
  readonly #k: number;
  readonly #announced: Micros;
  readonly #gaps: Micros[] = [];

  /** @param announced what a gap should be; @param k how many deviations are still believed. */
  constructor(announced: Micros, k = 8) {
    this.#announced = announced;
    this.#k = k;
  }

  observe(gap: Micros): void {
    this.#gaps.push(gap);
    if (this.#gaps.length > KEPT) this.#gaps.shift();
  }

  deadline(): Micros {
    if (this.#gaps.length === 0) return LEAST_MEDIANS * this.#announced;
    const middle = median(this.#gaps);
    const deviation = median(this.#gaps.map((gap) => Math.abs(gap - middle)));
    return Math.ceil(Math.max(LEAST_MEDIANS * middle, middle + this.#k * deviation));
  }
}

/** The middle of a sorted copy; of an even number the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? upper) + upper) / 2;
}
