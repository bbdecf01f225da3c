/** Something that changes, and who waits for it to be in some way. */
import type { Micros } from "../../core/units.ts";
import { callAt } from "./clock.ts";

export class Watched {
  readonly #watchers = new Set<() => void>();

  changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** @param wakeAt when to look without a change, too: a deadline that `holds` knows of. */
  until(holds: () => boolean, wakeAt?: Micros): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        this.#watchers.delete(check);
        cancel?.();
        resolve();
      };
      const cancel = wakeAt === undefined ? undefined : callAt(wakeAt, check);
      this.#watchers.add(check);
    });
  }
}
