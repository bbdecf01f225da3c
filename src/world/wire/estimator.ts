/**
 * What is known of the way to a peer, from durations on this machine's clock alone: the shortest round trip and the
 * best goodput of late, and the window that follows. As in BBR (Cardwell et al., "BBR: Congestion-Based Congestion
 * Control", ACM Queue 2016): goodput is the largest but one of the last rounds, a round in which there was not enough to send
 * only counts when it was better than that, and the window is two bandwidth-delay products. So it doubles each round
 * while it is what limits, and rests where the link does. Of a sender of little this goodput says what was sent; what the
 * way would take is measured beside it, in goodput.ts.
 */
import type { Bytes, Micros } from "../../core/units.ts";
import type { Estimate } from "./contract.ts";

/** Round trips and rounds that are remembered. */
const TRIPS = 32;
const ROUNDS = 10;
/** A round is at least so long: shorter ones measure how threads take turns. */
const LEAST_ROUND: Micros = 50_000;
/** Threads take a turn before they give credit; added to the round trip. */
const TURN: Micros = 5_000;
export const FIRST_WINDOW: Bytes = 4 * 2 ** 20;
/** Bytes count when their whole frame has come: two frames more. */
const FRAMES: Bytes = 512 * 1024;
const MOST_WINDOW: Bytes = 64 * 2 ** 20;

export class Estimator {
  readonly #trips: Micros[] = [];
  /** Bytes a microsecond. */
  readonly #rounds: number[] = [];
  /** Where this round and the one before began. A rate is over both: what TCP held back and let go at once is none. */
  #begins: { readonly now: Micros; readonly bytes: Bytes; dry: boolean }[] = [];
  /** Whether there was a round in which there was always enough to send. */
  #full = false;

  /** A message went there and back. */
  trip(micros: Micros): void {
    this.#trips.push(Math.max(1, micros));
    if (this.#trips.length > TRIPS) this.#trips.shift();
  }

  /** The peer has so many bytes by now. @param busy whether more wait. Answers whether the estimate changed. */
  delivered(now: Micros, bytes: Bytes, busy: boolean): boolean {
    const round = this.#begins.at(-1) ?? this.#begin(now, bytes);
    round.dry ||= !busy;
    const micros = now - round.now;
    if (bytes === round.bytes || micros < LEAST_ROUND || micros < this.#trip) return false;
    const [first = round] = this.#begins;
    const rate = (bytes - first.bytes) / (now - first.now);
    const dry = this.#begins.some((each) => each.dry);
    this.#full ||= !dry;
    if (!dry || rate > this.#best) {
      this.#rounds.push(rate);
      if (this.#rounds.length > ROUNDS) this.#rounds.shift();
    }
    this.#begin(now, bytes).dry = !busy;
    return true;
  }

  /** Nothing was under way until now: what was measured so far is over. */
  resume(now: Micros, bytes: Bytes): void {
    this.#begins = [];
    this.#begin(now, bytes);
  }

  estimate(): Estimate {
    return { goodput: Math.round(this.#best * 8e6), roundTripMicros: this.#trip };
  }

  /** How many bytes should be under way. */
  window(): Bytes {
    const product = this.#best * (this.#trip + TURN);
    const window = FRAMES + Math.round(2 * product);
    return Math.min(MOST_WINDOW, this.#full ? window : Math.max(FIRST_WINDOW, window));
  }

  get #trip(): Micros {
    return this.#trips.length === 0 ? 0 : Math.min(...this.#trips);
  }
  get #best(): number {
    const [best = 0, second = best] = [...this.#rounds].sort((a, b) => b - a);
    return second;
  }
  #begin(now: Micros, bytes: Bytes) {
    const round = { now, bytes, dry: false };
    this.#begins = [...this.#begins.slice(-1), round];
    return round;
  }
}
