/** Every example file, damaged in 200 ways: each damage is refused with a place, none with a stack. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isMap, isScalar, isSeq, type Pair, parseDocument, type Scalar, visit } from "yaml";
import { errorText } from "../../src/cli/errors.ts";
import { InputError } from "../../src/core/errors.ts";
import { createRandom, type Random } from "../../src/core/random.ts";
import { variantsOf } from "../../src/run/file/schema.ts";
import { loadExperiment } from "../../src/run/load.ts";
import { ExperimentFile } from "../../src/run/spec.ts";

const FILES = readdirSync("examples")
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => `examples/${file}`);
const COUNT = 200;

/** Keys whose values are free text or free names: damage there may be legal. */
const FREE = new Set(
  "name path testPath columns groups rest sites missing threshold targets".split(" "),
);
/** Keys whose own keys are free names. */
const NAMES_WITHIN = new Set(["groups"]);
/** Keys that must be there, whatever stands around them. */
const REQUIRED = new Set([
  "version",
  "data",
  "model",
  "optimizer",
  "sites",
  "between",
  "learningRate",
  "layers",
]);

interface Spot {
  readonly path: readonly (string | number)[];
  readonly pair: Pair<Scalar<string>, unknown>;
}

/** All keys of the file, with their paths; not those under `compare`, whose sets may be partial. */
function spots(text: string): Spot[] {
  const found: Spot[] = [];
  const walk = (node: unknown, path: readonly (string | number)[]): void => {
    if (isMap(node)) {
      for (const pair of node.items as Pair<Scalar<string>, unknown>[]) {
        const here = [...path, pair.key.value];
        found.push({ path: here, pair });
        walk(pair.value, here);
      }
    } else if (isSeq(node)) {
      for (const [i, item] of node.items.entries()) walk(item, [...path, i]);
    }
  };
  walk(parseDocument(text).contents, []);
  return found;
}

type Mutation = { readonly what: string; readonly text: string };
type Mutator = (text: string, random: Random) => Mutation | undefined;

const pick = <T>(items: readonly T[], random: Random): T | undefined =>
  items[random.integer(items.length)];

const splice = (text: string, from: number, to: number, put: string): string =>
  text.slice(0, from) + put + text.slice(to);

/** A letter doubled, dropped or swapped: never again a key of the schema, since a q goes with it. */
const keyTypo: Mutator = (text, random) => {
  const keys = spots(text).filter(({ path }) => !NAMES_WITHIN.has(String(path.at(-2))));
  const spot = pick(keys, random);
  if (!spot) return undefined;
  const [from, to] = spot.pair.key.range!;
  const key = spot.pair.key.value;
  const at = random.integer(key.length + 1);
  const typo = `${key.slice(0, at)}q${key.slice(at + random.integer(2))}`;
  return { what: `${spot.path.join(".")} -> ${typo}`, text: splice(text, from, to, typo) };
};

/** A required key of the file's top level or of the optimizer and model, with its value. */
const removed: Mutator = (text, random) => {
  const document = parseDocument(text);
  const spot = pick(
    spots(text).filter(
      ({ path }) => path[0] !== "compare" && REQUIRED.has(String(path.at(-1))) && path.length <= 2,
    ),
    random,
  );
  if (!spot) return undefined;
  document.deleteIn(spot.path);
  return { what: `without ${spot.path.join(".")}`, text: document.toString() };
};

const scalars = (text: string): Spot[] =>
  spots(text).filter(
    ({ path, pair }) => isScalar(pair.value) && !path.some((part) => FREE.has(String(part))),
  );

/** A number becomes a list, text an object: no scalar of the schema accepts those. */
const wrongType: Mutator = (text, random) => {
  const spot = pick(scalars(text), random);
  if (!spot) return undefined;
  const [from, to] = (spot.pair.value as Scalar).range!;
  const put = pick(["[1, 2]", "{ a: 1 }", "null", '"12 apples"', "true"], random)!;
  return { what: `${spot.path.join(".")}: ${put}`, text: splice(text, from, to, put) };
};

