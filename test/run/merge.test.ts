/** Flags and compare entries over the file: what wins, what is dropped, who is named as the origin. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.ts";
import { readSource } from "../../src/run/file/source.ts";
import { resolveEntries, resolveRun } from "../../src/run/load.ts";
import { expandDots, parseSetting } from "../../src/run/merge.ts";

const FILE = "test/run/digits.yaml";
const source = readSource(readFileSync(FILE, "utf8"), FILE, "yaml");
const lineOf = (text: string): string =>
  `${FILE}:${
    readFileSync(FILE, "utf8")
      .split("\n")
      .findIndex((line) => line.includes(text)) + 1
  }`;

const set = (...texts: string[]) => ({ changes: texts.map((text) => parseSetting(text)) });

describe("--set", () => {
  it("wins over the file and is named as the origin", () => {
    const { spec, origins } = resolveRun(source, set("between.significance=0.05", "batch=16"));
    expect(spec.between).toMatchObject({ kind: "gaia", significance: 0.05 });
    expect(origins["between.significance"]).toBe("--set between.significance=0.05");
    expect(origins["between.kind"]).toBe(lineOf("between: { kind: gaia, significance"));
    expect(origins["between.staleness"]).toBe("default");
    expect(origins.batch).toBe("--set batch=16");
  });

  it("drops the keys of the other kind, and keeps those that both know", () => {
    const { spec } = resolveRun(source, set("optimizer.kind=adam"));
    expect(spec.optimizer).toEqual({
      kind: "adam",
      learningRate: resolveRun(source).spec.optimizer?.learningRate,
      schedule: { kind: "constant" },
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
    });
    expect(resolveRun(source, set("between.kind=none")).spec.between).toEqual({ kind: "none" });
  });

  it("replaces the way in which sites are given", () => {
    const { sites } = resolveRun(source, set("sites.count=3")).spec;
    expect(sites.preset).toBeUndefined();
    expect(sites.count).toBe(3);
  });

  it("reaches into lists", () => {
    const { model } = resolveRun(source, set("model.layers.1.dense=64")).spec;
    expect(model.kind === "sequential" && model.layers[1]).toEqual({ dense: 64 });
    expect(model.kind === "sequential" && model.layers[0]).toBe("flatten");
  });

  it("is refused with the flag as the place", () => {
    expect(() => resolveRun(source, set("between.significanse=1"))).toThrow(
      /--set between.significanse=1: .*did you mean significance/,
    );
    for (const bad of ["x", "=1", "a..b=1", "a=[1"]) {
      expect(() => parseSetting(bad)).toThrow(InputError);
    }
  });

  it("cannot reach the prototype of objects", () => {
    expect(() => resolveRun(source, set("__proto__.polluted=1"))).toThrow(InputError);
    expect("polluted" in {}).toBe(false);
  });

  it("is undone by nothing: any number set is the number resolved", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 64 }),
        (clocks, n) => {
          const overrides = set(`stop.maxClocks=${clocks}`, `sites.workers=${n}`);
          const { spec, origins } = resolveRun(source, overrides);
          expect(spec.stop.maxClocks).toBe(clocks);
          expect(spec.sites.workers).toBe(n);
          expect(origins["stop.maxClocks"]).toBe(`--set stop.maxClocks=${clocks}`);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe("compare", () => {
  it("resolves the rows of the file in order", () => {
    const rows = resolveEntries(source);
    expect(rows.map((row) => row.name)).toEqual([
      "lan",
      "stretched-bsp",
      "stretched-ssp",
      "fedavg",
      "gaia",
    ]);
    expect(rows[0]?.spec.sites.network).toBe("lan");
    expect(rows[0]?.spec.between).toEqual({ kind: "stretched" });
    expect(rows[2]?.spec.within).toMatchObject({ consistency: "ssp", staleness: 3 });
    expect(rows[2]?.origins["within.consistency"]).toBe(lineOf("consistency: ssp, staleness"));
  });

  it("lets a flag win in the rows that know its key, and leaves the others alone", () => {
    const rows = resolveEntries(source, set("between.significance=0.02"));
    expect(rows.at(-1)?.spec.between).toMatchObject({ significance: 0.02 });
    expect(rows[1]?.spec.between).toEqual({ kind: "stretched" });
    expect(() => resolveEntries(source, set("between.site=tokyo"))).toThrow(/no row/);
  });

  it("makes rows on the fly, lan first", () => {
    const matrix = { between: ["stretched", "gaia"], within: ["bsp", "ssp:5"] };
    const rows = resolveEntries(source, { matrix });
    expect(rows.map((row) => row.name)).toEqual([
      "lan",
      "stretched-bsp",
      "stretched-ssp-5",
      "gaia-bsp",
      "gaia-ssp-5",
    ]);
    expect(rows[4]?.spec.within).toMatchObject({ consistency: "ssp", staleness: 5 });
    expect(rows[4]?.spec.between).toMatchObject({ kind: "gaia", significance: 0.01 });
    expect(() => resolveEntries(source, { matrix: { between: ["gaya"] } })).toThrow(
      /did you mean gaia/,
    );
    expect(() => resolveEntries(source, { matrix: { within: ["tap:3"] } })).toThrow(InputError);
  });

  it("says so when there is nothing to compare, or a name occurs twice", () => {
    const text = readFileSync("examples/federated-1000.yaml", "utf8");
    expect(() => resolveEntries(readSource(text, "f.yaml", "yaml"))).toThrow(/nothing to compare/);
    const twice = `${text}compare:\n  - name: a\n  - name: a\n`;
    expect(() => resolveEntries(readSource(twice, "f.yaml", "yaml"))).toThrow(/two rows/);
  });

  it("takes dotted and nested keys for the same", () => {
    expect(expandDots({ "a.b": 1, a: { c: { "d.e": 2 } } })).toEqual({
      a: { b: 1, c: { d: { e: 2 } } },
    });
    const text = readFileSync("examples/softmax-quick.yaml", "utf8").split("compare:")[0]!;
    const dotted = `${text}compare:\n  - name: a\n    set: { "between.significance": 0.5, stop.maxClocks: 7 }\n`;
    const row = resolveEntries(readSource(dotted, "f.yaml", "yaml")).at(-1)!;
    expect(row.spec.between).toMatchObject({ significance: 0.5 });
    expect(row.origins["stop.maxClocks"]).toMatch(/^f.yaml:\d+$/);
  });
});

it("gives every value of the resolved spec an origin", () => {
  const leaves = (value: unknown): number =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).length > 0
      ? Object.values(value).reduce((sum: number, child) => sum + leaves(child), 0)
      : 1;
  const { spec, origins } = resolveRun(source);
  expect(Object.keys(origins)).toHaveLength(leaves(spec));
});
