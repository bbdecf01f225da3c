/** The grid that a specification names: a preset, a file, or equal sites. */
import { parse } from "yaml";
import { InputError } from "../../core/errors.ts";
import { type Files, findFile } from "../find-file.ts";
import type { SitesSpec } from "../spec.ts";
import { type Grid, GridFile, gridOf, uniformGrid } from "./grid.ts";
import { PRESETS } from "./presets.ts";

export async function loadGrid(sites: SitesSpec, host: Files): Promise<Grid> {
  if (sites.preset !== undefined) return gridOf(PRESETS[sites.preset], sites.network);
  if (sites.count !== undefined) {
    return uniformGrid({ ...sites, count: sites.count }, sites.network);
  }
  return gridOf(await readGrid(sites.file ?? "", host), sites.network);
}

/** The file that the sites come from, as it lies there; empty where they come from none. */
export async function gridFile(
  { preset, count, file }: SitesSpec,
  host: Files,
): Promise<ReadonlyMap<string, Uint8Array>> {
  if (preset !== undefined || count !== undefined || file === undefined) return new Map();
  return new Map([[file, await host.readFile(await find(file, host))]]);
}

const find = (file: string, host: Files): Promise<string> =>
  findFile(file, host, { code: "MISSING_GRID", path: ["sites", "file"] });

async function readGrid(file: string, host: Files): Promise<GridFile> {
  const path = await find(file, host);
  const parsed = GridFile.safeParse(parse(new TextDecoder().decode(await host.readFile(path))));
  if (parsed.success) return parsed.data;
  throw new InputError(
    parsed.error.issues.map((issue) => ({
      code: "BAD_GRID",
      message: issue.message,
      path: issue.path.filter((key) => typeof key !== "symbol"),
      file: path,
    })),
  );
}
