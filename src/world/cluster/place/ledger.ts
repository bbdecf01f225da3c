/** What a scheduler runs for this process and has not ended, with the command of a shell that ends each. */
export class Ledger {
  readonly #open = new Map<string, string>();

  /** @param what "oregon (job 17)". The answer: it has ended. */
  add(what: string, command: string): () => void {
    this.#open.set(what, command);
    return () => {
      this.#open.delete(what);
    };
  }

  /** What is open, and its command. */
  entries(): readonly (readonly [what: string, command: string])[] {
    return [...this.#open];
  }
}
