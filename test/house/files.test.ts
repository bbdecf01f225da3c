/** Every file of the repository: its size, its tests, and nothing in it that only one machine knows. */
import { describe, expect, test } from "vitest";
import { read, sources, trackedFiles } from "./source.ts";
import { type Token, tokensOf } from "./tokens.ts";

const CEILING = 500;
const MEDIAN = 150;
/** Files above the ceiling, with the reason; an entry goes when its file is short enough again. */
const LONG: Readonly<Record<string, string>> = {
  "test/sync/gaia-mechanisms.test.ts": "one paper, one file: to be cut by mechanism",
  "test/sync/parameter-server.test.ts":
    "one paper, one file: crashes and sparse sets to be cut out",
};

const lines = (text: string): number => text.split("\n").length - 1;
const CODE = /\.(ts|mjs|js)$/;
/** Made by scripts, checked where they are made. */
const MADE = new Set(["package-lock.json", "src/core/kernels/module.ts"]);
const code = trackedFiles().filter((path) => CODE.test(path) && !MADE.has(path));

describe("length", () => {
  test(`no file is longer than ${CEILING} lines`, () => {
    const long = code.filter((path) => lines(read(path)) > CEILING && !(path in LONG));
    expect(long).toEqual([]);
    expect(Object.keys(LONG).filter((path) => !code.includes(path))).toEqual([]);
  });

  test(`the median of src is at most ${MEDIAN} lines`, () => {
    const lengths = sources()
      .map(({ text }) => lines(text))
      .sort((a, b) => a - b);
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThanOrEqual(MEDIAN);
  });

  test("every source says on top what it is for", () => {
    const bare = sources().filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text));
    expect(bare.map(({ path }) => path)).toEqual([]);
  });
});

const RUNNERS = new Set(["test", "it", "describe", "bench", "suite"]);
const LEFT_OUT = new Set(["skip", "only", "todo", "fails", "skipIf", "runIf"]);

/** Tests that are left out or that leave others out, by a member of a runner or context, or by `xit` and kin. */
function leftOut(tokens: readonly Token[]): readonly string[] {
  return tokens.flatMap(({ text, line, kind }, i) => {
    if (kind !== "word") return [];
    if (/^(x|f)(it|describe|test)$/.test(text) && tokens[i + 1]?.text === "(") {
      return [`${line}: ${text}`];
    }
    const owner = tokens[i - 1]?.text === "." ? tokens[i - 2]?.text : undefined;
    const runner = owner !== undefined && (RUNNERS.has(owner) || /^(context|ctx)$/.test(owner));
    return runner && LEFT_OUT.has(text) ? [`${line}: ${owner}.${text}`] : [];
  });
}

describe("tests", () => {
  test("none is skipped, none stands alone", () => {
    const found = trackedFiles("test").flatMap((path) =>
      CODE.test(path) ? leftOut(tokensOf(read(path))).map((what) => `${path}:${what}`) : [],
    );
    expect(found).toEqual([]);
  });

  // Put together here, so that a plain search for the real thing does not find this table.
  test.each([
    `test.${"skip"}('a', f);`,
    `describe.${"only"}('a', f);`,
    `it.${"todo"}('a');`,
    "xit('a', f);",
    `test.${"skipIf"}(slow)('a', f);`,
    `test('a', (context) => context.${"skip"}());`,
  ])("a skip is seen: %s", (text) => {
    expect(leftOut(tokensOf(text))).toHaveLength(1);
  });
});

const slash = "/";
/** What only one machine, one workplace or one account knows. */
const LOCAL: readonly (readonly [pattern: RegExp, what: string])[] = [
  // `/home/data` stands for a folder in tests of file systems that are not there.
  [
    /(?<![\w.*])\/(home|Users|root|work|tmp|mnt|opt|srv)\/(?!data\b)[\w.-]+/,
    "an absolute path of a machine",
  ],
  [/\b[A-Z]:\\+Users\\/, "an absolute path of a machine"],
  [/registry\.[\w-]+\.(org|com|io)|npmmirror|jfrog|artifactory|verdaccio/i, "a registry's host"],
  [/"resolved":\s*"https?:/, "a registry's host"],
  [/_authToken|BEGIN [A-Z ]*PRIVATE KEY|ghp_\w{20}|npm_\w{30}/, "a secret"],
];

describe("contents", () => {
  const found = (path: string, text: string): readonly string[] =>
    text
      .split("\n")
      .flatMap((line, i) =>
        LOCAL.filter(([pattern]) => pattern.test(line)).map(
          ([, what]) => `${path}:${i + 1}: ${what}`,
        ),
      );

  test("name no machine path, no registry host and no secret", () => {
    const checked = trackedFiles().filter((path) => path !== "test/house/files.test.ts");
    expect(checked.flatMap((path) => found(path, read(path)))).toEqual([]);
  });

  test.each([
    `read("${slash}home${slash}someone/data")`,
    `cd ${slash}work${slash}main`,
    '"resolved": "https://example.com/a.tgz"',
    `https://${"registry"}.example.org/a`,
  ])("such a line is seen: %s", (line) => {
    expect(found("x", line)).not.toEqual([]);
  });
});
