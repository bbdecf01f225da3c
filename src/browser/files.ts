/** Files as a page has them: below an address, picked by the user, or asked for through another worker. */
import { PangaeaError } from "../core/errors.ts";
import { portable, restored } from "../world/live/protocol.ts";
import type { FileRead, ReadFile } from "./messages.ts";

/** The bytes of a file, or nothing where there is no such file. Paths are relative: "mnist/train-images-idx3-ubyte.gz". */
export type FileSource = (path: string) => Promise<Uint8Array | undefined>;

/** Files below an address of the page's own server (or of one that allows it, by CORS). */
export function filesBelow(base: string): FileSource {
  const folder = base.endsWith("/") ? base : `${base}/`;
  return async (path) => {
    const response = await fetch(new URL(path, folder));
    if (response.status === 404 || response.status === 403) return undefined;
    if (!response.ok)
      throw new PangaeaError("FILE_UNREADABLE", `${path}: the server says ${response.status}`);
    // Servers of one-page applications give their page for everything that they do not have.
    if (response.headers.get("content-type")?.startsWith("text/html")) return undefined;
    return new Uint8Array(await response.arrayBuffer());
  };
}

/** A `File` of a page: what an `<input type="file">` gives. */
export interface PickedFile {
  readonly name: string;
  /** With its folder, where a folder was picked. */
  readonly webkitRelativePath?: string;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** Files that the user has picked: found by their path, or else by their name alone. They do not leave the page. */
export function filesPicked(files: Iterable<PickedFile>): FileSource {
  const all = [...files];
  return async (path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const found =
      all.find((file) => file.webkitRelativePath === path) ??
      all.find((file) => file.name === name);
    return found && new Uint8Array(await found.arrayBuffer());
  };
}

/** Answers what a worker asks of files. */
export async function answerRead({ id, path }: ReadFile, files: FileSource): Promise<FileRead> {
  try {
    return { type: "file", id, bytes: await files(path) };
  } catch (error) {
    return { type: "file", id, bytes: undefined, failure: portable(error) };
  }
}

/** The asking end. */
export class AskedFiles {
  readonly #ask: (question: ReadFile) => void;
  readonly #waiting = new Map<number, (answer: FileRead) => void>();
  #asked = 0;

  constructor(ask: (question: ReadFile) => void) {
    this.#ask = ask;
  }

  readonly source: FileSource = (path) =>
    new Promise((resolve, reject) => {
      const id = this.#asked++;
      this.#waiting.set(id, ({ bytes, failure }) => {
        if (failure) reject(restored(failure));
        else resolve(bytes);
      });
      this.#ask({ type: "read", id, path });
    });

  answered(answer: FileRead): void {
    this.#waiting.get(answer.id)?.(answer);
    this.#waiting.delete(answer.id);
  }
}

/** As a run reads files: what was found to exist is kept until it is read. */
export function runFiles(files: FileSource): {
  exists(path: string): Promise<boolean>;
  readFile(path: string): Promise<Uint8Array>;
} {
  const found = new Map<string, Uint8Array>();
  const plain = (path: string): string => path.replace(/^(\.?\/)+/, "");
  return {
    exists: async (path) => {
      const bytes = found.get(path) ?? (await files(plain(path)));
      if (bytes) found.set(path, bytes);
      return bytes !== undefined;
    },
    readFile: async (path) => {
      const bytes = found.get(path) ?? (await files(plain(path)));
      found.delete(path);
      if (bytes) return bytes;
      throw new PangaeaError("FILE_UNREADABLE", `there is no file ${path} for this page`);
    },
  };
}
