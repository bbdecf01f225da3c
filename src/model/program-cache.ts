/** Graphs ready to run, by what they were built for. The least recently used one is given back first. */
import type { Program } from "./onnx/run.ts";

/** Batch sizes in use at once are few (the usual one, a last smaller one); each holds native memory. */
const KEPT = 8;

/** Not safe for calls at once: whoever uses it takes turns. */
export class ProgramCache<T extends { readonly program: Program }> {
  readonly #entries = new Map<string, T>();

  async get(key: string, load: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(key);
    if (known) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size < KEPT) break;
      this.#entries.delete(oldest);
      await entry.program.release();
    }
    const loaded = await load();
    this.#entries.set(key, loaded);
    return loaded;
  }

  async close(): Promise<void> {
    for (const entry of this.#entries.values()) await entry.program.release();
    this.#entries.clear();
  }
}
