/** The package: what it exports, what it depends on, how it is checked. Needs `npm run build` before. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT, read, trackedFiles } from "./source.ts";
import { tokensOf } from "./tokens.ts";

type Versions = Readonly<Record<string, string>>;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin: Versions;
  readonly files: readonly string[];
  readonly scripts: Versions;
  readonly dependencies: Versions;
  readonly optionalDependencies: Versions;
  readonly devDependencies: Versions;
}

interface Locked {
  readonly dev?: boolean;
  readonly dependencies?: Versions;
  readonly optionalDependencies?: Versions;
  readonly hasInstallScript?: boolean;
}

const manifest = JSON.parse(read("package.json")) as Manifest;
const locked = (JSON.parse(read("package-lock.json")) as { packages: Record<string, Locked> })
  .packages;
const runtime = { ...manifest.dependencies, ...manifest.optionalDependencies };

describe("exports", () => {
  const entries = Object.entries(manifest.exports);
  const names = entries
    .filter(([, target]) => typeof target !== "string")
    .map(([subpath]) => subpath.replace(/^\./, manifest.name));

  test("exist once built, with their types", () => {
    const targets = [
      ...entries.flatMap(([, target]) =>
        typeof target === "string" ? [target] : Object.values(target),
      ),
      ...Object.values(manifest.bin),
    ];
    expect(targets.filter((target) => !existsSync(join(ROOT, target)))).toEqual([]);
  });

  test("cover every folder that is for outside", () => {
    const barrels = trackedFiles("src").filter((path) => /^src(\/\w+)?\/index\.ts$/.test(path));
    const subpaths = barrels.map((path) =>
      path.replace(/^src/, manifest.name).replace(/\/index\.ts$/, ""),
    );
    expect(subpaths.sort()).toEqual([...names].sort());
  });

  test("are imported in plain Node, with no effect but their names", () => {
    const program = `
      // zod keeps a registry for all its copies; it is not ours.
      const known = () => Object.getOwnPropertyNames(globalThis).filter((n) => !n.startsWith("__zod"));
      const globals = known().sort().join();
      const listeners = process.eventNames().join();
      const names = {};
      for (const name of ${JSON.stringify(names)}) names[name] = Object.keys(await import(name));
      const same = known().sort().join() === globals
        && process.eventNames().join() === listeners;
      console.log(JSON.stringify({ names, same }));`;
    const flags = ["--input-type=module", "-e", program];
    const output = execFileSync(process.execPath, flags, { cwd: ROOT, encoding: "utf8" });
    const found = JSON.parse(output) as { names: Record<string, string[]>; same: boolean };
    expect(found.same).toBe(true);
    const all = found.names[manifest.name] ?? [];
    for (const name of names) {
      expect(found.names[name], name).not.toEqual([]);
      expect(all, `${name} is part of ${manifest.name}`).toEqual(
        expect.arrayContaining(found.names[name] ?? []),
      );
    }
    expect(all).toEqual(expect.arrayContaining(["defineRun", "executeRun", "Simulation"]));
  });
});

/** Names in the first column of the tables under a heading. */
function documented(heading: string): readonly string[] {
  const text = read("docs/dependencies.md");
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  return [...section.matchAll(/^\| `([^`]+)` \| (\S.*) \|$/gm)].map(([, name]) => name ?? "");
}

/** Where Node finds a package that another one asks for. */
function resolved(from: string, name: string): string | undefined {
  for (
    let folder = from;
    ;
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))
  ) {
    const candidate = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (candidate in locked) return candidate;
    if (folder === "") return undefined;
  }
}

/** All packages that the named ones bring, themselves included. */
function treeOf(names: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const walk = (from: string, name: string): void => {
    const at = resolved(from, name);
    if (at === undefined || found.has(at)) return;
    found.add(at);
    const { dependencies, optionalDependencies } = locked[at] ?? {};
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) walk(at, next);
  };
  for (const name of names) walk("", name);
  return found;
}

describe("dependencies", () => {
  test("stand in docs/dependencies.md, each with its reason, and no others do", () => {
    expect([...documented("At run time")].sort()).toEqual(Object.keys(runtime).sort());
    expect([...documented("For development")].sort()).toEqual(
      Object.keys(manifest.devDependencies).sort(),
    );
  });

  test("are pinned to one version", () => {
    const versions = Object.values({ ...runtime, ...manifest.devDependencies });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  test("are all in the lock file, for every platform: `npm ci` refuses a lock that lacks one", () => {
    const missing = Object.entries(locked).flatMap(([from, entry]) =>
      Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })
        .filter((name) => resolved(from, name) === undefined)
        .map((name) => `${from}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test("bring at most 40 packages beside ONNX Runtime's own", () => {
    const onnx = treeOf(Object.keys(runtime).filter((name) => name.startsWith("onnxruntime")));
    const others = treeOf(Object.keys(runtime).filter((name) => !name.startsWith("onnxruntime")));
    const beside = [...others].filter((path) => !onnx.has(path));
    expect(beside.length).toBeGreaterThan(Object.keys(manifest.dependencies).length - 2);
    expect(beside.length).toBeLessThanOrEqual(40);
    const scripted = beside.filter((path) => locked[path]?.hasInstallScript);
    expect(scripted).toEqual([]);
  });

  test("of src are those of the package: nothing else is imported there", () => {
    const foreign = trackedFiles("src")
      .filter((path) => path.endsWith(".ts") && !path.includes("/assembly/"))
      .flatMap((path) => {
        const tokens = tokensOf(read(path));
        return tokens.flatMap(({ kind, text, line }, i) => {
          const before = tokens[i - 1]?.text;
          const imports = before === "from" || (before === "(" && tokens[i - 2]?.text === "import");
          if (kind !== "string" || !imports || /^(\.|node:)/.test(text)) return [];
          const name = text
            .split("/")
            .slice(0, text.startsWith("@") ? 2 : 1)
            .join("/");
          return name in runtime ? [] : [`${path}:${line}: ${text}`];
        });
      });
    expect(foreign).toEqual([]);
  });
});

