/** What a page loads: nothing of Node, and only packages that a page can have (needs `npm run build` before). */
import { existsSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { expect, test } from "vitest";
import { VERSION } from "../../src/browser/version.ts";
import { importsOf, ROOT, read } from "../house/source.ts";
import { tokensOf } from "../house/tokens.ts";

/** Every module that is reached from `entry`, and what each imports from elsewhere. Imports at run time count too. */
function reached(entry: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  const walk = (path: string): void => {
    if (found.has(path)) return;
    const imports = importsOf({ path, tokens: tokensOf(read(path)) });
    found.set(
      path,
      imports.flatMap(({ target, specifier }) => (target === undefined ? [specifier] : [])),
    );
    for (const { target } of imports) if (target !== undefined) walk(target);
  };
  walk(entry);
  return found;
}

test.each(["index", "agent", "host"])("dist/browser/%s.js imports nothing of Node", (name) => {
  const modules = reached(`dist/browser/${name}.js`);
  expect(modules.size).toBeGreaterThan(10);
  const node = [...modules].flatMap(([path, names]) =>
    names
      .filter((used) => used.startsWith("node:") || builtinModules.includes(used))
      .map((used) => `${path}: ${used}`),
  );
  expect(node).toEqual([]);
});

test("packages that a page needs are few", () => {
  const packages = new Set([...reached("dist/browser/host.js").values()].flat());
  // ONNX Runtime is chosen when it is needed: the native one is never loaded in a page.
  expect([...packages].sort()).toEqual([
    "@bufbuild/protobuf/wire",
    "@nats-io/nats-core",
    "csv-parse",
    "onnxruntime-node",
    "onnxruntime-web",
    "onnxruntime-web/webgpu",
    "yaml",
    "zod",
  ]);
});

test("the Web Workers are where their parents look for them", () => {
  for (const [parent, child] of [
    ["join", "agent"],
    ["agent", "host"],
  ] as const) {
    const text = read(`dist/browser/${parent}.js`);
    // Bundlers know this form, and no other.
    expect(text).toContain(`new Worker(new URL("./${child}.js", import.meta.url), {`);
    expect(existsSync(join(ROOT, `dist/browser/${child}.js`))).toBe(true);
  }
});

test("a page is of this version", () => {
  const { version } = JSON.parse(read("package.json")) as { version: string };
  expect(VERSION).toBe(version);
});
