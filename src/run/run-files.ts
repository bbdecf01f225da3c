/**
 * The files of an experiment that travel with its run in a cluster: a grid, a model with what it refers to, starting
 * weights. Who leads the run reads them once; everybody else plans from the same bytes, wherever their own folders are.
 * Data stay where they are.
 */
import { InputError } from "../core/errors.ts";
import { MAX_BLOB } from "../world/bus/blobs.ts";
import type { Buckets } from "../world/bus/buckets.ts";
import {
  type Contents,
  isSame,
  listed,
  type RunFile,
  type RunFiles,
  takeFile,
  travels,
} from "../world/bus/run-files.ts";
import { type Files, findFile } from "./find-file.ts";
import { modelFiles } from "./model.ts";
import { gridFile } from "./presets/load.ts";
import type { RunSpec } from "./spec.ts";

/** Looked for as a run in one process does. @param warn hears of those that are too long to travel. */
export async function readRunFiles(
  spec: RunSpec,
  host: Files,
  warn: (text: string) => void,
): Promise<RunFiles> {
  const files = await listed(
    new Map([...(await gridFile(spec.sites, host)), ...(await modelFiles(spec.model, host))]),
  );
  for (const file of files.list)
    if (!travels(file)) warn(`${lengthOf(file)}: each agent must have it below its --data`);
  return files;
}

/**
 * For who has the list. Those that are too long to travel are read here, and must be the same.
 * Errors: `InputError` RUN_FILE_TOO_LONG where such a one is not here, RUN_FILE_DIFFERS; those of `takeFile`.
 */
export async function takeRunFiles(
  list: readonly RunFile[],
  buckets: Buckets,
  host: Files,
): Promise<RunFiles> {
  const contents = new Map<string, Uint8Array>();
  for (const file of list)
    contents.set(file.path, travels(file) ? await takeFile(file, buckets) : await own(file, host));
  return { list, contents };
}

/** The same host, which has these files in its first folder. */
export function withFiles<H extends Files>(host: H, contents: Contents): H {
  if (contents.size === 0) return host;
  const [first = "", ...others] = host.roots;
  const among = (place: string): Uint8Array | undefined =>
    contents.get(place) ??
    (place.startsWith(`${first}/`) ? contents.get(place.slice(first.length + 1)) : undefined);
  return {
    ...host,
    roots: [first, ...others],
    exists: async (place: string) => among(place) !== undefined || (await host.exists(place)),
    readFile: async (place: string) => among(place) ?? (await host.readFile(place)),
  };
}

async function own(file: RunFile, host: Files): Promise<Uint8Array> {
  const { path } = file;
  const fix =
    "put the coordinator's file there on every agent, below its --data; or make it shorter";
  const place = await findFile(path, host, { code: "RUN_FILE_TOO_LONG", path: [], fix }).catch(
    (error: unknown) => {
      if (!(error instanceof InputError)) throw error;
      const issues = error.issues.map((issue) => ({
        ...issue,
        message: `${lengthOf(file)}; ${issue.message}`,
      }));
      throw new InputError(issues);
    },
  );
  const bytes = await host.readFile(place);
  if (await isSame(file, bytes)) return bytes;
  const message = `${lengthOf(file)}, and the file here is not the coordinator's`;
  throw new InputError([{ code: "RUN_FILE_DIFFERS", file: place, message, fix }]);
}

const lengthOf = ({ path, bytes }: RunFile): string =>
  `${path} has ${bytes} bytes, and files up to ${MAX_BLOB} travel with a run`;
