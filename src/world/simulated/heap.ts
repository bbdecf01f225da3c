/**
 * The simulator's agenda: a heap of events ordered by (time, sequence). What is ordered lies in typed arrays;
 * the events themselves stay where they are, so that ordering touches no object. Retired events stay until they come up
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
/** Children of a place in the heap: four lie in one or two cache lines. */
const ARITY = 4;

export class EventHeap {
  #times = new Float64Array(1024);
  #sequences = new Float64Array(1024);
  /** Where the event of each place lies in `#events`. */
  #slots = new Int32Array(1024);
  #events: (SimulatedEvent | undefined)[] = [];
  /** A stack of `#free` unused places of `#events`. */
  #freeSlots = new Int32Array(1024);
  #free = 0;
  #size = 0;
  #sequence = 0;
  #dead = 0;

  /** Events waiting, retired ones included. */
  get size(): number {
    return this.#size;
  }

  push(at: Micros, event: SimulatedEvent): void {
    if (this.#size === this.#times.length) this.#grow();
    const slot = this.#free > 0 ? this.#freeSlots[--this.#free]! : this.#events.length;
    this.#events[slot] = event;
    this.#place(this.#size++, at, this.#sequence++, slot);
  }

  /** The next event that is not retired. */
  peek(): SimulatedEvent | undefined {
    while (this.#size > 0) {
      const event = this.#events[this.#slots[0]!]!;
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
  #place(hole: number, at: Micros, sequence: number, slot: number): void {
    const times = this.#times;
    const sequences = this.#sequences;
    while (hole > 0) {
      const parent = ((hole - 1) / ARITY) | 0;
      const time = times[parent]!;
      if (time < at || (time === at && sequences[parent]! < sequence)) break;
      this.#move(parent, hole);
      hole = parent;
    }
    times[hole] = at;
    sequences[hole] = sequence;
    this.#slots[hole] = slot;
  }

  #removeTop(): void {
    this.#release(this.#slots[0]!);
    const last = --this.#size;
    if (last === 0) return;
    const times = this.#times;
    const sequences = this.#sequences;
    const at = times[last]!;
    const sequence = sequences[last]!;
    const slot = this.#slots[last]!;
    let hole = 0;
    for (;;) {
      const first = ARITY * hole + 1;
      if (first >= last) break;
      let child = first;
      const end = Math.min(first + ARITY, last);
      for (let other = first + 1; other < end; other++)
        if (this.#before(other, child)) child = other;
      const time = times[child]!;
      if (time > at || (time === at && sequences[child]! > sequence)) break;
      this.#move(child, hole);
      hole = child;
    }
    times[hole] = at;
    sequences[hole] = sequence;
    this.#slots[hole] = slot;
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from]!;
    this.#sequences[to] = this.#sequences[from]!;
    this.#slots[to] = this.#slots[from]!;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#times[a]! - this.#times[b]!;
    return difference < 0 || (difference === 0 && this.#sequences[a]! < this.#sequences[b]!);
  }

  #release(slot: number): void {
    this.#events[slot] = undefined;
    this.#freeSlots[this.#free++] = slot;
  }

  /** Drops retired events. Sequences are kept, so the order of the rest is too. */
  #compact(): void {
    const size = this.#size;
    this.#size = 0;
    this.#dead = 0;
    for (let i = 0; i < size; i++) {
      const slot = this.#slots[i]!;
      if (this.#events[slot]!.dead) this.#release(slot);
      else this.#place(this.#size++, this.#times[i]!, this.#sequences[i]!, slot);
    }
  }

  #grow(): void {
    const length = this.#times.length * 2;
    this.#times = enlarge(this.#times, new Float64Array(length));
    this.#sequences = enlarge(this.#sequences, new Float64Array(length));
    this.#slots = enlarge(this.#slots, new Int32Array(length));
    this.#freeSlots = enlarge(this.#freeSlots, new Int32Array(length));
  }
}

function enlarge<A extends Float64Array | Int32Array>(from: A, into: A): A {
  into.set(from);
  return into;
}
