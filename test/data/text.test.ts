import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { readCsv } from "../../src/data/csv.ts";
import { CsvSchema } from "../../src/data/csv-schema.ts";
import { encodeTable } from "../../src/data/encode.ts";
import { readLibsvm } from "../../src/data/libsvm.ts";
import { holdOutPerUser, readRatings } from "../../src/data/ratings.ts";
import { allRows } from "../../src/data/rows.ts";
import { linesOf } from "../../src/data/text.ts";
import { bytesOf, histogram, inChunks, issueOf, real, sumOf } from "./files.ts";

const movielens = { user: "userId", item: "movieId", rating: "rating" };

describe("ratings", () => {
  test("MovieLens: counts, stars and mean as published; the hold-out is per user", async () => {
    const all = await readRatings(real("movielens-latest-small/ratings.csv").bytes, "r", movielens);
    expect([all.rows, all.userCount, all.itemCount]).toEqual([100_836, 610, 9_724]);
    expect(histogram(all.ratings.map((stars) => 2 * stars)).slice(1)).toEqual([
      1370, 2811, 1791, 7551, 5550, 20047, 13136, 26818, 8551, 13211,
    ]);
    expect(all.ratings.reduce((a, b) => a + b, 0) / all.rows).toBeCloseTo(3.5016, 3);
    const perUser = histogram(all.users);
    expect([Math.min(...perUser), Math.max(...perUser)]).toEqual([20, 2698]);

    const [train, judged] = holdOutPerUser(all, 0.1, createRandom(1));
    expect(train.length + judged.length).toBe(all.rows);
    expect(new Set([...train, ...judged]).size).toBe(all.rows);
    const held = histogram([...judged].map((row) => all.users[row]!));
    expect(held).toEqual(perUser.map((count) => Math.floor(0.1 * count)));
    expect(holdOutPerUser(all, 0.1, createRandom(1))[1]).toEqual(judged);
    expect(holdOutPerUser(all, 0.1, createRandom(2))[1]).not.toEqual(judged);
  });

  test("chunks, quotes, byte order mark and CR LF change nothing", async () => {
    const plain = "userId,movieId,rating\n7,a,4\n7,b,3.5\n9,a,1\n";
    const dressed = `\uFEFF"userId","movieId",rating\r\n7,"a",4\r\n7,"b",3.5\r\n\r\n9,a,1`;
    const one = await readRatings(bytesOf(plain), "r", movielens);
    expect([[...one.users], [...one.items], [...one.ratings]]).toEqual([
      [0, 0, 1],
      [0, 1, 0],
      [4, 3.5, 1],
    ]);
    expect(await readRatings(inChunks(bytesOf(dressed)), "r", movielens)).toEqual(one);
  });

  test.each<[string, string, number, number, string]>([
    ["no such column", "user,movieId,rating\n", 1, 0, "no column userId"],
    ["a word", "userId,movieId,rating\n1,2,3\n1,2,good\n", 3, 28, '"good" is no number'],
    ["a hexadecimal", "userId,movieId,rating\n1,2,0x3\n", 2, 22, "no number"],
    ["infinity", "userId,movieId,rating\n1,2,1e99\n", 2, 22, "no number"],
    ["a short row", "userId,movieId,rating\n1,2,3\n1,2\n", 3, 28, "2 columns instead of 3"],
    ["a long row", "userId,movieId,rating\n1,2,3,4\n", 2, 22, "4 columns instead of 3"],
    ["no user", "userId,movieId,rating\n,2,3\n", 2, 22, "no user"],
    ["an open quote", 'userId,movieId,rating\n1,"2,3\n', 2, 22, "Quote"],
  ])("refuses %s with line and offset", async (_, text, line, offset, message) => {
    const issue = await issueOf(() => readRatings(bytesOf(text), "ratings.csv", movielens));
    expect(issue).toMatchObject({ code: "BAD_DATA", file: "ratings.csv", line, offset });
    expect(issue.message).toContain(message);
  });

  test("a header alone holds no ratings; a stream's own failure passes through", async () => {
    expect(
      (await issueOf(() => readRatings(bytesOf("userId,movieId,rating\n"), "r", movielens)))
        .message,
    ).toContain("no ratings");
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytesOf("userId,movieId,rating\n1,2,3\n");
      throw new Error("disk on fire");
    }
    await expect(readRatings(broken(), "r", movielens)).rejects.toThrow("disk on fire");
  });
});

