/** A store in memory that outlives the crashes of its node. Writes are durable at once, in zero virtual time. */
import type { Store } from "../contract.ts";

export class MemoryStore implements Store {
  readonly #values = new Map<string, Uint8Array>();
  readonly #logs = new Map<string, Uint8Array[]>();

  put(key: string, value: Uint8Array): Promise<void> {
    this.#values.set(key, value.slice());
    return Promise.resolve();
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#values.get(key)?.slice());
  }

  append(key: string, value: Uint8Array): Promise<void> {
    const log = this.#logs.get(key);
    if (log) log.push(value.slice());
    else this.#logs.set(key, [value.slice()]);
    return Promise.resolve();
  }

  list(key: string): Promise<readonly Uint8Array[]> {
    return Promise.resolve((this.#logs.get(key) ?? []).map((value) => value.slice()));
  }
}
