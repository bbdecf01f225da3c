/**
 * A node's store as files of a folder: a value is replaced by renaming, an appended record has its length before
 * it. It survives the process, not the disk (nothing is forced out of the system's cache).
 */
import { appendFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Store } from "../contract.ts";

const LENGTH_BYTES = 4;

export class FileStore implements Store {
  readonly #folder: string;
  #made: Promise<unknown> | undefined;
  /** One write after another, so that logs keep the order of the calls. */
  #last: Promise<unknown> = Promise.resolve();
  #count = 0;

  /** @param folder is made when something is first kept. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  put(key: string, value: Uint8Array): Promise<void> {
    const bytes = value.slice();
    return this.#write(async () => {
      const beside = join(this.#folder, `new-${this.#count++}`);
      await writeFile(beside, bytes);
      await rename(beside, this.#path(key, "value"));
    });
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    await this.#last;
    return present(readFile(this.#path(key, "value")));
  }

  append(key: string, value: Uint8Array): Promise<void> {
    const record = Buffer.alloc(LENGTH_BYTES + value.length);
    record.writeUInt32LE(value.length);
    record.set(value, LENGTH_BYTES);
    return this.#write(() => appendFile(this.#path(key, "log"), record));
  }

  async list(key: string): Promise<readonly Uint8Array[]> {
    await this.#last;
    const log = await present(readFile(this.#path(key, "log")));
    const values: Uint8Array[] = [];
    if (!log) return values;
    const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
    for (let at = 0; at + LENGTH_BYTES <= log.length; ) {
      const start = at + LENGTH_BYTES;
      const end = start + view.getUint32(at, true);
      // The last record was torn by a crash: it was never acknowledged.
      if (end > log.length) break;
      values.push(log.slice(start, end));
      at = end;
    }
    return values;
  }

  #path(key: string, kind: "value" | "log"): string {
    return join(this.#folder, `${encodeURIComponent(key)}.${kind}`);
  }

  #write(task: () => Promise<void>): Promise<void> {
    const done = this.#last.then(async () => {
      await (this.#made ??= mkdir(this.#folder, { recursive: true }));
      await task();
    });
    this.#last = done.catch(() => {});
    return done;
  }
}

/** The bytes, on a buffer of their own; nothing where there is no such file. */
async function present(reading: Promise<Buffer>): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await reading);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
