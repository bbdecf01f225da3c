/**
 * Whether a stream of errors has grown: HDDM_A (Frías-Blanco et al., "Online and non-parametric drift detection methods
 * based on Hoeffding's bounds", IEEE TKDE 27, 2015). The cut is the past moment up to which the mean error, by
 * Hoeffding's bound, was surely lowest; the test says that the mean up to now exceeds the mean up to the cut by more than
 * chance explains with the given confidence. Four counts, whatever the length of the stream. What the trees of a forest
 * watch themselves with; sites have the detectors of `sync`.
 */
import { type PortionReader, type PortionWriter, portionInvalid } from "./bytes.ts";

export type Verdict = "stable" | "warning" | "drift";

export interface Confidence {
  /** Chances of a false alarm of one test. */
  readonly warning: number;
  readonly drift: number;
}

export class ErrorTest {
  #count = 0;
  #errors = 0;
  #cutCount = 0;
  #cutErrors = 0;

  /** Of each outcome in its order. After a drift the test begins anew. */
  add(error: boolean, { warning, drift }: Confidence): Verdict {
    this.#count++;
    if (error) this.#errors++;
    const bound = (count: number): number => Math.sqrt(Math.log(1 / drift) / (2 * count));
    const [n, c] = [this.#count, this.#errors];
    const lowest = this.#cutErrors / this.#cutCount + bound(this.#cutCount);
    if (this.#cutCount === 0 || c / n + bound(n) <= lowest) {
      this.#cutCount = n;
      this.#cutErrors = c;
      return "stable";
    }
    // Only an error can raise the mean.
    if (!error) return "stable";
    const risen = c / n - this.#cutErrors / this.#cutCount;
    const spread = (n - this.#cutCount) / (2 * n * this.#cutCount);
    if (risen <= Math.sqrt(spread * Math.log(1 / warning))) return "stable";
    if (risen <= Math.sqrt(spread * Math.log(1 / drift))) return "warning";
    this.reset();
    return "drift";
  }

  reset(): void {
    this.#count = this.#errors = this.#cutCount = this.#cutErrors = 0;
  }

  write(writer: PortionWriter): void {
    for (const value of [this.#count, this.#errors, this.#cutCount, this.#cutErrors])
      writer.u32(value);
  }

  static read(reader: PortionReader): ErrorTest {
    const test = new ErrorTest();
    test.#count = reader.u32();
    test.#errors = reader.u32();
    test.#cutCount = reader.u32();
    test.#cutErrors = reader.u32();
    if (
      test.#errors > test.#count ||
      test.#cutErrors > test.#cutCount ||
      test.#cutCount > test.#count
    )
      throw portionInvalid("errors are more than the examples");
    return test;
  }
}
