/** The files of the repository, and what the sources among them import. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type Token, tokensOf } from "./tokens.ts";

export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

/** Files that git tracks or would track, with slashes, relative to the root. */
export function trackedFiles(...under: readonly string[]): readonly string[] {
  const flags = ["ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", ...under];
  const listed = execFileSync("git", flags, { cwd: ROOT, encoding: "utf8" });
  return listed.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)));
}

export const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

export interface Source {
  readonly path: string;
  readonly text: string;
  readonly tokens: readonly Token[];
}

/** TypeScript below `src`, without the AssemblyScript of the kernels and the module made from it. */
export function sources(): readonly Source[] {
  return trackedFiles("src")
    .filter((path) => path.endsWith(".ts") && !path.startsWith("src/core/kernels/assembly/"))
    .map((path) => {
      const text = read(path);
      return { path, text, tokens: tokensOf(text) };
    });
}

export interface Import {
  /** The file that imports. */
  readonly from: string;
  /** As written. */
  readonly specifier: string;
  /** The imported file, relative to the root; undefined for packages. */
  readonly target: string | undefined;
  /** Gone after compilation. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** `import … from "x"`, `export … from "x"`, `import "x"`, `import("x")`. */
export function importsOf({ path, tokens }: Pick<Source, "path" | "tokens">): readonly Import[] {
  const found: Import[] = [];
  tokens.forEach((token, i) => {
    if (token.kind !== "string") return;
    const before = tokens[i - 1]?.text;
    const beforeThat = tokens[i - 2]?.text;
    const imported =
      before === "from" || before === "import" || (before === "(" && beforeThat === "import");
    if (!imported) return;
    const target = token.text.startsWith(".")
      ? relative(ROOT, normalize(join(ROOT, dirname(path), token.text)))
          .split(sep)
          .join("/")
      : undefined;
    const start = tokens.slice(0, i).findLastIndex(({ text }) => /^(import|export)$/.test(text));
    const typeOnly = tokens[start + 1]?.text === "type" && tokens[start + 2]?.text !== "from";
    found.push({ from: path, specifier: token.text, target, typeOnly, line: token.line });
  });
  return found;
}