const badWord: Mutator = (text, random) => {
  const words = scalars(text).filter(
    ({ pair }) => typeof (pair.value as Scalar).value === "string",
  );
  const spot = pick(words, random);
  if (!spot) return undefined;
  const [from, to] = (spot.pair.value as Scalar).range!;
  const put = `${String((spot.pair.value as Scalar).value)}zz`;
  return { what: `${spot.path.join(".")}: ${put}`, text: splice(text, from, to, put) };
};

const badKind: Mutator = (text, random) => {
  const kinds = spots(text).filter(({ path }) => path.at(-1) === "kind" || path.at(-1) === "by");
  const spot = pick(kinds, random);
  if (!spot) return undefined;
  const [from, to] = (spot.pair.value as Scalar).range!;
  const put = pick(["quantum", "3", "[]", "gaya", "strechted"], random)!;
  return { what: `${spot.path.join(".")}: ${put}`, text: splice(text, from, to, put) };
};

const badNumber: Mutator = (text, random) => {
  const numbers = scalars(text).filter(
    ({ pair }) => typeof (pair.value as Scalar).value === "number",
  );
  const spot = pick(numbers, random);
  if (!spot) return undefined;
  const [from, to] = (spot.pair.value as Scalar).range!;
  return { what: `${spot.path.join(".")}: -7`, text: splice(text, from, to, "-7") };
};

/** A key at the margin pushed in by one space, under a key that has a value on its own line. */
const indentation: Mutator = (text, random) => {
  const lines = text.split("\n");
  const at = pick(
    lines.flatMap((line, i) =>
      /^[a-z]+:/.test(line) && /^[a-zA-Z]+: *[^ #]/.test(lines[i - 1] ?? "") ? [i] : [],
    ),
    random,
  );
  if (at === undefined) return undefined;
  lines[at] = ` ${lines[at]}`;
  return { what: `line ${at + 1} pushed in`, text: lines.join("\n") };
};

const bracket: Mutator = (text, random) => {
  const ends: number[] = [];
  visit(parseDocument(text), {
    Collection: (_, node) => {
      if (node.flow && node.range) ends.push(node.range[1] - 1);
    },
  });
  const at = pick(ends, random);
  if (at === undefined) return undefined;
  return { what: `bracket at ${at} dropped`, text: splice(text, at, at + 1, "") };
};

const doubled: Mutator = (text, random) => {
  const lines = text.split("\n");
  const tops = lines.flatMap((line, i) => (/^[a-z]+: *\S/.test(line) ? [i] : []));
  const at = pick(tops, random);
  if (at === undefined) return undefined;
  lines.splice(at, 0, lines[at]!);
  return { what: `line ${at + 1} twice`, text: lines.join("\n") };
};

const MUTATORS: readonly Mutator[] = [
  keyTypo,
  keyTypo,
  removed,
  wrongType,
  wrongType,
  badWord,
  badKind,
  badNumber,
  indentation,
  bracket,
  doubled,
];

describe.each(FILES)("%s", (file) => {
  const text = readFileSync(file, "utf8");

  it("is valid as it stands", () => {
    expect(loadExperiment(text, file, "yaml").file.version).toBe(1);
  });

  it(`is refused with a place after each of ${COUNT} mutations`, () => {
    const random = createRandom(7, file);
    let made = 0;
    while (made < COUNT) {
      const mutation = MUTATORS[random.integer(MUTATORS.length)]!(text, random);
      if (!mutation) continue;
      made++;
      let error: unknown;
      try {
        loadExperiment(mutation.text, file, "yaml");
      } catch (caught) {
        error = caught;
      }
      expect(error, mutation.what).toBeInstanceOf(InputError);
      for (const issue of (error as InputError).issues) {
        expect(issue.file, mutation.what).toBe(file);
        expect(issue.line, mutation.what).toBeGreaterThanOrEqual(1);
        expect(issue.column, mutation.what).toBeGreaterThanOrEqual(1);
      }
      expect(errorText(error), mutation.what).not.toMatch(/\n\s+at /);
    }
  });
});

it("has kinds to be wrong about", () => {
  expect(variantsOf(ExperimentFile.shape.between)?.variants.size).toBeGreaterThan(4);
});
