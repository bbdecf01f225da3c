/** Data of which each site has its own: what surveys say, and that they merge to the survey of everything. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DenseDataset } from "../../src/core/dataset.ts";
import { siteId } from "../../src/core/ids.ts";
import { createRandom } from "../../src/core/random.ts";
import { type DataHost, loadData } from "../../src/data/load.ts";
import { meanAndVariance, mergeMoments, momentsOf, NO_MOMENTS } from "../../src/data/moments.ts";
import { mergeSurveys } from "../../src/data/own/merge.ts";
import { discreet } from "../../src/data/own/naming.ts";
import { loadOwn, ownData, readOwn, testData } from "../../src/data/own/own.ts";
import { DataSpec } from "../../src/data/spec.ts";
import { bytesOf } from "./files.ts";

const memory = (files: Record<string, string>): DataHost => ({
  roots: [""],
  exists: async (path) => path in files,
  readFile: async (path) => bytesOf(files[path] ?? ""),
});
const SITES = ["north", "south"].map(siteId);
const dense = (data: unknown): DenseDataset => data as DenseDataset;

describe("moments", () => {
  const numbers = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }));

  test("of parts merge to those of the whole, in any order", () => {
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        const whole = meanAndVariance(momentsOf([...a, ...b]));
        const parts = [momentsOf(a), momentsOf(b)] as const;
        expect(meanAndVariance(mergeMoments(...parts))).toEqual(whole);
        expect(meanAndVariance(mergeMoments(parts[1], parts[0]))).toEqual(whole);
      }),
    );
  });

  test("agree with two passes where one pass in doubles loses every digit", () => {
    const values = Array.from({ length: 1000 }, (_, i) => Math.fround(1e7 + (i % 2)));
    expect(meanAndVariance(momentsOf(values))).toEqual({ mean: 1e7 + 0.5, variance: 0.25 });
    expect(meanAndVariance(momentsOf([3.1, 3.1, 3.1].map(Math.fround))).variance).toBe(0);
    expect(meanAndVariance(NO_MOMENTS)).toEqual({ mean: 0, variance: 0 });
  });
});

describe("tables", () => {
  const header = "age,city,ill";
  const north = ["30,Oslo,no", "41,Bergen,yes", "?,Oslo,no"];
  const south = ["55,Rome,maybe", "23,Bari,yes"];
  const judged = ["40,Rome,no", "50,Nowhere,never"];
  const file = (...rows: string[]) => [header, ...rows].join("\n");
  const files = {
    "/of/north.csv": file(...north),
    "/of/south.csv": file(...south),
    "/of/test.csv": file(...judged),
    "/of/all.csv": file(...north, ...south),
  };
  const schema = { columns: { age: "numeric", city: "categorical", ill: "label" } };
  const own = DataSpec.parse({
    ...{ kind: "csv", schema },
    ...{ path: "of/{site}.csv", testPath: "of/test.csv" },
  });

  test("are encoded as if they were one file", async () => {
    const one = DataSpec.parse({ ...own, path: "of/all.csv", split: { by: "iid" } });
    const whole = await loadData(one, memory(files), createRandom(1));
    const { places, ...loaded } = await loadOwn(own, SITES, memory(files));
    expect(own.split).toEqual({ by: "place" });
    expect(loaded.train).toEqual(whole.train);
    expect(loaded.test).toEqual(whole.test);
    expect(loaded.classNames).toEqual(["maybe", "never", "no", "yes"]);
    expect(places).toEqual({
      sizes: [
        { site: "north", rows: 3 },
        { site: "south", rows: 2 },
      ],
      here: "all",
    });
  });

  test("are encoded at each site alone as in one process that reads them all", async () => {
    const whole = dense((await loadOwn(own, SITES, memory(files))).train);
    const alone = (site: string) =>
      memory({ [`/of/${site}.csv`]: files[`/of/${site}.csv` as never] });
    const [a, b] = [
      await readOwn(own, SITES[0]!, alone("north")),
      await readOwn(own, SITES[1]!, alone("south")),
    ];
    // As they come over a wire, in whatever order.
    const told = JSON.parse(JSON.stringify([b.survey, a.survey]));
    const only = memory({ "/of/test.csv": files["/of/test.csv"] });
    const { facts, data } = await testData(own, mergeSurveys(SITES, told), only);
    const sent = JSON.parse(JSON.stringify(facts));
    const parts = [a, b].map((records) => dense(ownData(sent, records).train));
    expect(parts.flatMap(({ features }) => [...features])).toEqual([...whole.features]);
    expect(parts.flatMap(({ labels }) => [...labels])).toEqual([...whole.labels]);
    expect(data.train).toMatchObject({ rows: 0, shape: whole.shape, classes: whole.classes });
    expect(JSON.stringify(told)).not.toMatch(/\b(30|41|55|23)\b/);
  });

  test("agents of one site with different files, a site without a file", async () => {
    const first = await readOwn(own, SITES[0]!, memory(files));
    const second = await readOwn(
      own,
      SITES[0]!,
      memory({ ...files, "/of/north.csv": file("1,X,no") }),
    );
    const merge = () => mergeSurveys([SITES[0]!], [first.survey, second.survey]);
    expect(merge).toThrow(/of\/north.csv: site north: two of its agents .* \(3 and 1 rows\)/);
    const { "/of/south.csv": _, ...less } = files;
    await expect(loadOwn(own, SITES, memory(less))).rejects.toThrow(
      /site south: no data at of\/south.csv/,
    );
  });

  test("an error beyond the site shows no record, nor a first line that is no header", async () => {
    const odd = memory({ ...files, "/of/north.csv": "63,1,a secret one\n64,0,b" });
    const error = (await readOwn(own, SITES[0]!, odd).catch(discreet)) as Error;
    expect(error.message).toContain("site north: there is no column");
    expect(`${error.stack}`).not.toMatch(/63|secret|one/);
  });
});

test("LIBSVM labels are those of all sites", async () => {
  const files = { "/north.txt": "3 1:1\n-1 2:5", "/south.txt": "7 1:2", "/test.txt": "3 1:1" };
  const spec = DataSpec.parse({
    ...{ kind: "libsvm", features: 2 },
    ...{ path: "{site}.txt", testPath: "test.txt" },
  });
  const { train, test } = await loadOwn(spec, SITES, memory(files));
  expect(train).toMatchObject({ rows: 3, classes: 3, shape: [2] });
  expect([...dense(train).labels]).toEqual([1, 0, 2]);
  expect([...dense(test).labels]).toEqual([1]);
  await expect(loadOwn(spec, SITES, memory({ ...files, "/test.txt": "4 1:1" }))).rejects.toThrow(
    /label "4" is out of range/,
  );
});
