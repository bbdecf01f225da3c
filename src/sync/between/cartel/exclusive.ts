/** One at a time: work on something that several tasks of a node use, in the order in which they asked. */
export class Exclusive {
  #last: Promise<unknown> = Promise.resolve();

  /** The work's own outcome. Work must not wait for virtual time, nor for other work here. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}
