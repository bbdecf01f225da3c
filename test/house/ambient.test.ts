/** Nothing ambient outside the worlds and the command line. */
import { describe, expect, test } from "vitest";
import { ambientUses } from "./ambient.ts";
import { sources } from "./source.ts";
import { tokensOf } from "./tokens.ts";

const ALLOWED = /^src\/(world|cli|browser)\//;
const seen = (text: string): readonly string[] =>
  ambientUses({ path: "src/sync/x.ts", text, tokens: tokensOf(text) });

describe("ambient clocks, dice, timers, sockets and files", () => {
  test("stay out of node programs", () => {
    const checked = sources().filter(({ path }) => !ALLOWED.test(path));
    expect(checked.length).toBeGreaterThan(100);
    expect(checked.flatMap(ambientUses)).toEqual([]);
  });

  test("the contracts of the world stand on nothing ambient either", () => {
    const contracts = sources().filter(({ path }) =>
      /^src\/world\/([^/]+|simulated\/(?!loop)[^/]+)\.ts$/.test(path),
    );
    expect(contracts.length).toBeGreaterThan(5);
    expect(contracts.flatMap(ambientUses)).toEqual([]);
  });

  test.each([
    "const t = Date.now();",
    "const d = new Date();",
    "performance.now();",
    "setTimeout(() => {}, 1);",
    "globalThis.setTimeout(f, 1);",
    'globalThis["setTimeout"](f, 1);',
    "const g = globalThis;",
    "const later = setTimeout;",
    "const m = Math;",
    "const { random } = Math;",
    "Math.random();",
    "Math . random();",
    "f(Math);",
    "const x = { ...Math };",
    "const id = crypto.randomUUID();",
    "self.crypto.getRandomValues(a);",
    "window.fetch(url);",
    "global.process.exit();",
    "process.exit();",
    "await fetch(url);",
    `const key = \`\${Date.now()}\`;`,
    'import { readFile } from "node:fs/promises";',
    'import { connect } from "node:net";',
    'import { createServer } from "node:http";',
    'import { randomBytes } from "node:crypto";',
    'import { createHash, randomUUID } from "node:crypto";',
    'import * as crypto from "node:crypto";',
    'const fs = await import("node:fs");',
    'import fs from "fs";',
    "const here = import.meta.url;",
    'new Function("return Date")();',
    'eval("1");',
    "new FinalizationRegistry(f);",
  ])("seen: %s", (text) => {
    expect(seen(text)).not.toEqual([]);
  });

  test.each([
    "// Date.now() and Math.random()",
    "/* setTimeout */ const a = 1;",
    'const text = "process.exit()";',
    "const fields = { process: 1, performance: 2 };",
    "clock.performance.now();",
    "const r = Math.floor(Math.sqrt(2));",
    "const slow = span / window.kernel.length;",
    "const { global } = outcome; write(global.parameters);",
    "const pattern = /Date\\/performance/;",
    'import { createHash } from "node:crypto";',
    'import { gunzipSync } from "node:zlib";',
    "const half = a / 2 / b;",
  ])("let through: %s", (text) => {
    expect(seen(text)).toEqual([]);
  });
});
