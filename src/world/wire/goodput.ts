/**
 * What the way to a peer takes when there is enough to take: bytes over time between two words of the peer on what it
 * has, where everything that came between them had been sent a round trip before the first of the two. Then the way
 * itself, or the window, set the pace, and not the sender: bytes of a burst arrive spread as the slowest link spreads
 * them (Keshav, "A Control-Theoretic Approach to Flow Control", SIGCOMM 1991), and a sender of little is no slow link.
 */
import type { BitsPerSecond, Bytes, Micros } from "../../core/units.ts";
import { Fifo } from "../fifo.ts";
import { Throughput } from "../link-meter.ts";

/** A peer speaks a turn of its threads late. */
const TURN: Micros = 5_000;

export class Goodput {
  readonly #throughput = new Throughput();
  /** What the peer does not have yet: when it was sent, and the bytes of all up to it. */
  readonly #parcels = new Fifo<{ readonly at: Micros; readonly end: Bytes }>();
  /** Where the first of them begins. */
  #begun: Bytes = 0;
  #last: { readonly now: Micros; readonly bytes: Bytes } | undefined;

  /** A parcel was sent. @param end bytes of all parcels so far, itself included. */
  sent(now: Micros, end: Bytes): void {
    this.#parcels.push({ at: now, end });
  }

  /** The peer has so many bytes by now. @param shortest answers the shortest round trip; 0: not yet known. */
  delivered(now: Micros, bytes: Bytes, shortest: () => Micros): void {
    const last = this.#last;
    if (bytes === last?.bytes) return;
    this.#last = { now, bytes };
    const latest = this.#came(bytes);
    // The last word comes late: the peer waited for more.
    if (!last || latest === undefined || this.#parcels.length === 0) return;
    const trip = shortest();
    if (trip === 0 || latest + trip + TURN > last.now) return;
    this.#throughput.sent(bytes - last.bytes, now - last.now);
  }

  get rate(): BitsPerSecond | undefined {
    return this.#throughput.goodput;
  }

  /** Forgets parcels that came whole; answers when the last was sent of which something came. */
  #came(bytes: Bytes): Micros | undefined {
    let latest: Micros | undefined;
    for (let first = this.#parcels.peek(); first; first = this.#parcels.peek()) {
      if (this.#begun >= bytes) break;
      latest = first.at;
      if (first.end > bytes) break;
      this.#begun = first.end;
      this.#parcels.shift();
    }
    return latest;
  }
}
