/** What a program waits for, as events: a point of time, or the end of a step whose real result must be there. */
import type { StepResult } from "../../model/learner.ts";
import type { SimulatedEvent } from "./heap.ts";
import type { EventLoop } from "./loop.ts";

/** The incarnation that waits: after its crash nothing settles. */
interface Waiting {
  readonly alive: boolean;
}

const nothing = (): void => {};

export class TimerEvent implements SimulatedEvent {
  dead = false;
  readonly ready = true;
  /** Takes the wait out of the scope that could cancel it. */
  release: () => void = nothing;
  readonly #who: Waiting;
  readonly #then: () => void;

  constructor(who: Waiting, then: () => void) {
    this.#who = who;
    this.#then = then;
  }

  fire(): boolean {
    if (!this.#who.alive) return false;
    this.release();
    this.#then();
    return true;
  }
}

/** Its time is fixed when the step is submitted; virtual time stops there until the result has come. */
export class StepEvent implements SimulatedEvent {
  dead = false;
  release: () => void = nothing;
  readonly #who: Waiting;
  readonly #loop: EventLoop;
  readonly #resolve: (result: StepResult) => void;
  readonly #reject: (error: unknown) => void;
  #settle: (() => void) | undefined;

  constructor(
    who: Waiting,
    loop: EventLoop,
    resolve: (result: StepResult) => void,
    reject: (error: unknown) => void,
  ) {
    this.#who = who;
    this.#loop = loop;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get ready(): boolean {
    return this.#settle !== undefined || !this.#who.alive;
  }

  follow(work: Promise<StepResult>): void {
    const settle = (then: () => void): void => {
      this.#settle = then;
      this.#loop.wake();
    };
    work.then(
      (result) => settle(() => this.#resolve(result)),
      (error: unknown) => settle(() => this.#reject(error)),
    );
  }

  fire(): boolean {
    if (!this.#who.alive) return false;
    this.release();
    this.#settle?.();
    return true;
  }
}