describe("LIBSVM", () => {
  test("agaricus: counts as published, 22 ones in each row", async () => {
    const options = { features: 126, target: "class" } as const;
    const train = await readLibsvm(real("agaricus/agaricus.txt.train").bytes, "train", options);
    expect([train.dataset.rows, train.labels]).toEqual([6513, [0, 1]]);
    expect(histogram(train.dataset.labels)).toEqual([3373, 3140]);
    expect(sumOf(train.dataset.features)).toBe(143_286);
    const judged = await readLibsvm(real("agaricus/agaricus.txt.test").bytes, "test", {
      ...options,
      labels: train.labels,
    });
    expect(histogram(judged.dataset.labels)).toEqual([835, 776]);
  });

  test("signs, comments, empty lines, chunks; regression", async () => {
    const text = "+1 1:0.5 3:-2 # a comment\n\n-1 2:1e-1\r\n-1";
    const read = await readLibsvm(inChunks(bytesOf(text)), "f", { features: 3, target: "class" });
    expect(read.labels).toEqual([-1, 1]);
    expect([...read.dataset.labels]).toEqual([1, 0, 0]);
    expect([...read.dataset.features]).toEqual([0.5, 0, -2, 0, Math.fround(0.1), 0, 0, 0, 0]);
    const numbers = await readLibsvm(bytesOf("0.25 1:1\n"), "f", { features: 1, target: "number" });
    expect([[...numbers.dataset.labels], numbers.dataset.classes]).toEqual([[0.25], 0]);
  });

  test.each<[string, string, number, number, string]>([
    ["a label out of range", "1 1:1\n2 1:1\n", 2, 6, 'label "2" is out of range'],
    ["a word as label", "yes 1:1\n", 1, 0, "no number"],
    ["index 0", "1 0:1\n", 1, 0, 'feature "0" is out of range'],
    ["an index past the end", "1 1:1\n0 4:1\n", 2, 6, 'feature "4" is out of range'],
    ["indices that fall", "1 2:1 1:1\n", 1, 0, "does not come after"],
    ["no colon", "1 2\n", 1, 0, "not index:value"],
    ["no value", "1 2:\n", 1, 0, "not index:value"],
  ])("refuses %s with line and offset", async (_, text, line, offset, message) => {
    const issue = await issueOf(() =>
      readLibsvm(bytesOf(text), "f.txt", { features: 3, target: "class", labels: [0, 1] }),
    );
    expect(issue).toMatchObject({ file: "f.txt", line, offset });
    expect(issue.message).toContain(message);
  });
});

