/**
 * When a site may ask again. After a request for a class none for it follows for some batches; others may be asked for, so
 * that a request of no use does not keep a site from asking for a class that comes just then. Each request in a row that
 * helped with none of its classes doubles the time, up to `most`: binary exponential backoff (Metcalfe and Boggs,
 * "Ethernet", CACM 19, 1976). A site whose stream changes all the time so learns for what it asks in vain, and the first
 * request for a class is never late.
 */
export interface QuietOptions {
  /** Batches after a request for a class in which none for it follows. */
  readonly quiet: number;
  /** At most, however often it was in vain. */
  readonly quietMost: number;
}

export class Quiet {
  readonly #options: QuietOptions;
  /** By class: the batch from which it may be asked for, and how often in a row asking was of no use. */
  readonly #until = new Map<number, number>();
  readonly #vain = new Map<number, number>();

  constructor(options: QuietOptions) {
    this.#options = options;
  }

  mayAsk(c: number, batch: number): boolean {
    return batch >= (this.#until.get(c) ?? 0);
  }

  /** A request for the classes has ended: in vain, unless what came is `useful` later, or everybody was silent. */
  asked(classes: readonly number[], batch: number, answered: boolean): void {
    const { quiet, quietMost } = this.#options;
    for (const c of classes) {
      const vain = this.#vain.get(c) ?? 0;
      this.#until.set(c, batch + Math.min(quietMost, quiet * 2 ** vain));
      if (answered) this.#vain.set(c, vain + 1);
    }
  }

  /** What came for them has helped. */
  useful(classes: readonly number[]): void {
    for (const c of classes) this.#vain.delete(c);
  }
}
