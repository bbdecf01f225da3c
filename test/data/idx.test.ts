import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { readIdx, readIdxDataset } from "../../src/data/idx.ts";
import { histogram, issueOf, real, sumOf } from "./files.ts";

/** An IDX file by hand. */
function idx(shape: number[], values: number[]): Uint8Array {
  const header = new Uint8Array(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((size, axis) => {
    new DataView(header.buffer).setUint32(4 + 4 * axis, size);
  });
  return Uint8Array.of(...header, ...values);
}

describe("MNIST itself", () => {
  const load = (part: string) =>
    readIdxDataset(
      real(`mnist/${part}-images-idx3-ubyte.gz`),
      real(`mnist/${part}-labels-idx1-ubyte.gz`),
      { classes: 10 },
    );

  test("60,000 training images with the known labels and mean", async () => {
    const train = await load("train");
    expect([train.rows, train.shape]).toEqual([60_000, [1, 28, 28]]);
    expect(histogram(train.labels)).toEqual([
      5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]);
    expect((sumOf(train.features) / train.features.length) * train.scale).toBeCloseTo(0.1307, 4);
    expect(train.features.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(train.labels.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  test("10,000 test images with the known labels", async () => {
    const judged = await load("t10k");
    expect(judged.rows).toBe(10_000);
    expect(histogram(judged.labels)).toEqual([
      980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]);
  });

  test("packed or not is the same; a limit takes the first rows", async () => {
    const packed = real("mnist/t10k-labels-idx1-ubyte.gz");
    const plain = { file: "labels", bytes: new Uint8Array(gunzipSync(packed.bytes)) };
    expect(await readIdx(plain, 1)).toEqual(await readIdx(packed, 1));
    const some = await readIdxDataset(real("mnist/t10k-images-idx3-ubyte.gz"), plain, {
      classes: 10,
      rows: 7,
    });
    expect([some.rows, some.features.length, [...some.labels]]).toEqual([
      7,
      7 * 784,
      [...(await readIdx(plain, 1)).values.subarray(0, 7)],
    ]);
  });
});

describe("malformed files are refused with file and offset", () => {
  const good = idx([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  test.each<[string, Uint8Array, number, string]>([
    ["empty", new Uint8Array(0), 0, "cut short"],
    ["bad magic", good.with(0, 1), 0, "two zero bytes"],
    ["floats", good.with(2, 0x0d), 2, "type 13"],
    ["wrong axes", good.with(3, 1), 3, "1 axes instead of 3"],
    ["cut header", good.subarray(0, 10), 10, "header is cut short"],
    ["cut values", good.subarray(0, 20), 20, "the file has 4"],
    ["values left over", Uint8Array.of(...good, 0), 24, "the file has 9"],
    ["absurd sizes", good.with(4, 255), 24, "takes"],
    ["cut gzip", gzipSync(good).subarray(0, 20), 20, "unpacked"],
    ["bad gzip", gzipSync(good).with(12, 0xff), gzipSync(good).length, "unpacked"],
  ])("%s", async (_, bytes, offset, message) => {
    const issue = await issueOf(() => readIdx({ file: "images", bytes }, 3));
    expect(issue).toMatchObject({ code: "BAD_DATA", file: "images", offset });
    expect(issue.message).toContain(message);
  });

  test("a label out of range, and counts that differ", async () => {
    const images = { file: "images", bytes: good };
    const labels = (...values: number[]) => ({
      file: "labels",
      bytes: idx([values.length], values),
    });
    const refused = (bytes: ReturnType<typeof labels>) =>
      issueOf(() => readIdxDataset(images, bytes, { classes: 10 }));
    expect(await refused(labels(3, 10))).toMatchObject({ file: "labels", offset: 9 });
    expect((await refused(labels(3, 10))).message).toContain('label "10" is out of range');
    expect((await refused(labels(3, 4, 5))).message).toContain("3 labels, but images has 2 images");
    const read = await readIdxDataset(images, labels(3, 9), { classes: 10 });
    expect([...read.labels]).toEqual([3, 9]);
  });
});
