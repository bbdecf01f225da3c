/**
 * Imports point one way: a folder of `src` imports from itself and from the folders before it in this list
 * (docs/architecture.md). Barrels are for outside: nothing in `src` imports one.
 */
import { describe, expect, test } from "vitest";
import { type Import, importsOf, sources } from "./source.ts";
import { tokensOf } from "./tokens.ts";

const ORDER = [
  "core",
  "model",
  "data",
  "optimize",
  "codec",
  "world",
  "sync",
  "run",
  "browser",
  "cli",
];

/**
 * Inside a folder: the parts on the left do not import those on the right. A world knows no other world, and
 * an algorithm no other algorithm.
 */
const APART: readonly (readonly [from: RegExp, to: RegExp, why: string])[] = [
  [/^src\/world\/(?!index)[^/]+\.ts$/, /^src\/world\/[^/]+\//, "the contract knows no world"],
  [
    /^src\/world\/(\w+)\//,
    /^src\/world\/(?!compute\/|wire\/|bus\/|live\/)(\w+)\//,
    "a world knows no other world",
  ],
  [/^src\/sync\/within\/([\w-]+)/, /^src\/sync\/within\/([\w-]+)/, "one algorithm, one place"],
  [/^src\/sync\/between\/([\w-]+)/, /^src\/sync\/between\/([\w-]+)/, "one algorithm, one place"],
  [/^src\/sync\/within\/()/, /^src\/sync\/between\/()/, "the tiers meet in the contract"],
  [/^src\/sync\/between\/()/, /^src\/sync\/within\/()/, "the tiers meet in the contract"],
  [/^src\/core\/(?!kernels|index)/, /^src\/core\/kernels\/(?!contract)/, "kernels stand on core"],
];

const folderOf = (path: string): string => path.split("/")[1] ?? "";

/** What is wrong with an import, or nothing. */
function complaint({ from, target, line, specifier }: Import): string | undefined {
  if (target === undefined) return undefined;
  const say = (what: string): string => `${from}:${line}: imports ${specifier}: ${what}`;
  if (!target.startsWith("src/")) return say("outside src");
  if (!target.endsWith(".ts")) return say("relative imports carry .ts");
  if (/^src\/index\.ts$/.test(from)) {
    return /^src\/\w+\/index\.ts$/.test(target) ? undefined : say("the root barrel joins barrels");
  }
  if (target.endsWith("/index.ts")) return say("a barrel, which is for outside only");
  const [own, other] = [ORDER.indexOf(folderOf(from)), ORDER.indexOf(folderOf(target))];
  if (own === -1 || other === -1) return say(`a folder that is not in the order`);
  if (other > own) return say(`${folderOf(target)} comes after ${folderOf(from)}`);
  for (const [left, right, why] of APART) {
    const here = left.exec(from);
    const there = here && right.exec(target);
    const same = here?.[1] !== undefined && here[1] !== "" && here[1] === there?.[1];
    if (there && !same) return say(why);
  }
  return undefined;
}

const imports = sources().flatMap(importsOf);

describe("imports of src", () => {
  test("point one way, and never at a barrel", () => {
    expect(imports.length).toBeGreaterThan(100);
    expect(imports.flatMap((found) => complaint(found) ?? [])).toEqual([]);
  });

  test("form no cycle, those of types alone excepted", () => {
    const edges = new Map<string, Import[]>();
    for (const found of imports.filter(({ typeOnly }) => !typeOnly)) {
      const ofFile = edges.get(found.from) ?? [];
      edges.set(found.from, [...ofFile, found]);
    }
    const done = new Set<string>();
    const walk = (path: string, above: readonly string[]): readonly string[] => {
      if (above.includes(path)) return [[...above.slice(above.indexOf(path)), path].join(" > ")];
      if (done.has(path)) return [];
      const cycles = (edges.get(path) ?? []).flatMap(({ target }) =>
        target === undefined ? [] : walk(target, [...above, path]),
      );
      done.add(path);
      return cycles;
    };
    expect([...edges.keys()].flatMap((path) => walk(path, []))).toEqual([]);
  });

  test.each([
    ["src/core/x.ts", 'import { a } from "../model/learner.ts";'],
    ["src/core/x.ts", 'export * from "../run/spec.ts";'],
    ["src/model/x.ts", 'const a = await import("../sync/contract.ts");'],
    ["src/run/x.ts", 'import type { A } from "../model/index.ts";'],
    ["src/world/simulated/x.ts", 'import { a } from "../local/world.ts";'],
    ["src/world/contract.ts", 'import { a } from "./simulated/loop.ts";'],
    ["src/sync/between/none/none.ts", 'import { a } from "../gaia/gaia.ts";'],
    ["src/sync/within/parameter-server/x.ts", 'import { a } from "../../between/none/none.ts";'],
    ["src/run/x.ts", 'import { a } from "../../test/x.ts";'],
  ])("a wrong one is seen: %s: %s", (path, text) => {
    const [found] = importsOf({ path, tokens: tokensOf(text) });
    expect(found && complaint(found)).toBeTypeOf("string");
  });

  test.each([
    ["src/cli/x.ts", '// from "../zzz/index.ts"\nimport { a } from "../core/ids.ts";'],
    ["src/sync/between/gaia/x.ts", 'import { a } from "./overlay.ts";'],
    ["src/world/simulated/x.ts", 'import { a } from "../compute/contract.ts";'],
    ["src/index.ts", 'export * from "./core/index.ts";'],
  ])("a right one is let through: %s: %s", (path, text) => {
    expect(importsOf({ path, tokens: tokensOf(text) }).map(complaint)).toEqual([undefined]);
  });
});
