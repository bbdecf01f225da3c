/** `pangaea data`: known public sets, where they are looked for, and fetching them into the cache. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { PangaeaError } from "../../core/errors.ts";
import {
  CATALOGUE,
  type CatalogueEntry,
  type CatalogueFile,
  catalogueEntry,
  verify,
} from "../../data/catalogue.ts";
import { bytes } from "../../run/format.ts";
import { EXIT } from "../exit.ts";
import { cacheFolder, dataRoots, writeWhole } from "../folders.ts";
import type { Io } from "../io.ts";
import type { CommonOptions } from "../options.ts";
import { layout } from "../terminal/columns.ts";

export interface DataOptions extends CommonOptions {
  readonly data?: string | undefined;
}

const holds = (folder: string): boolean => existsSync(folder) && readdirSync(folder).length > 0;

const foundAt = (entry: CatalogueEntry, roots: readonly string[]): string | undefined =>
  roots.map((root) => join(root, entry.name)).find(holds);

export async function dataListCommand(options: DataOptions, io: Io): Promise<number> {
  const roots = dataRoots(io, undefined, options.data);
  const sets = CATALOGUE.map((entry) => ({
    name: entry.name,
    title: entry.title,
    licence: entry.licence,
    bytes: entry.files.reduce((sum, file) => sum + file.bytes, 0),
    fetch: entry.files.length > 0,
    path: foundAt(entry, roots) ?? null,
  }));
  if (options.json) {
    io.out(`${JSON.stringify({ sets })}\n`);
    return EXIT.done;
  }
  const columns = [
    { head: "name", cells: sets.map((set) => set.name), align: "left" as const },
    {
      head: "size",
      cells: sets.map((set) => (set.fetch ? bytes(set.bytes) : "by hand")),
    },
    { head: "here", cells: sets.map((set) => set.path ?? "no"), align: "left" as const },
  ];
  const titles = sets.map((set) => `  ${set.name}: ${set.title}\n    ${set.licence}`);
  io.out(`${layout(columns, 200).join("\n")}\n\n${titles.join("\n")}\n`);
  return EXIT.done;
}

/** The folders in which data are looked for, in order. */
export async function dataPathCommand(options: DataOptions, io: Io): Promise<number> {
  const roots = dataRoots(io, undefined, options.data).map((path) => ({
    path,
    exists: existsSync(path),
  }));
  if (options.json) io.out(`${JSON.stringify({ roots, cache: cacheFolder(io) })}\n`);
  else io.out(roots.map(({ path, exists }) => `${path}${exists ? "" : "  (absent)"}\n`).join(""));
  return EXIT.done;
}

export async function dataFetchCommand(
  name: string,
  options: DataOptions,
  io: Io,
): Promise<number> {
  const entry = catalogueEntry(name);
  if (entry.files.length === 0) {
    throw new PangaeaError("FETCH_BY_HAND", `${name} cannot be fetched`, { fix: entry.byHand });
  }
  const folder = join(cacheFolder(io), name);
  for (const file of entry.files) {
    if (existsSync(join(folder, file.name))) {
      io.err(`${file.name}: already there\n`);
      continue;
    }
    io.err(`${file.name}: ${bytes(file.bytes)} …\n`);
    writeWhole(folder, { path: file.name, content: await download(file, name, folder) });
  }
  io.err(`licence: ${entry.licence}\n`);
  if (options.json) io.out(`${JSON.stringify({ name, path: folder })}\n`);
  else io.out(`${folder}\n`);
  return EXIT.done;
}

/** The file from the first address that gives it whole. */
async function download(file: CatalogueFile, set: string, folder: string): Promise<Uint8Array> {
  const failures: string[] = [];
  for (const url of file.urls) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(120_000) });
      if (!answer.ok) {
        failures.push(`${url}: ${answer.status} ${answer.statusText}`);
        continue;
      }
      const content = new Uint8Array(await answer.arrayBuffer());
      if (verify(content, file.sha256)) return content;
      failures.push(`${url}: not the file that is known by this name (its sha256 differs)`);
    } catch (error) {
      const { message, cause } = error as Error;
      failures.push(`${url}: ${cause instanceof Error ? cause.message : message}`);
    }
  }
  throw new PangaeaError(
    "DOWNLOAD_FAILED",
    `${file.name} did not arrive:\n  ${failures.join("\n  ")}`,
    {
      fix: `without a network, copy the files of ${set} to ${folder}, or name their folder with --data or PANGAEA_DATA`,
    },
  );
}
