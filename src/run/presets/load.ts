/** The grid that a specification names: a preset, a file, or equal sites. */
import { parse } from "yaml";
import { InputError } from "../../core/errors.ts";
import type { RunHost } from "../host.ts";
import type { SitesSpec } from "../spec.ts";
import { type Grid, GridFile, gridOf, uniformGrid } from "./grid.ts";
import { PRESETS } from "./presets.ts";

export async function loadGrid(
  sites: SitesSpec,
  host: Pick<RunHost, "roots" | "exists" | "readFile">,
): Promise<Grid> {
  if (sites.preset !== undefined) return gridOf(PRESETS[sites.preset], sites.network);
  if (sites.count !== undefined) {
    return uniformGrid({ ...sites, count: sites.count }, sites.network);
  }
  return gridOf(await readGrid(sites.file ?? "", host), sites.network);
}

async function readGrid(
  file: string,
  host: Pick<RunHost, "roots" | "exists" | "readFile">,
): Promise<GridFile> {
  const candidates = file.startsWith("/") ? [file] : host.roots.map((root) => `${root}/${file}`);
  for (const path of candidates) {
    if (!(await host.exists(path))) continue;
    const text = new TextDecoder().decode(await host.readFile(path));
    const parsed = GridFile.safeParse(parse(text));
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
  throw new InputError([
    {
      code: "MISSING_GRID",
      message: `no grid file ${file}; looked in ${candidates.join(", ")}`,
      path: ["sites", "file"],
    },
  ]);
}