describe("checks", () => {
  test("npm test is npm run check: build, lint, types, prerequisites, tests, each able to fail it", () => {
    const { check = "", test: tested = "" } = manifest.scripts;
    expect(tested).toBe("npm run check --silent --");
    const steps = check.split("&&").map((step) => step.trim());
    expect(check).not.toMatch(/\|\||;|\|/);
    expect(steps).toEqual([
      "npm run build --silent",
      "npm run lint --silent",
      "npm run types --silent",
      "node scripts/test-prerequisites.mjs",
      "vitest run",
    ]);
  });

  test.each([
    [{ success: true, numPassedTests: 3, numFailedTests: 0, testResults: [] }, 3, 0],
    [{ success: false, numPassedTests: 2, numFailedTests: 1, testResults: [] }, 2, 1],
    [{ success: true, numPassedTests: 0, numFailedTests: 0, testResults: [] }, 0, 1],
    [
      {
        success: false,
        numPassedTests: 5,
        numFailedTests: 0,
        testResults: [{ status: "failed", assertionResults: [] }],
      },
      5,
      1,
    ],
  ])(
    "the closing line counts tests, and files that failed outside them",
    async (results, passed, failed) => {
      const { countTests } = (await import(join(ROOT, "scripts/count-tests.mjs"))) as {
        readonly countTests: (results: unknown) => unknown;
      };
      expect(countTests(results)).toEqual({ passed, failed });
    },
  );

  test(".ci/run is executable, and runs the README's second command", () => {
    expect(statSync(join(ROOT, ".ci/run")).mode & 0o111).toBe(0o111);
    expect(read(".ci/run")).toContain("npm ci");
    expect(read(".ci/run")).toContain("npm test");
  });

  test("the licence is Apache-2.0, and the changelog knows this version", () => {
    expect(read("LICENSE")).toMatch(/^\s+Apache License\n\s+Version 2\.0, January 2004/);
    expect(read("CHANGELOG.md")).toContain(`## ${manifest.version}`);
  });

  test("everything that is packed exists", () => {
    const absent = manifest.files.filter((path) => !existsSync(join(ROOT, path)));
    expect(absent).toEqual([]);
    expect(readFileSync(join(ROOT, ".npmrc"), "utf8")).toContain("onnxruntime-node-install=skip");
  });
});
