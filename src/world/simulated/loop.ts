/**
 * Virtual time. One event happens, then the promises of the programs run dry, then the next event happens.
 *
 * How promises run dry without a macrotask: a turn of the loop runs in `process.nextTick`; after an event it
 * queues one microtask, which asks for the next tick. Node empties the whole microtask queue before it takes
 * a tick, so the next turn starts when no program can go on by itself. Events that no program sees (a packet
 * that changes wires) follow one another without that.
 *
 * Real work never changes the order of events: an event whose result is still being computed stops the loop
 * until the result is there, and so does `hold`.
 */
import { invariant } from "../../core/errors.ts";
import type { Micros } from "../../core/units.ts";
import { EventHeap, type SimulatedEvent } from "./heap.ts";

/** Real time after which other things of the process (threads, signals, timers) get their turn. */
const YIELD_AFTER_MILLISECONDS = 15;
/** Turns between two looks at the real clock. */
const TURNS_PER_LOOK = 16;

interface Hold {
  settled: boolean;
  /** What to do with the result, at the virtual time of the hold. */
  finish: () => void;
}

export type LoopEnd = "ended" | "stuck";

export class EventLoop {
  /** Virtual time. */
  now: Micros = 0;
  /** Events so far that a program could see: starts, wake-ups, deliveries, finished steps. */
  delivered = 0;
  readonly #heap = new EventHeap();
  readonly #holds: Hold[] = [];
  readonly #beforeWaiting: () => void;
  readonly #dry = Promise.resolve();
  #queued = false;
  #ended: (() => boolean) | undefined;
  #resolve: (end: LoopEnd) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #turns = 0;
  #lastYield = 0;

  /** @param beforeWaiting called each time the loop stops to wait for real work. */
  constructor(beforeWaiting: () => void = () => {}) {
    this.#beforeWaiting = beforeWaiting;
  }

  schedule(at: Micros, event: SimulatedEvent): void {
    this.#heap.push(at, event);
  }

  retire(event: SimulatedEvent): void {
    this.#heap.retire(event);
  }

  /** Virtual time does not pass `now` until `work` settles; then `then` is called. Several: in order. */
  hold<T>(work: Promise<T>, then: (result: T) => void): void {
    const hold: Hold = { settled: false, finish: () => {} };
    this.#holds.push(hold);
    const settle = (finish: () => void): void => {
      hold.settled = true;
      hold.finish = finish;
      this.wake();
    };
    work.then(
      (result) => settle(() => then(result)),
      (error: unknown) =>
        settle(() => {
          throw error;
        }),
    );
  }

  /** Runs until `ended` holds, or until nothing is left that could happen. Rejects on an error of an event. */
  run(ended: () => boolean): Promise<LoopEnd> {
    invariant(this.#ended === undefined, "the loop is running already");
    this.#ended = ended;
    this.#lastYield = performance.now();
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.wake();
    });
  }

  /** Takes another turn if the loop has stopped to wait. */
  readonly wake = (): void => {
    if (this.#queued || this.#ended === undefined) return;
    this.#queued = true;
    process.nextTick(this.#turn);
  };

  readonly #again = (): void => {
    process.nextTick(this.#turn);
  };

  readonly #turn = (): void => {
    this.#queued = false;
    if (++this.#turns % TURNS_PER_LOOK === 0) {
      const now = performance.now();
      if (now - this.#lastYield > YIELD_AFTER_MILLISECONDS) {
        this.#lastYield = now;
        this.#queued = true;
        setImmediate(this.#turn);
        return;
      }
    }
    try {
      if (!this.#advance()) return;
    } catch (error) {
      this.#ended = undefined;
      this.#reject(error);
      return;
    }
    this.#queued = true;
    this.#dry.then(this.#again, this.#reject);
  };

  /** Lets events happen until a program may have something to do (true) or the loop must stop (false). */
  #advance(): boolean {
    const heap = this.#heap;
    const holds = this.#holds;
    const ended = this.#ended?.() ?? true;
    for (;;) {
      const next = ended ? undefined : heap.peek();
      if (holds.length > 0 && (next === undefined || heap.topTime > this.now)) {
        const hold = holds[0]!;
        if (!hold.settled) return this.#wait();
        holds.shift();
        hold.finish();
        return true;
      }
      if (next === undefined) return this.#end(ended ? "ended" : "stuck");
      if (!next.ready) return this.#wait();
      this.now = heap.topTime;
      heap.pop();
      if (next.fire()) {
        this.delivered++;
        return true;
      }
    }
  }

  #wait(): false {
    this.#beforeWaiting();
    return false;
  }

  #end(end: LoopEnd): false {
    this.#ended = undefined;
    this.#resolve(end);
    return false;
  }
}
