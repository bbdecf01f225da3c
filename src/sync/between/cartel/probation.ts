/**
 * The second half of acceptance: for some batches a model with a portion in it serves beside a shadow without, which
 * learns the same rows. Both are judged on each batch before they learn it, so neither has seen it. When the portion
 * turns out to have done harm, the site goes on with the shadow: exactly what it would be had it never asked.
 */
import type { Flops } from "../../../core/units.ts";
import type { TailoredModel } from "../../../model/tailored.ts";
import type { JudgedBatch } from "../../site-loop.ts";

export type Judgement = "open" | "kept" | "taken back";

/** So many standard deviations of chance end a probation before its time. */
const CLEARLY = 2;

export class Probation {
  readonly shadow: TailoredModel;
  #left: number;
  /** Rows that only one of the two had wrong, by which. */
  #servingWrong = 0;
  #shadowWrong = 0;

  /** @param shadow the model without the portion; closed by who made it */
  constructor(shadow: TailoredModel, batches: number) {
    this.shadow = shadow;
    this.#left = batches;
  }

  /** What the serving model has said of the batch is known; the shadow says the same now. */
  async judge({ dataset, rows, labels, predicted }: JudgedBatch): Promise<Flops> {
    const own = new Int32Array(rows.length);
    const flops = await this.shadow.predict({ dataset, rows }, own);
    for (let i = 0; i < rows.length; i++) {
      const [served, shadowed] = [predicted[i] === labels[i], own[i] === labels[i]];
      if (!served && shadowed) this.#servingWrong++;
      if (served && !shadowed) this.#shadowWrong++;
    }
    this.#left--;
    return flops;
  }

  /** Harm: the portion made more wrong than right; at once where that is no chance, else when the time is over. */
  get judgement(): Judgement {
    const harm = this.#servingWrong - this.#shadowWrong;
    // Of n rows on which they differ, chance makes about sqrt(n) more wrong than right.
    if (harm > CLEARLY * Math.sqrt(this.#servingWrong + this.#shadowWrong)) return "taken back";
    if (this.#left > 0) return "open";
    return harm > 0 ? "taken back" : "kept";
  }

  /** More right than chance explains. */
  get helped(): boolean {
    const gain = this.#shadowWrong - this.#servingWrong;
    return gain > CLEARLY * Math.sqrt(this.#servingWrong + this.#shadowWrong);
  }

  /** For people. */
  get reason(): string {
    return `${this.#servingWrong} rows wrong by it, ${this.#shadowWrong} right`;
  }
}
