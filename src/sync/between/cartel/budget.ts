/** A budget of bytes that refills steadily: at most `bytes` in any stretch of `period`, and as much at once. */
import type { Bytes, Micros } from "../../../core/units.ts";

export class Budget {
  readonly #bytes: Bytes;
  readonly #period: Micros;
  #left: Bytes;
  #at: Micros = 0;

  constructor(bytes: Bytes, period: Micros) {
    this.#bytes = bytes;
    this.#period = period;
    // Half at once and half over a period: never more than the whole in any period.
    this.#left = bytes / 2;
  }

  left(now: Micros): Bytes {
    const refilled = ((now - this.#at) / this.#period) * (this.#bytes / 2);
    this.#left = Math.min(this.#bytes / 2, this.#left + refilled);
    this.#at = now;
    return Math.floor(this.#left);
  }

  spend(bytes: Bytes, now: Micros): void {
    this.#left = this.left(now) - bytes;
  }
}
