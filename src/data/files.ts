/** Finding and reading the files of data, under the roots that a run is given. */
import { InputError } from "../core/errors.ts";
import type { NamedBytes } from "./idx.ts";

/** How files are reached. */
export interface DataHost {
  /** Folders in which paths are looked for, in order; absolute paths are taken as they are. */
  readonly roots: readonly string[];
  exists(path: string): Promise<boolean>;
  readFile(path: string): Promise<Uint8Array>;
}

/** Places of a path, likeliest first. `data/mnist` is also looked for as `mnist` in folders of data. */
function placesOf(path: string, { roots }: DataHost): string[] {
  if (/^(\/|[A-Za-z]:[\\/])/.test(path)) return [path];
  const plain = path.replace(/^\.\//, "");
  const names = plain.startsWith("data/") ? [plain, plain.slice("data/".length)] : [plain];
  return roots.flatMap((root) => names.map((name) => `${root.replace(/\/+$/, "")}/${name}`));
}

export async function find(paths: readonly string[], host: DataHost): Promise<string | undefined> {
  for (const place of paths.flatMap((path) => placesOf(path, host)))
    if (await host.exists(place)) return place;
  return undefined;
}

/** The first of the paths that exists. */
export async function read(paths: readonly string[], host: DataHost): Promise<NamedBytes> {
  const file = await find(paths, host);
  if (file === undefined) throw missing(paths, host);
  return { file, bytes: await host.readFile(file) };
}

function missing(paths: readonly string[], host: DataHost): InputError {
  const looked = paths.flatMap((path) => placesOf(path, host));
  return new InputError([
    {
      code: "MISSING_DATA",
      message: `no data at ${paths[0]}; looked for ${looked.join(", ")}`,
      path: ["data", "path"],
      fix: "name the folder of your data with PANGAEA_DATA or --data; for MNIST: pangaea data fetch mnist",
    },
  ]);
}
