/** Timers whose time passes only when a test says so. */
import type { Micros } from "../../src/core/units.ts";
import type { Timers } from "../../src/world/bus/timers.ts";

/** Lets everything run that waits for promises, ports or sockets only. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class VirtualTimers implements Timers {
  #now: Micros = 0;
  #next = 0;
  readonly #due = new Map<number, { readonly at: Micros; readonly action: () => void }>();

  now(): Micros {
    return this.#now;
  }

  after(micros: Micros, action: () => void): () => void {
    const id = this.#next++;
    this.#due.set(id, { at: this.#now + micros, action });
    return () => {
      this.#due.delete(id);
    };
  }

  /** Moves time on, calling what falls due in order; after each call everything else runs first. */
  async advance(micros: Micros): Promise<void> {
    const end = this.#now + micros;
    await turn();
    for (;;) {
      const [first] = [...this.#due].sort(([i, a], [j, b]) => a.at - b.at || i - j);
      if (!first || first[1].at > end) break;
      this.#due.delete(first[0]);
      this.#now = Math.max(this.#now, first[1].at);
      first[1].action();
      await turn();
      await turn();
    }
    this.#now = end;
  }
}
