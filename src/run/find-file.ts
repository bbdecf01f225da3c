/** Where a file that a run names lies: the first of the host's folders that has it. */
import { InputError, type InputIssue } from "../core/errors.ts";
import type { RunHost } from "./host.ts";

export type Files = Pick<RunHost, "roots" | "exists" | "readFile">;

/** Absolute paths are taken as they are. Errors: `InputError` with the issue given, and where was looked. */
export async function findFile(
  path: string,
  host: Files,
  issue: Pick<InputIssue, "code" | "path" | "fix">,
): Promise<string> {
  const places = path.startsWith("/") ? [path] : host.roots.map((root) => `${root}/${path}`);
  for (const place of places) if (await host.exists(place)) return place;
  throw new InputError([{ ...issue, message: `no file ${path}; looked for ${places.join(", ")}` }]);
}
