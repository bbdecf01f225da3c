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

async function readGrid(file: string, host: Files): Promise<GridFile> {
  const path = await findFile(file, host, { code: "MISSING_GRID", path: ["sites", "file"] });
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
