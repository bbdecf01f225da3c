/**
 * When a site may ask again. After a request for a class none for it follows for some batches; others may be asked for, so
 * that a request of no use does not keep a site from asking for a class that comes just then. Each request in a row that
 * was of no use doubles the time, up to `quietMost`: binary exponential backoff (Metcalfe and Boggs, "Ethernet", CACM 19, 1976).
 * A site whose stream changes all the time so learns that it asks in vain, and the first request for a class is never late.
 */
export interface QuietOptions {
  /** Batches after a request for a class in which none for it follows. */
  readonly quiet: number;
  /** At most, however many were in vain. After twice as long without a request they are forgotten. */
  readonly quietMost: number;
}

export class Quiet {
  readonly #options: QuietOptions;
  /** By class: the batch from which it may be asked for. */
  readonly #until = new Map<number, number>();
  /** Requests in a row, for whichever classes, that were of no use, and the batch of the last one. */
  #vain = 0;
  #last = 0;

  constructor(options: QuietOptions) {
    this.#options = options;
  }

  mayAsk(c: number, batch: number): boolean {
    return batch >= (this.#until.get(c) ?? 0);
  }

  /** A request for the classes has ended: in vain, unless what came is `useful` later, or everybody was silent. */
  asked(classes: readonly number[], batch: number, answered: boolean): void {
    const { quiet, quietMost } = this.#options;
    if (batch - this.#last >= 2 * quietMost) this.#vain = 0;
    this.#last = batch;
    const until = batch + Math.min(quietMost, quiet * 2 ** this.#vain);
    for (const c of classes) this.#until.set(c, until);
    if (answered) this.#vain++;
  }

  /** What came has helped. */
  useful(): void {
    this.#vain = 0;
    this.#until.clear();
  }
}
