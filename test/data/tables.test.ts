/** Real tables as run files name them: numbers standardised, categories one-hot, sites by nature. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { DenseDataset } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { type DataHost, loadData } from "../../src/data/load.ts";
import { DataSpec } from "../../src/data/spec.ts";
import { bytesOf, DATA, histogram, issueOf } from "./files.ts";

const disk: DataHost = {
  roots: [DATA],
  exists: async (path) => existsSync(path),
  readFile: async (path) => readFileSync(path),
};
const memory = (files: Record<string, string>): DataHost => ({
  roots: [""],
  exists: async (path) => path in files,
  readFile: async (path) => bytesOf(files[path]!),
});

async function load(spec: unknown, host: DataHost = disk) {
  const {
    train,
    test: judged,
    natural,
  } = await loadData(DataSpec.parse(spec), host, createRandom(5));
  if (train.kind !== "dense" || judged.kind !== "dense") throw new Error("dense rows");
  return { train, judged, natural };
}

/** Mean and deviation of each feature. */
function moments({ rows, shape, features }: DenseDataset): { mean: number; deviation: number }[] {
  const width = shape[0]!;
  return Array.from({ length: width }, (_, k) => {
    let [sum, squares] = [0, 0];
    for (let at = k; at < features.length; at += width) {
      sum += features[at]!;
      squares += features[at]! ** 2;
    }
    const mean = sum / rows;
    return { mean, deviation: Math.sqrt(Math.max(0, squares / rows - mean * mean)) };
  });
}

const zero = { mean: expect.closeTo(0, 4), deviation: expect.closeTo(0, 4) };
const standard = { mean: expect.closeTo(0, 4), deviation: expect.closeTo(1, 3) };

describe("real tables", () => {
  test("NSL-KDD: normal or attack, with the test file's attacks that training never saw", async () => {
    const names = readFileSync(`${DATA}/nsl-kdd/columns.txt`, "utf8").trim().split(/\r?\n/);
    const { train, judged, natural } = await load({
      kind: "csv",
      path: "nsl-kdd/KDDTrain+_20Percent.txt",
      testPath: "nsl-kdd/KDDTest+.txt",
      schema: {
        names,
        columns: {
          protocol_type: "categorical",
          service: "categorical",
          flag: "categorical",
          label: "label",
          difficulty: "ignore",
        },
        others: "numeric",
        label: { as: "groups", groups: { normal: ["normal"] }, rest: "attack" },
      },
    });
    expect([train.rows, judged.rows, train.classes, natural]).toEqual([
      25_192,
      22_544,
      2,
      undefined,
    ]);
    expect(histogram(train.labels)).toEqual([13_449, 11_743]);
    expect(histogram(judged.labels)).toEqual([9_711, 12_833]);
    // duration; 3 protocols, 66 services and 11 flags; 37 more numbers, two of them constant.
    expect(train.shape).toEqual([1 + 80 + 37]);
    const all = moments(train);
    expect(all[0]).toEqual(standard);
    const shares = all.slice(1, 4).map(({ mean }) => Math.round(mean * train.rows));
    expect(shares).toEqual([1655, 20_526, 3011]);
    const numbers = all.slice(81);
    expect(numbers.filter(({ deviation }) => deviation < 0.5)).toEqual([zero, zero]);
    for (const column of numbers) if (column.deviation > 0.5) expect(column).toEqual(standard);
  });

  test("elec2: a class a row", async () => {
    const { train, judged } = await load({
      kind: "csv",
      path: "elec2/elec.csv",
      schema: { columns: { class: "label" }, others: "numeric" },
    });
    const classes = [histogram(train.labels), histogram(judged.labels)];
    expect([0, 1].map((k) => classes[0]![k]! + classes[1]![k]!)).toEqual([26_075, 19_237]);
    expect(moments(train)).toEqual(Array.from({ length: 6 }, () => standard));
  });

  test("Beijing air: two stations are sites, PM2.5 is the target, rows without it are left out", async () => {
    const { train, judged, natural } = await load({
      kind: "csv",
      path: ["Changping", "Wanliu"].map(
        (name) => `beijing-air/PRSA_Data_${name}_20130301-20170228.csv.gz`,
      ),
      schema: {
        columns: { "PM2.5": "label", wd: "categorical", station: "site", No: "ignore" },
        others: "numeric",
        label: { as: "number" },
      },
      split: { by: "column", column: "station" },
    });
    expect(train.rows + judged.rows).toBe(2 * 35_064 - 774 - 382);
    expect(natural?.names).toEqual(["Changping", "Wanliu"]);
    expect([train.classes, train.shape]).toEqual([0, [13 + 16 + 1]]);
  });
});

