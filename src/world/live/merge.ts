/** Events of several hosts in the order of their times: an event is told when no host can have an earlier one. */
import type { RunEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";

export class EventMerge {
  readonly #tell: (event: RunEvent) => void;
  /** Up to when each source has told everything. */
  readonly #until = new Map<string, Micros>();
  #waiting: RunEvent[] = [];

  constructor(sources: readonly string[], tell: (event: RunEvent) => void) {
    this.#tell = tell;
    for (const source of sources) this.#until.set(source, 0);
  }

  add(events: readonly RunEvent[]): void {
    for (const event of events) this.#waiting.push(event);
  }

  /** The source tells nothing more of before this time. */
  advance(source: string, until: Micros): void {
    if (!this.#until.has(source)) return;
    this.#until.set(source, until);
    this.#release();
  }

  /** A further source, which has nothing to tell of before this time. */
  join(source: string, from: Micros): void {
    this.#until.set(source, from);
  }

  /** The source is gone: nobody waits for it. */
  forget(source: string): void {
    this.#until.delete(source);
    this.#release();
  }

  #release(): void {
    if (this.#waiting.length === 0) return;
    const until = Math.min(...this.#until.values());
    const due = this.#waiting.filter((event) => event.t < until);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((event) => event.t >= until);
    due.sort((a, b) => a.t - b.t);
    for (const event of due) this.#tell(event);
  }
}
