/** Folders of runs and data: where to write, never over what is there; where to look. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunEvent } from "../core/events.ts";
import type { OutFile } from "../run/files.ts";
import { isFileError } from "./exit.ts";
import type { Io } from "./io.ts";

/** The package's own folder. */
export const packageRoot = (): string =>
  resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** The package's own version. */
export const packageVersion = (): string =>
  (JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string })
    .version;

/** Where downloads are kept, by the XDG rule. */
export const cacheFolder = ({ env }: Io): string =>
  join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pangaea");

/** Where relative paths of data are looked for, in this order. */
export function dataRoots(
  io: Io,
  experiment: string | undefined,
  data: string | undefined,
): string[] {
  const named = data ?? io.env.PANGAEA_DATA;
  const roots = [
    ...(named === undefined || named === "" ? [] : [resolve(io.cwd, named)]),
    io.cwd,
    ...(experiment === undefined ? [] : [dirname(resolve(io.cwd, experiment))]),
    cacheFolder(io),
    join(packageRoot(), "..", "shared", "data"),
  ];
  return [...new Set(roots)];
}

const isEmpty = (folder: string): boolean => {
  try {
    return readdirSync(folder).length === 0;
  } catch (error) {
    if (isFileError(error) && error.code === "ENOENT") return true;
    throw error;
  }
};

/**
 * Makes the folder of a run: `out` if it is empty or absent, else the first free `out-2`, `out-3`, …;
 * without `out` the first free `runs/<name>-<n>`. The answer is relative to the working directory.
 */
export function claimFolder(io: Io, out: string | undefined, name: string): string {
  const plain =
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-+|-+$/g, "") || "run";
  for (let n = 1; ; n++) {
    const folder =
      out === undefined ? join("runs", `${plain}-${n}`) : n === 1 ? out : `${out}-${n}`;
    const path = resolve(io.cwd, folder);
    if (!isEmpty(path)) continue;
    makeFolder(path);
    return folder;
  }
}

/** Node's recursive mkdir never returns under /proc: parents are made one by one. */
function makeFolder(path: string): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeFolder(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    if (!(isFileError(error) && error.code === "EEXIST")) throw error;
  }
}

/** A name that is safe as a folder's. */
export const folderName = (name: string): string => name.replace(/[^A-Za-z0-9._-]+/g, "_") || "_";

/** Writes a file whole or not at all: beside it first, then renamed. */
export function writeWhole(folder: string, { path, content }: OutFile): void {
  const target = join(folder, path);
  mkdirSync(dirname(target), { recursive: true });
  const beside = `${target}.part`;
  writeFileSync(beside, content);
  renameSync(beside, target);
}

/** The event log: lines are appended in pieces, so that what was written stays readable after a crash. */
export class EventLog {
  readonly #file: number;
  #pending: string[] = [];
  #size = 0;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#file = openSync(join(folder, "events.ndjson"), "w");
  }

  write(event: RunEvent): void {
    const line = `${JSON.stringify(event)}\n`;
    this.#pending.push(line);
    this.#size += line.length;
    if (this.#size > 65_536) this.flush();
  }

  flush(): void {
    if (this.#size === 0) return;
    writeSync(this.#file, this.#pending.join(""));
    this.#pending = [];
    this.#size = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}
