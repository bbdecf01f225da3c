import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InputError, PangaeaError } from "../../src/core/errors.ts";
import { createRandom } from "../../src/core/random.ts";
import { CATALOGUE, catalogueEntry, verify } from "../../src/data/catalogue.ts";
import { generateDigits } from "../../src/data/generated-digits.ts";
import { type DataHost, loadData } from "../../src/data/load.ts";
import { DataSpec } from "../../src/data/spec.ts";
import { bytesOf, DATA, histogram, issueOf, sumOf } from "./files.ts";

const disk: DataHost = {
  roots: ["nowhere", DATA],
  exists: async (path) => existsSync(path),
  readFile: async (path) => readFileSync(path),
};
const memory = (files: Record<string, string>): DataHost => ({
  roots: ["/home", "/data"],
  exists: async (path) => path in files,
  readFile: async (path) => bytesOf(files[path]!),
});
const load = (spec: unknown, host: DataHost = disk) =>
  loadData(DataSpec.parse(spec), host, createRandom(5));

describe("loading what a file says", () => {
  test("MNIST by its folder, also with data/ in front, limited", async () => {
    for (const path of ["mnist", "data/mnist"]) {
      const {
        train,
        test: judged,
        origin,
        note,
      } = await load({
        kind: "idx",
        path,
        trainRows: 500,
        testRows: 100,
        fallback: "generated",
      });
      expect([train.rows, judged.rows, origin, note]).toEqual([
        500,
        100,
        `${DATA}/mnist`,
        undefined,
      ]);
    }
  });

  test("absent digits: generated ones and a note, or an error that says where it looked", async () => {
    const spec = { kind: "idx", path: "data/mnist", trainRows: 50, testRows: 20 };
    const made = await load({ ...spec, fallback: "generated" }, memory({}));
    expect([made.train.rows, made.test.rows, made.origin]).toEqual([50, 20, "generated"]);
    expect(made.note).toContain("pangaea data fetch mnist");
    const issue = await issueOf(() => load(spec, memory({})));
    expect(issue).toMatchObject({ code: "MISSING_DATA", path: ["data", "path"] });
    for (const place of ["/home/data/mnist/train-images", "/data/mnist/train-images"])
      expect(issue.message).toContain(place);
    expect(issue.fix).toContain("PANGAEA_DATA");
    expect(issue.fix).toContain("pangaea data fetch mnist");
  });

  test("MovieLens, split by user unless said otherwise", async () => {
    const { train, test: judged } = await load({
      kind: "ratings",
      path: "movielens-latest-small/ratings.csv",
    });
    expect(train.rows + judged.rows).toBe(100_836);
    expect(judged.rows / 100_836).toBeCloseTo(0.1, 2);
    expect(train).toMatchObject({ kind: "ratings", userCount: 610, itemCount: 9_724 });
    expect(DataSpec.parse({ kind: "ratings", path: "x" }).split).toEqual({ by: "user" });
  });

  test("CSV: the split's column becomes the site; held-out rows are the seed's", async () => {
    const rows = Array.from({ length: 20 }, (_, i) => `${i},${i % 2},${"abc"[i % 3]}`);
    const host = memory({ "/data/t.csv": `x,y,place\n${rows.join("\n")}\n` });
    const spec = {
      kind: "csv",
      path: "t.csv",
      schema: { columns: { x: "numeric", y: "label" }, standardise: false },
      split: { by: "column", column: "place" },
    };
    const { train, test: judged, natural } = await load(spec, host);
    expect([train.rows, judged.rows]).toEqual([16, 4]);
    if (train.kind !== "dense") throw new Error("dense rows");
    expect(natural?.names).toEqual(["a", "b", "c"]);
    expect([...natural!.of]).toEqual([...train.features].map((x) => x % 3));
    expect(await load(spec, host)).toEqual(await load(spec, host));
  });

  test("heart disease from four files, each a site", async () => {
    const columns = "age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num";
    const { train, natural } = await load({
      kind: "csv",
      path: ["cleveland", "hungarian", "switzerland", "va"].map(
        (site) => `heart-disease/processed.${site}.data`,
      ),
      schema: {
        names: columns.split(" "),
        columns: { num: "label" },
        others: "numeric",
        label: { as: "above", threshold: 0 },
      },
      split: { by: "column", column: "file" },
    });
    expect(train.rows).toBe(736);
    expect(natural?.names.length).toBe(4);
  });

  test("LIBSVM with a test file of its own", async () => {
    const { train, test: judged } = await load({
      kind: "libsvm",
      path: "agaricus/agaricus.txt.train",
      testPath: "agaricus/agaricus.txt.test",
      features: 126,
    });
    expect([train.rows, judged.rows]).toEqual([6513, 1611]);
  });
});

describe("generated digits", () => {
  test("the seed decides; all classes occur; dark ground, light strokes", () => {
    const digits = generateDigits(2000, createRandom(1));
    const again = (seed: number) => Buffer.from(generateDigits(2000, createRandom(seed)).features);
    expect(again(1).equals(Buffer.from(digits.features))).toBe(true);
    expect(again(2).equals(Buffer.from(digits.features))).toBe(false);
    const counts = histogram(digits.labels);
    expect(counts.length).toBe(10);
    expect(Math.min(...counts)).toBeGreaterThan(140);
    const mean = sumOf(digits.features) / digits.features.length / 255;
    expect(mean).toBeGreaterThan(0.08);
    expect(mean).toBeLessThan(0.25);
  });

  test("class means tell unseen digits apart far better than chance, but not too well", () => {
    const train = generateDigits(3000, createRandom(1));
    const judged = generateDigits(1000, createRandom(2));
    const means = Array.from({ length: 10 }, () => new Float64Array(784));
    const counts = histogram(train.labels);
    for (let i = 0; i < train.features.length; i++) {
      const label = train.labels[Math.floor(i / 784)]!;
      const mean = means[label]!;
      mean[i % 784] = mean[i % 784]! + train.features[i]! / counts[label]!;
    }
    let right = 0;
    for (let row = 0; row < judged.rows; row++) {
      const image = judged.features.subarray(row * 784, (row + 1) * 784);
      const distances = means.map((mean) => mean.reduce((s, m, i) => s + (m - image[i]!) ** 2, 0));
      if (distances.indexOf(Math.min(...distances)) === judged.labels[row]) right++;
    }
    expect(right).toBeGreaterThan(600);
    expect(right).toBeLessThan(900);
  });
});

describe("the catalogue", () => {
  test("every set can be fetched and verified, or says how to get it by hand", () => {
    for (const { files, byHand, licence } of CATALOGUE) {
      expect(licence.length).toBeGreaterThan(10);
      expect(files.length > 0 || byHand !== undefined).toBe(true);
      for (const file of files) {
        expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
        for (const url of file.urls) expect(new URL(url).protocol).toBe("https:");
      }
    }
    expect(catalogueEntry("mnist").files.length).toBe(4);
  });

  test("verify is SHA-256; an unknown name lists the known ones", () => {
    const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(verify(bytesOf("abc"), abc)).toBe(true);
    expect(verify(bytesOf("abd"), abc)).toBe(false);
    expect(() => catalogueEntry("mnits")).toThrow(PangaeaError);
    expect(() => catalogueEntry("mnits")).not.toThrow(InputError);
  });
});
