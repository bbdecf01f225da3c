/**
 * The files of a run: what its experiment names that is no data, such as a grid or a model. Whoever leads the run has
 * read them, and keeps them for its hosts, and for whoever leads it next, as blobs named by their SHA-256 below the
 * run's own name (`bucketsOfRun`). The list of them stands in signed orders and in the run's record: what comes from the bucket
 * is believed only if it has the list's digest.
 */
import type { Bytes, Micros } from "../../core/units.ts";
import { MAX_BLOB, openBlobs } from "./blobs.ts";
import { type Buckets, SHARED_SECONDS } from "./buckets.ts";
import { sha256 } from "./digest.ts";
import { BusError } from "./errors.ts";
import { RUN_FILES } from "./names.ts";
import type { Timers } from "./timers.ts";

export interface RunFile {
  /** As the experiment writes it. */
  readonly path: string;
  readonly bytes: Bytes;
  readonly sha256: string;
}

/** By path. */
export type Contents = ReadonlyMap<string, Uint8Array>;

export interface RunFiles {
  readonly list: readonly RunFile[];
  readonly contents: Contents;
}

/** Longer ones must lie where they are needed. */
export const travels = ({ bytes }: Pick<RunFile, "bytes">): boolean => bytes <= MAX_BLOB;

export async function listed(contents: Contents): Promise<RunFiles> {
  const list: RunFile[] = [];
  for (const [path, content] of contents)
    list.push({ path, bytes: content.length, sha256: await sha256(content) });
  return { list, contents };
}

/** Written anew so often that none is forgotten while somebody leads the run. */
const AGAIN: Micros = (SHARED_SECONDS / 6) * 1e6;

export interface KeptFiles {
  /** They are there no longer, or for an hour at most. */
  drop(): Promise<void>;
  /** Another keeps them from now on. */
  leave(): void;
}

/** Keeps them there as long as the run is led from here. */
export async function keepFiles(
  buckets: Buckets,
  { list, contents }: RunFiles,
  timers: Timers,
  tell: (text: string) => void,
): Promise<KeptFiles> {
  const kept = list.filter(travels);
  if (kept.length === 0) return { drop: async () => {}, leave: () => {} };
  const blobs = await openBlobs(buckets, RUN_FILES);
  const write = async (): Promise<void> => {
    for (const { path, sha256 } of kept)
      await blobs.put(sha256, contents.get(path) ?? new Uint8Array());
  };
  let left = false;
  let writing = write();
  let forget = (): void => {};
  const later = (): void => {
    if (left) return;
    forget = timers.after(AGAIN, () => {
      writing = write().catch((error: unknown) => {
        if (!left) tell(`the run's files were not written anew: ${(error as Error).message}`);
      });
      writing.then(later, later);
    });
  };
  await writing;
  later();
  const leave = (): void => {
    left = true;
    forget();
  };
  return {
    leave,
    drop: async () => {
      leave();
      await writing;
      for (const name of new Set(kept.map(({ sha256 }) => sha256))) await blobs.delete(name);
    },
  };
}

/** @throws BusError RUN_FILE_GONE, RUN_FILE_CHANGED. */
export async function takeFile(file: RunFile, buckets: Buckets): Promise<Uint8Array> {
  const blobs = await openBlobs(buckets, RUN_FILES);
  const bytes = await blobs.get(file.sha256).catch((error: unknown) => {
    throw error instanceof BusError && error.code === "BUS_BLOB_TORN" ? changed(file) : error;
  });
  if (!bytes) throw new BusError("RUN_FILE_GONE", `${file.path} is not among the run's files`);
  if (!(await isSame(file, bytes))) throw changed(file);
  return bytes;
}

export const isSame = async (file: RunFile, bytes: Uint8Array): Promise<boolean> =>
  bytes.length === file.bytes && (await sha256(bytes)) === file.sha256;

const changed = ({ path }: RunFile): BusError =>
  new BusError("RUN_FILE_CHANGED", `${path} is not what the coordinator has read`, {
    fix: "nothing but coordinators may write into the bucket of runs' files: see who did, and change the keys",
  });
