/** Splits of CSV data by a column: by the files themselves where there are several. */
import { expect, test } from "vitest";
import { checkSpec } from "../../src/run/check.ts";
import { RunSpec } from "../../src/run/spec.ts";

const objections = (path: string | string[], column: string) =>
  checkSpec(
    RunSpec.parse({
      version: 1,
      name: "hospitals",
      data: {
        kind: "csv",
        path,
        schema: { columns: { ill: "label", town: "ignore" }, others: "numeric" },
        split: { by: "column", column },
      },
      model: { kind: "sequential", layers: [{ dense: 2 }] },
      optimizer: { kind: "sgd", learningRate: 0.1 },
      batch: 1,
      sites: { count: 2 },
      between: { kind: "gaia" },
      stop: { maxClocks: 1 },
    }),
  );

test("several files are sites, without a column of that name; one file is not", () => {
  expect(objections(["a.csv", "b.csv"], "file")).toEqual([]);
  expect(objections("a.csv", "town")).toEqual([]);
  for (const path of ["a.csv", ["a.csv"]]) {
    expect(objections(path, "file")).toMatchObject([
      { code: "IMPOSSIBLE_PAIR", path: ["data", "split", "column"] },
    ]);
  }
});
