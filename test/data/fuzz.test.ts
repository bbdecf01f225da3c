import { expect, test } from "vitest";
import { InputError } from "../../src/core/errors.ts";
import { createRandom } from "../../src/core/random.ts";
import { readCsv } from "../../src/data/csv.ts";
import { CsvSchema } from "../../src/data/csv-schema.ts";
import { readIdxDataset } from "../../src/data/idx.ts";
import { readLibsvm } from "../../src/data/libsvm.ts";
import { readRatings } from "../../src/data/ratings.ts";
import { mutate } from "../codec/fuzz.ts";
import { bytesOf } from "./files.ts";

const images = Uint8Array.of(
  0,
  0,
  8,
  3,
  0,
  0,
  0,
  2,
  0,
  0,
  0,
  2,
  0,
  0,
  0,
  2,
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
);
const labels = { file: "labels", bytes: Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 3, 9) };
const schema = CsvSchema.parse({
  columns: { age: "numeric", town: "categorical", ill: "label", clinic: "site" },
});

/** Each reader with an input that it takes. */
const readers: [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
  ["IDX", images, (bytes) => readIdxDataset({ file: "f", bytes }, labels, { classes: 10 })],
  [
    "ratings",
    bytesOf('userId,movieId,rating\n1,"a",3.5\n2,b,4\n'),
    (bytes) => readRatings(bytes, "f", { user: "userId", item: "movieId", rating: "rating" }),
  ],
  [
    "CSV",
    bytesOf("age,town,ill,clinic\n10,Rome,no,x\n20,Oslo,yes,y\n?,Rome,no,y\n30,NA,yes,x\n"),
    (bytes) => readCsv([{ file: "f", source: bytes }], schema),
  ],
  [
    "LIBSVM",
    bytesOf("1 1:0.5 3:2\n0 2:1e-3\n"),
    (bytes) => readLibsvm(bytes, "f", { features: 3, target: "class" }),
  ],
];

test.each(readers)(
  "%s: 500 mutated inputs give data or a typed error with its place",
  async (_, input, read) => {
    await read(input);
    const random = createRandom(31);
    let refused = 0;
    for (let round = 0; round < 500; round++) {
      try {
        await read(mutate(input, random));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        expect(error.issues[0]).toMatchObject({ code: "BAD_DATA", file: "f" });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
  },
);