describe("CSV by a schema", () => {
  const people = bytesOf(
    "age,town,ill,clinic\n10,Rome,no,x\n20,Oslo,yes,y\n?,Rome,no,y\n30,NA,yes,x\n",
  );
  const schema = (more: object = {}) =>
    CsvSchema.parse({
      columns: { age: "numeric", town: "categorical", ill: "label", clinic: "site" },
      ...more,
    });

  test("numbers standardised, categories one-hot, missing filled, sites kept", async () => {
    const table = await readCsv([{ file: "p", source: people }], schema());
    expect(table.classes).toEqual(["no", "yes"]);
    expect(table.natural).toEqual({ names: ["x", "y"], of: Int32Array.of(0, 1, 1, 0) });
    const data = encodeTable(table, allRows(4), true);
    expect([data.rows, data.shape, data.classes, [...data.labels]]).toEqual([
      4,
      [3],
      2,
      [0, 1, 0, 1],
    ]);
    const one = Math.fround(10 / Math.sqrt(200 / 3));
    expect([...data.features]).toEqual([-one, 0, 1, 0, 1, 0, 0, 0, 1, one, 0, 0]);
  });

  test("statistics and categories come from the training rows alone", async () => {
    const table = await readCsv([{ file: "p", source: people }], schema());
    const data = encodeTable(table, Uint32Array.of(0, 2), false);
    expect(data.shape).toEqual([2]);
    expect([...data.features]).toEqual([10, 1, 20, 0, 10, 1, 30, 0]);
  });

  test("rows with missing values can be dropped", async () => {
    const table = await readCsv([{ file: "p", source: people }], schema({ missingRows: "drop" }));
    expect(table.rows).toBe(2);
  });

  test("heart disease: four hospitals as files, num above 0", async () => {
    const names = "age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num";
    const files = ["cleveland", "hungarian", "switzerland", "va"].map((site) => {
      const { file, bytes } = real(`heart-disease/processed.${site}.data`);
      return { file, source: bytes };
    });
    const table = await readCsv(
      files,
      CsvSchema.parse({
        names: names.split(" "),
        columns: { num: "label", cp: "categorical" },
        others: "numeric",
        label: { as: "above", threshold: 0 },
      }),
    );
    expect(histogram(table.natural!.of)).toEqual([303, 294, 123, 200]);
    const ill = [0, 0, 0, 0];
    table.natural!.of.forEach((site, row) => {
      ill[site] = ill[site]! + table.labels[row]!;
    });
    expect(ill).toEqual([139, 106, 115, 149]);
    expect(encodeTable(table, allRows(table.rows), true).shape).toEqual([12 + 4]);
  });

  test.each<[string, string, object, object, string]>([
    ["a column that is not there", "age,ill\n1,no\n", {}, { line: 1 }, "no column town"],
    [
      "no label",
      "age,town,ill,clinic\n",
      { columns: { age: "numeric" } },
      { line: 1 },
      "one label",
    ],
    [
      "no feature",
      "age,town,ill,clinic\n",
      { columns: { ill: "label" } },
      { line: 1 },
      "no feature",
    ],
    [
      "a word for a number",
      "age,town,ill,clinic\n1,a,no,x\nold,a,no,x\n",
      {},
      { line: 3, offset: 29 },
      'age is "old"',
    ],
    [
      "an unknown class",
      "age,town,ill,clinic\n1,a,maybe,x\n",
      { label: { as: "class", classes: ["no", "yes"] } },
      { line: 2, offset: 20 },
      "out of range",
    ],
    [
      "a short row",
      "age,town,ill,clinic\n1,a,no\n",
      {},
      { line: 2, offset: 20 },
      "3 columns instead of 4",
    ],
    [
      "names that do not fit",
      "1,a,no\n",
      { names: ["age", "town", "ill", "clinic"] },
      { line: 1 },
      "3 columns",
    ],
  ])("refuses %s", async (_, text, more, place, message) => {
    const issue = await issueOf(() =>
      readCsv([{ file: "p", source: bytesOf(text) }], schema(more)),
    );
    expect(issue).toMatchObject({ file: "p", ...place });
    expect(issue.message).toContain(message);
  });

  test("a second file with other columns is refused by name", async () => {
    const issue = await issueOf(() =>
      readCsv(
        [
          { file: "one", source: people },
          { file: "two", source: bytesOf("age,town,clinic,ill\n1,a,x,no\n") },
        ],
        schema(),
      ),
    );
    expect(issue).toMatchObject({ file: "two", line: 1 });
  });
});

test("lines keep their places whatever the chunks", async () => {
  for (const size of [1, 2, 5, 100]) {
    const lines: unknown[] = [];
    for await (const { text, place } of linesOf(inChunks(bytesOf("ab\r\n\nπ\nlast"), size), "f"))
      lines.push([text, place.line, place.offset]);
    expect(lines).toEqual([
      ["ab", 1, 0],
      ["", 2, 4],
      ["π", 3, 5],
      ["last", 4, 8],
    ]);
  }
});
