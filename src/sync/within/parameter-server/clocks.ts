/**
 * The vector clock of a shard: how many clocks of each worker are in, and up to which all of them are. Who has left is
 * not counted; who joins is counted from the clock at which it was let in.
 */
export class WorkerClocks {
  readonly #completed: Int32Array;
  readonly #counted: Uint8Array;
  #count = 0;

  constructor(workers: readonly { readonly counted: boolean }[]) {
    this.#completed = new Int32Array(workers.length);
    this.#counted = Uint8Array.from(workers, ({ counted }) => (counted ? 1 : 0));
    this.#count = workers.filter(({ counted }) => counted).length;
  }

  /** Clocks of a worker, by its position. */
  of(position: number): number {
    return this.#completed[position] ?? 0;
  }

  counts(position: number): boolean {
    return this.#counted[position] === 1;
  }

  /** Workers that are counted. */
  get count(): number {
    return this.#count;
  }

  /** The least clock of those who are counted; `floor` when nobody is. */
  minimum(floor: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#completed.length; i++)
      if (this.#counted[i] === 1) least = Math.min(least, this.#completed[i] as number);
    return this.#count === 0 ? floor : least;
  }

  finished(position: number, clock: number): void {
    this.#completed[position] = clock;
  }

  /** Counts a joiner from `clock`, or from where its slot had come before, if that is later. */
  enter(position: number, clock: number): void {
    if (this.#counted[position] === 0) this.#count++;
    this.#counted[position] = 1;
    this.#completed[position] = Math.max(this.of(position), clock);
  }

  /** @param kept clocks of it that remain in the values. */
  leave(position: number, kept: number): void {
    if (this.#counted[position] === 1) this.#count--;
    this.#counted[position] = 0;
    this.#completed[position] = Math.min(this.of(position), kept);
  }
}
