/**
 * One ordered pair of sites in real time, shaped to its description: a bucket that fills at the link's rate, then
 * a delay line with jitter. Departures follow the ideal schedule of the rate, not the moments at which timers
 * happen to fire, so that a late timer costs latency (about a millisecond) and never rate. Control has
 * preemptive priority, as in the simulated world: it leaves as if bulk did not exist, and the bulk that it
 * interrupts leaves later by just that time.
 */
import type { Random } from "../../core/random.ts";
import {
  type BitsPerSecond,
  type Bytes,
  type Micros,
  transmissionMicros,
} from "../../core/units.ts";
import { Fifo } from "../fifo.ts";
import { Throughput } from "../link-meter.ts";
import { callAt, machineMicros } from "./clock.ts";

/** A message on a shaped link. */
export interface Shaped {
  readonly bytes: Bytes;
  readonly queue: "control" | "bulk";
  readonly lossy: boolean;
  /** It has left the shared link (bulk only). */
  left(): void;
  /** It is there. */
  arrive(): void;
}

export interface LinkShape {
  readonly bandwidth: BitsPerSecond;
  readonly oneWayMicros: Micros;
  /** Latency is longer by a uniform draw from 0 to this; order is kept. */
  readonly jitterMicros: Micros;
  /** Probability that a message is lost; reliable ones are sent again, and pay it in round trips. */
  readonly lossRate: number;
  /** Probability that a message of a lossy kind comes twice. */
  readonly duplicationRate: number;
}

interface Flight {
  readonly at: Micros;
  readonly message: Shaped;
}

const MOST_RETRANSMISSIONS = 8;

export class ShapedLink {
  readonly throughput = new Throughput();
  readonly #shape: LinkShape;
  readonly #random: Random;
  /** Bulk that waits, with the time of its arrival here. */
  readonly #waiting = new Fifo<Flight>();
  #sending: Shaped | undefined;
  /** When the present bulk message had the link. */
  #bulkBegan: Micros = 0;
  /** When the present bulk message will have left; when the last one had. */
  #bulkFree: Micros = 0;
  #controlFree: Micros = 0;
  /** On their way, in order of arrival. */
  readonly #flights = { control: new Fifo<Flight>(), bulk: new Fifo<Flight>() };
  readonly #lastArrival = { control: 0, bulk: 0 };
  #wakes = Number.POSITIVE_INFINITY;
  #unwake: () => void = () => {};

  constructor(shape: LinkShape, random: Random) {
    this.#shape = shape;
    this.#random = random;
  }

  send(message: Shaped): void {
    const now = machineMicros();
    this.#advance(now);
    if (message.queue === "bulk") {
      this.#waiting.push({ at: now, message });
      this.#next();
    } else {
      const time = transmissionMicros(message.bytes, this.#shape.bandwidth);
      this.#controlFree = Math.max(now, this.#controlFree) + time;
      if (this.#sending) this.#bulkFree += time;
      this.#fly(message, this.#controlFree);
    }
    this.#rest();
  }

  /** Forgets everything: the run is over. */
  close(): void {
    this.#unwake();
    this.#sending = undefined;
    this.#waiting.clear();
    this.#flights.control.clear();
    this.#flights.bulk.clear();
  }

  /** Everything that is due: departures, then arrivals. */
  #advance(now: Micros): void {
    while (this.#sending && this.#bulkFree <= now) {
      const message = this.#sending;
      this.#sending = undefined;
      this.throughput.sent(message.bytes, this.#bulkFree - this.#bulkBegan);
      this.#fly(message, this.#bulkFree);
      this.#next();
      message.left();
    }
    for (const queue of ["control", "bulk"] as const) {
      const flights = this.#flights[queue];
      for (let first = flights.peek(); first && first.at <= now; first = flights.peek()) {
        flights.shift();
        first.message.arrive();
      }
    }
  }

  #next(): void {
    if (this.#sending) return;
    const next = this.#waiting.shift();
    if (!next) return;
    this.#sending = next.message;
    this.#bulkBegan = Math.max(next.at, this.#bulkFree);
    const start = Math.max(this.#bulkBegan, this.#controlFree);
    this.#bulkFree = start + transmissionMicros(next.message.bytes, this.#shape.bandwidth);
  }

  #fly(message: Shaped, departure: Micros): void {
    const { jitterMicros, lossRate, duplicationRate, oneWayMicros } = this.#shape;
    const random = this.#random;
    const { queue } = message;
    let delay = oneWayMicros + (jitterMicros > 0 ? random.integer(jitterMicros + 1) : 0);
    if (lossRate > 0 && random.next() < lossRate) {
      if (message.lossy) return;
      let wait = 2 * oneWayMicros;
      delay += wait;
      for (let i = 1; i < MOST_RETRANSMISSIONS && random.next() < lossRate; i++) delay += wait *= 2;
    }
    const at = Math.max(departure + delay, this.#lastArrival[queue]);
    this.#lastArrival[queue] = at;
    this.#flights[queue].push({ at, message });
    const twice = message.lossy && duplicationRate > 0 && random.next() < duplicationRate;
    if (twice) this.#flights[queue].push({ at, message });
  }

  /** Sleeps until the next thing is due. */
  #rest(): void {
    const next = Math.min(
      this.#sending ? this.#bulkFree : Number.POSITIVE_INFINITY,
      this.#flights.control.peek()?.at ?? Number.POSITIVE_INFINITY,
      this.#flights.bulk.peek()?.at ?? Number.POSITIVE_INFINITY,
    );
    if (next === this.#wakes) return;
    this.#unwake();
    this.#wakes = next;
    if (next === Number.POSITIVE_INFINITY) return;
    this.#unwake = callAt(next, () => {
      this.#wakes = Number.POSITIVE_INFINITY;
      this.#advance(machineMicros());
      this.#rest();
    });
  }
}
