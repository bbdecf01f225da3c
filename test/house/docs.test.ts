/** What the documents say can be done, can be done: their code blocks, commands, files and links. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSource } from "../../src/run/file/source.ts";
import { loadExperiment, resolveEntries, resolveRun } from "../../src/run/load.ts";
import { parseSetting } from "../../src/run/merge.ts";
import { GaiaOptions } from "../../src/sync/between/gaia/options.ts";
import { BetweenSpec, WithinSpec } from "../../src/sync/options.ts";
import { ROOT, read, trackedFiles } from "./source.ts";

const pages = trackedFiles().filter((path) => path.endsWith(".md"));
const scripts = (JSON.parse(read("package.json")) as { scripts: Record<string, string> }).scripts;

interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

function blocksOf(page: string): readonly Block[] {
  const found = read(page).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...found].map(([, language = "", text = ""]) => ({ page, language, text }));
}

const blocks = pages.flatMap(blocksOf);
const of = (language: string): readonly Block[] => blocks.filter((b) => b.language === language);

describe("code blocks", () => {
  test("have a language that says how they are checked", () => {
    // "bash": commands of other programs, too, which deploy.test.ts looks at.
    const known = ["sh", "bash", "ts", "yaml", "text", ""];
    const unknown = blocks.filter((b) => !known.includes(b.language));
    expect(unknown).toEqual([]);
    for (const language of ["sh", "ts", "yaml"]) {
      expect(of(language).some((b) => b.page === "README.md")).toBe(true);
    }
  });

  test.each(of("yaml"))("an experiment on $page is valid", ({ text, page }) => {
    const { source, file } = loadExperiment(text, page, "yaml");
    expect(resolveRun(source).name).toBe(file.name);
    if (file.compare.length > 0) expect(resolveEntries(source).length).toBeGreaterThan(1);
  });

  test("the library's example has at most 20 lines of statements, and runs in plain Node", () => {
    const [example] = of("ts").filter((b) => b.page === "README.md");
    const text = example?.text ?? "";
    const lines = text
      .split("\n")
      .filter((line) => line.trim() !== "" && !line.startsWith("import"));
    expect(lines.length).toBeLessThanOrEqual(20);
    // Inside the package, so that `pangaea` is this one.
    mkdirSync(join(ROOT, ".vitest"), { recursive: true });
    const folder = mkdtempSync(join(ROOT, ".vitest", "readme-"));
    try {
      writeFileSync(join(folder, "example.ts"), text);
      const run = (program: string, ...flags: readonly string[]): string =>
        execFileSync(process.execPath, [program, ...flags], { cwd: ROOT, encoding: "utf8" });
      const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
      const options = ["--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2023"];
      run(tsc, "--ignoreConfig", ...options, "--types", "node", join(folder, "example.ts"));
      const output = run(join(folder, "example.js")).trim().split("\n");
      expect(output.at(-1)).toMatch(/^(target|maxClocks) 4$/);
      const accuracy = output.slice(0, -1).map((line) => Number(line.split(" ")[1]));
      expect(accuracy.length).toBeGreaterThan(1);
      expect(accuracy.at(-1)).toBeGreaterThan(0.5);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 120_000);
});

/** Commands in shell blocks, and in code spans of tables, without comments and `npx`. */
function commandsOf(page: string): readonly string[] {
  const inBlocks = blocksOf(page)
    .filter((b) => b.language === "sh")
    .flatMap((b) => b.text.split("\n"));
  const inSpans = [...read(page).matchAll(/`((?:npx )?(?:pangaea|npm) [^`]+)`/g)].map(
    ([, command = ""]) => command,
  );
  return [...inBlocks, ...inSpans]
    .flatMap((line) => line.replace(/#.*$/, "").split("&&"))
    .map((command) => command.trim().replace(/^npx (?=pangaea)/, ""))
    .filter((command) => command !== "");
}

const VERBS = /^(run|audit|compare|node|resume|report|export|model|data|keys|systems)$/;
const PLACEHOLDER = /^[A-Z]+$/;

/** What is wrong with a command that a page names, or nothing. */
function wrong(command: string): string | undefined {
  const [program, verb = "", ...rest] = command.split(/\s+/);
  if (program === "npm") {
    if (/^(ci|install|pack)$/.test(verb)) return undefined;
    const script = verb === "run" ? (rest[0] ?? "") : verb;
    return script in scripts ? undefined : `no script ${script}`;
  }
  if (program !== "pangaea") return `unknown program ${program}`;
  if (!VERBS.test(verb)) return `no verb ${verb}`;
  if (verb !== "run" && verb !== "compare") return undefined;
  const [file = "", ...flags] = rest;
  if (PLACEHOLDER.test(file) || file === "") return undefined;
  if (!existsSync(join(ROOT, file))) return `no file ${file}`;
  const all = (flag: string): readonly string[] =>
    flags.flatMap((word, i) => (word === flag ? [flags[i + 1] ?? ""] : []));
  const changes = all("--set").map((text) => parseSetting(text));
  const split = (flag: string) => all(flag).flatMap((value) => value.split(","));
  const matrix = { between: split("--between"), within: split("--within") };
  try {
    const source = readSource(read(file), file, "yaml");
    if (verb === "run") resolveRun(source, { changes });
    else resolveEntries(source, { changes, matrix });
    return undefined;
  } catch (error) {
    return String(error);
  }
}

describe("commands", () => {
  test.each(pages)("%s names only what there is", (page) => {
    const found = commandsOf(page).flatMap((command) => {
      const what = wrong(command);
      return what ? [`${command}: ${what}`] : [];
    });
    expect(found).toEqual([]);
  });

  test("the README opens with the two that do all the set-up", () => {
    expect(commandsOf("README.md").slice(0, 4)).toEqual([
      ...["npm ci", "npm start", "npm ci", "npm test"],
    ]);
  });

  test.each([
    "pangaea fly examples/softmax-quick.yaml",
    "pangaea run examples/none.yaml",
    "pangaea run examples/softmax-quick.yaml --set between.kind=stretchd",
    "pangaea compare examples/softmax-quick.yaml --between gaya",
    "npm run nothing",
  ])("a wrong one is seen: %s", (command) => {
    expect(wrong(command)).toBeTypeOf("string");
  });

  test.each(trackedFiles("examples").filter((path) => path.endsWith(".yaml")))(
    "%s is valid, with all its rows",
    (path) => {
      const { source, file } = loadExperiment(read(path), path, "yaml");
      expect(read(path)).toContain(
        `pangaea ${file.compare.length > 0 ? "compare" : "run"} ${path}`,
      );
      if (file.compare.length > 0) {
        const names = resolveEntries(source).map(({ name }) => name);
        const streams = "stream" in file.data && file.data.stream !== undefined;
        if (!streams) expect(names).toContain("lan");
        else expect(names).toEqual(file.compare.map(({ name }) => name));
      }
    },
  );
});

describe("links and names", () => {
  /** As the host makes anchors of headings. */
  const anchor = (heading: string): string =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/ /g, "-");
  const anchorsOf = (page: string): readonly string[] =>
    [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchor(heading));

  test.each(pages)("%s links to what there is", (page) => {
    const folder = page.split("/").slice(0, -1).join("/");
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)]+))?\)/g)];
    const broken = links.flatMap(([link, path = "", heading]) => {
      const target = path === "" ? page : join(folder, path);
      if (!existsSync(join(ROOT, target))) return [link];
      return heading === undefined || anchorsOf(target).includes(heading) ? [] : [link];
    });
    expect(broken).toEqual([]);
  });

  test.each(pages)("%s names only files that there are", (page) => {
    const named = [
      ...read(page).matchAll(/`((?:src|test|docs|bench|scripts|examples)\/[\w./-]+)`/g),
    ];
    const absent = named
      .map(([, path = ""]) => path)
      .filter((path) => !existsSync(join(ROOT, path)));
    expect(absent).toEqual([]);
  });

  test("docs/systems.md and the glossary know every algorithm there is", () => {
    const kinds = [...BetweenSpec.options, ...WithinSpec.options].map((o) => o.shape.kind.value);
    expect(kinds).toContain(GaiaOptions.shape.kind.value);
    for (const kind of kinds) {
      expect(read("docs/systems.md"), kind).toContain(`\`${kind}\``);
    }
    const words = [
      "site",
      "node",
      "clock",
      "update",
      "shard",
      "staleness",
      "significance",
      "mirror",
    ];
    for (const word of [
      ...words,
      "round",
      "drift",
      "logical neighbour",
      "domain",
      "owner",
      "hub",
    ]) {
      expect(read("docs/glossary.md"), word).toMatch(new RegExp(`\\*\\*(?:[^*]*\\b)?${word}\\b`));
    }
  });

  test("each word of the glossary is explained once", () => {
    const words = [...read("docs/glossary.md").matchAll(/^- \*\*([^*]+)\*\*/gm)].map(([, w]) => w);
    expect(words.length).toBeGreaterThan(40);
    expect(new Set(words).size).toBe(words.length);
  });
});
