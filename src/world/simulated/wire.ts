/**
 * One direction of one link with two classes. Control has preemptive priority: it leaves as if bulk did not
 * exist, and the chunk of bulk that it interrupts ends later by just that time, so no capacity is invented.
 * Each class is first in, first out.
 */
import {
  type BitsPerSecond,
  type Bytes,
  type Micros,
  transmissionMicros,
} from "../../core/units.ts";
import { Fifo } from "../fifo.ts";
import { Throughput } from "../link-meter.ts";
import type { SimulatedEvent } from "./heap.ts";
import type { EventLoop } from "./loop.ts";

/** A piece of a message on a wire; as an event, it happens when its time on the wire is over. */
export interface Chunk extends SimulatedEvent {
  readonly bytes: Bytes;
  /** Thrown away rather than kept while the wire is cut. */
  readonly lossy: boolean;
}

export class Wire<C extends Chunk> {
  readonly throughput = new Throughput();
  readonly #loop: EventLoop;
  readonly #rate: BitsPerSecond;
  /** When the control messages so far have left. Never later than the end of the chunk being sent. */
  #controlFree: Micros = 0;
  #sending: C | undefined;
  /** When the chunk being sent had the wire. */
  #began: Micros = 0;
  /** Time that control took from the chunk being sent. */
  #debt: Micros = 0;
  readonly #waiting = new Fifo<C>();
  /** Number of partitions that cut this wire now. */
  #cuts = 0;
  #heldControl: C[] = [];

  constructor(loop: EventLoop, rate: BitsPerSecond) {
    this.#loop = loop;
    this.#rate = rate;
  }

  get cut(): boolean {
    return this.#cuts > 0;
  }

  /** Takes a control message of this size; answers when it has left. */
  control(bytes: Bytes): Micros {
    const time = transmissionMicros(bytes, this.#rate);
    this.#controlFree = Math.max(this.#loop.now, this.#controlFree) + time;
    if (this.#sending) this.#debt += time;
    return this.#controlFree;
  }

  /** Takes a chunk of bulk; it fires once its time is over, and must then ask `left`. */
  bulk(chunk: C): void {
    if (this.#sending || this.#cuts > 0) this.#waiting.push(chunk);
    else this.#send(chunk);
  }

  /** Asked by a chunk that fires: true when it has left the wire, false when it fires again later. */
  left(chunk: C): boolean {
    if (this.#debt > 0) {
      this.#loop.schedule(this.#loop.now + this.#debt, chunk);
      this.#debt = 0;
      return false;
    }
    this.#sending = undefined;
    if (this.#cuts > 0) {
      if (chunk.lossy) return true;
      this.#waiting.unshift(chunk);
      return false;
    }
    this.throughput.sent(chunk.bytes, this.#loop.now - this.#began);
    const next = this.#waiting.shift();
    if (next) this.#send(next);
    return true;
  }

  /** Keeps a control message until the cut is healed. */
  holdControl(chunk: C): void {
    this.#heldControl.push(chunk);
  }

  sever(): void {
    this.#cuts++;
  }

  /** Ends one cut. When it was the last, bulk goes on and the held control messages are answered, in order. */
  heal(): readonly C[] {
    if (--this.#cuts > 0) return [];
    const held = this.#heldControl;
    this.#heldControl = [];
    if (!this.#sending) {
      const next = this.#waiting.shift();
      if (next) this.#send(next);
    }
    return held;
  }

  /** Forgets all bulk that has not left (the sender died). */
  clear(): void {
    if (this.#sending) this.#loop.retire(this.#sending);
    this.#sending = undefined;
    this.#debt = 0;
    this.#waiting.clear();
    this.#controlFree = 0;
  }

  #send(chunk: C): void {
    this.#sending = chunk;
    this.#began = this.#loop.now;
    const start = Math.max(this.#loop.now, this.#controlFree);
    this.#loop.schedule(start + transmissionMicros(chunk.bytes, this.#rate), chunk);
  }
}
