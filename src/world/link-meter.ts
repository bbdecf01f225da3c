/**
 * What was measured of one direction of a link: how much bulk it took while there was bulk to take, and the shortest
 * time that control took to get across of late. Busy time alone counts, so a link on which little is sent is not
 * taken for a slow one. Links that a world models or shapes are measured here; real ones by `wire/estimator.ts`.
 */
import type { BitsPerSecond, Bytes, Micros } from "../core/units.ts";
import type { PathEstimate } from "./contract.ts";

/** Busy time of a round; a rate is over the present round and the one before. */
const ROUND: Micros = 250_000;
/** Crossings that are remembered. */
const CROSSINGS = 32;

/** Nothing has been measured, or there is no link to measure. */
export const UNMEASURED: PathEstimate = Object.freeze({
  goodput: undefined,
  roundTripMicros: undefined,
});

/** The lesser of those that are known. */
export function least(...values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

export class Throughput {
  #before = { bytes: 0, micros: 0 };
  #round = { bytes: 0, micros: 0 };

  /** So much bulk has left; the link was busy with it for so long, control that went first included. */
  sent(bytes: Bytes, micros: Micros): void {
    if (this.#round.micros >= ROUND) {
      this.#before = this.#round;
      this.#round = { bytes: 0, micros: 0 };
    }
    this.#round.bytes += bytes;
    this.#round.micros += micros;
  }

  get goodput(): BitsPerSecond | undefined {
    const micros = this.#before.micros + this.#round.micros;
    return micros === 0
      ? undefined
      : Math.round(((this.#before.bytes + this.#round.bytes) * 8e6) / micros);
  }
}

export class Crossings {
  readonly #micros: Micros[] = [];
  #next = 0;

  /** A control message took so long from its sending to its delivery. */
  add(micros: Micros): void {
    this.#micros[this.#next] = micros;
    this.#next = (this.#next + 1) % CROSSINGS;
  }

  get shortest(): Micros | undefined {
    return least(...this.#micros);
  }
}
