/**
 * The simulator's agenda: a binary heap of events ordered by (time, sequence). Times and sequences lie in
 * typed arrays beside the events, so that ordering touches no object. Retired events stay until they come up
 * or until they are the majority.
 */
import type { Micros } from "../../core/units.ts";

/** Something that happens at a point of virtual time. */
export interface SimulatedEvent {
  /** Set by `retire`: it no longer happens, and virtual time does not move for it. */
  dead: boolean;
  /** False while its real result is still being computed: virtual time waits for it. */
  readonly ready: boolean;
  /** Lets it happen. True when a program may have something to do now: its promises must run dry. */
  fire(): boolean;
}

const COMPACT_ABOVE = 1024;

export class EventHeap {
  #times = new Float64Array(1024);
  #sequences = new Float64Array(1024);
  #events: (SimulatedEvent | undefined)[] = [];
  #size = 0;
  #sequence = 0;
  #dead = 0;

  /** Events waiting, retired ones included. */
  get size(): number {
    return this.#size;
  }

  push(at: Micros, event: SimulatedEvent): void {
    if (this.#size === this.#times.length) this.#grow();
    this.#place(this.#size++, at, this.#sequence++, event);
  }

  /** The next event that is not retired. */
  peek(): SimulatedEvent | undefined {
    while (this.#size > 0) {
      const event = this.#events[0]!;
      if (!event.dead) return event;
      this.#removeTop();
      this.#dead--;
    }
    return undefined;
  }

  /** Time of the event that `peek` answered. */
  get topTime(): Micros {
    return this.#times[0]!;
  }

  /** Removes the event that `peek` answered. */
  pop(): void {
    this.#removeTop();
  }

  /** The event does not happen. It must be on the heap. */
  retire(event: SimulatedEvent): void {
    if (event.dead) return;
    event.dead = true;
    this.#dead++;
    if (this.#size > COMPACT_ABOVE && this.#dead * 2 > this.#size) this.#compact();
  }

  /** Moves the hole at `hole` up until (at, sequence) fits there. */
  #place(hole: number, at: Micros, sequence: number, event: SimulatedEvent): void {
    const times = this.#times;
    const sequences = this.#sequences;
    const events = this.#events;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const time = times[parent]!;
      if (time < at || (time === at && sequences[parent]! < sequence)) break;
      times[hole] = time;
      sequences[hole] = sequences[parent]!;
      events[hole] = events[parent];
      hole = parent;
    }
    times[hole] = at;
    sequences[hole] = sequence;
    events[hole] = event;
  }

  #removeTop(): void {
    const last = --this.#size;
    const times = this.#times;
    const sequences = this.#sequences;
    const events = this.#events;
    const at = times[last]!;
    const sequence = sequences[last]!;
    const event = events[last]!;
    events[last] = undefined;
    if (last === 0) return;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= last) break;
      const right = child + 1;
      if (right < last && this.#before(right, child)) child = right;
      const time = times[child]!;
      if (time > at || (time === at && sequences[child]! > sequence)) break;
      times[hole] = time;
      sequences[hole] = sequences[child]!;
      events[hole] = events[child];
      hole = child;
    }
    times[hole] = at;
    sequences[hole] = sequence;
    events[hole] = event;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#times[a]! - this.#times[b]!;
    return difference < 0 || (difference === 0 && this.#sequences[a]! < this.#sequences[b]!);
  }

  /** Drops retired events. Sequences are kept, so the order of the rest is too. */
  #compact(): void {
    const size = this.#size;
    this.#size = 0;
    this.#dead = 0;
    for (let i = 0; i < size; i++) {
      const event = this.#events[i]!;
      if (!event.dead) this.#place(this.#size++, this.#times[i]!, this.#sequences[i]!, event);
    }
    this.#events.length = this.#size;
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    const sequences = new Float64Array(times.length);
    times.set(this.#times);
    sequences.set(this.#sequences);
    this.#times = times;
    this.#sequences = sequences;
  }
}