describe("labels in groups, and test files", () => {
  const files = {
    "/a.csv": "x,y\n1,cat\n3,dog\n2,1.0\n",
    "/b.csv": "x,y\n5,dog\n",
    "/c.csv": "x,y\n9,dog\n4,1\n",
  };
  const spec = (label: unknown, more: Record<string, unknown> = {}) => ({
    kind: "csv",
    path: "a.csv",
    testPath: "c.csv",
    schema: { columns: { x: "numeric", y: "label" }, label, standardise: false },
    ...more,
  });
  const groups = { beast: ["dog", "cat"], number: ["1"] };

  test("values by their group, then the others; numbers are equal where they are", async () => {
    const { train, judged } = await load(spec({ as: "groups", groups }), memory(files));
    expect([...train.labels, ...judged.labels]).toEqual([0, 0, 1, 0, 1]);
    const some = { as: "groups", groups: { dogs: ["dog"] }, rest: "more" };
    const { train: binary } = await load(spec(some), memory(files));
    expect([binary.classes, ...binary.labels]).toEqual([2, 1, 0, 1]);
  });

  test("a value that no group names, and one that two name, are refused", async () => {
    const few = { as: "groups", groups: { dogs: ["dog"], one: ["1"] } };
    const issue = await issueOf(() => load(spec(few), memory(files)));
    expect(issue).toMatchObject({ code: "BAD_DATA", line: 2, fix: "the classes are dog, 1" });
    const twice = { as: "groups", groups: { a: ["dog"], b: ["dog"] } };
    expect(DataSpec.safeParse(spec(twice)).error?.issues[0]?.message).toContain("one group");
  });

  test("a column that the names of a file without a header lack is refused before any file is read", () => {
    const schema = { names: ["x", "y"], columns: { x: "numeric", y: "label", z: "ignore" } };
    const { error } = DataSpec.safeParse({ ...spec({ as: "class" }), schema });
    expect(error?.issues).toMatchObject([{ path: ["schema", "columns", "z"] }]);
  });

  test("several files and a test file: sites are those of training", async () => {
    const split = { by: "column", column: "file" };
    const more = { path: ["a.csv", "b.csv"], split };
    const { train, judged, natural } = await load(
      spec({ as: "groups", groups }, more),
      memory(files),
    );
    expect([[...train.features], [...judged.features]]).toEqual([
      [1, 3, 2, 5],
      [9, 4],
    ]);
    expect([...natural!.of]).toEqual([0, 0, 0, 1]);
  });
});

test("a column that does not vary in training is 0 there; what differs in the test keeps its size", async () => {
  const rows = Array.from({ length: 10 }, (_, i) => `0.1,${i % 2}`);
  const files = { "/a.csv": `x,y\n${rows.join("\n")}\n`, "/c.csv": "x,y\n0.6,1\n" };
  const schema = { columns: { x: "numeric", y: "label" } };
  const spec = { kind: "csv", path: "a.csv", testPath: "c.csv", schema };
  const { train, judged } = await load(spec, memory(files));
  for (const value of train.features) expect(value).toBeCloseTo(0, 6);
  expect(judged.features[0]).toBeCloseTo(0.5, 6);
});
