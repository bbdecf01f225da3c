/** Texts as windows of tokens: what rows are, what they predict, where training ends and the test begins. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shapeOf, type TextDataset } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { loadData } from "../../src/data/load.ts";
import { partition, type SplitSpec } from "../../src/data/partition.ts";
import { allRows, takeRows } from "../../src/data/rows.ts";
import { DataSpec } from "../../src/data/spec.ts";
import { readText, type WindowOptions } from "../../src/data/text-windows.ts";
import { gatherTokens } from "../../src/model/gather-text.ts";
import { bytesOf, DATA, issueOf, real } from "./files.ts";

const read = (text: string, options: Partial<WindowOptions> = {}) =>
  readText(
    { file: "t", bytes: bytesOf(text) },
    { length: 4, tokens: "characters", testShare: 0, ...options },
  );

/** Row by row: what it reads and what it predicts. */
function windows(data: TextDataset): { inputs: number[]; targets: number[] }[] {
  const size = data.rows * data.length;
  const [inputs, targets] = [new Int32Array(size), new Int32Array(size)];
  gatherTokens(data, allRows(data.rows), 0, data.rows, inputs, targets);
  return Array.from({ length: data.rows }, (_, row) => {
    const [from, to] = [row * data.length, (row + 1) * data.length];
    return { inputs: [...inputs.subarray(from, to)], targets: [...targets.subarray(from, to)] };
  });
}

describe("windows", () => {
  test("each predicts its successors; a tail without one is left out", () => {
    const { train } = read("abcabcabcab");
    expect(train).toMatchObject({ kind: "text", rows: 2, length: 4, vocabulary: 4 });
    expect(windows(train)).toEqual([
      { inputs: [0, 1, 2, 0], targets: [1, 2, 0, 1] },
      { inputs: [1, 2, 0, 1], targets: [2, 0, 1, 2] },
    ]);
    expect(shapeOf(train)).toEqual({ kind: "text", length: 4, vocabulary: 4 });
    expect(train.tokens.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(train.starts.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  test("a stride lets training windows overlap, and those of the test stand side by side", () => {
    const { train, test: judged } = read("abcdefghijklmnopqrst", { stride: 2, testShare: 0.5 });
    expect([...train.starts]).toEqual([0, 2, 4]);
    expect([...judged.starts]).toEqual([0, 4]);
  });

  test("over random texts: rows are slices of their part, and every successor but the tail is judged", () => {
    const texts = fc.string({
      unit: fc.constantFrom("a", "b", "é", "中", "😀"),
      minLength: 8,
      maxLength: 200,
    });
    fc.assert(
      fc.property(
        texts,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 7 }),
        (text, length, stride) => {
          const points = [...text];
          const testShare = 0.25;
          const border = points.length - Math.round(testShare * points.length);
          fc.pre(border > length && points.length - border > length);
          const sets = read(text, { length, stride, testShare });
          const known = [...new Set(points.slice(0, border))].sort(
            (a, b) => a.codePointAt(0)! - b.codePointAt(0)!,
          );
          const token = (character: string): number =>
            known.includes(character) ? known.indexOf(character) : known.length;
          for (const [part, data, step] of [
            [points.slice(0, border), sets.train, stride],
            [points.slice(border), sets.test, length],
          ] as const) {
            const rows = windows(data);
            expect(rows.length).toBe(Math.floor((part.length - 1 - length) / step) + 1);
            rows.forEach(({ inputs, targets }, row) => {
              const from = row * step;
              expect(inputs).toEqual(part.slice(from, from + length).map(token));
              expect(targets).toEqual(part.slice(from + 1, from + 1 + length).map(token));
            });
          }
          expect(sets.train.vocabulary).toBe(known.length + 1);
          expect(sets.test.vocabulary).toBe(known.length + 1);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("64-bit buffers hold the same tokens, whatever lay there; a batch may be a part of them", () => {
    const { train } = read("the quick brown fox jumps over it", { length: 5 });
    const rows = Uint32Array.of(4, 0, 3, 1);
    const buffers = () =>
      [new BigInt64Array(20).fill(-1n), new BigInt64Array(20).fill(-1n)] as const;
    const [inputs, targets] = buffers();
    gatherTokens(train, rows, 1, 3, inputs, targets);
    const all = windows(train);
    const expected = [0, 3, 1].map((row) => all[row]!);
    expect([...inputs.subarray(0, 15)]).toEqual(expected.flatMap((row) => row.inputs.map(BigInt)));
    expect([...targets.subarray(0, 15)]).toEqual(
      expected.flatMap((row) => row.targets.map(BigInt)),
    );
    expect([...inputs.subarray(15)]).toEqual([-1n, -1n, -1n, -1n, -1n]);
    expect(() => gatherTokens(train, Uint32Array.of(99), 0, 1, inputs, targets)).toThrow("row 99");
    expect(() => gatherTokens(train, rows, 0, 4, inputs.subarray(0, 19), targets)).toThrow(
      "room for",
    );
  });
});

describe("tokens", () => {
  test("bytes are their own numbers; any file will do", () => {
    const bytes = Uint8Array.of(255, 0, 128, 7, 9, 200);
    const options = { length: 4, tokens: "bytes", testShare: 0 } as const;
    const { train } = readText({ file: "t", bytes }, options);
    expect(train).toMatchObject({ rows: 1, vocabulary: 256 });
    expect([...train.tokens]).toEqual([...bytes]);
  });

  test("many characters take wider tokens", () => {
    const text = String.fromCodePoint(...Array.from({ length: 300 }, (_, i) => 0x4e00 + i));
    const { train } = read(text);
    expect(train.tokens).toBeInstanceOf(Uint16Array);
    expect([...train.tokens]).toEqual(Array.from({ length: 300 }, (_, i) => i));
  });

  test("what only the test holds is the last token", () => {
    const { train, test: judged } = read("ababababab" + "azbza", { testShare: 1 / 3 });
    expect(train.vocabulary).toBe(3);
    expect([...judged.tokens]).toEqual([0, 2, 1, 2, 0]);
  });

  test("a text that is not UTF-8, and parts that are too short, say what to do", async () => {
    const broken = { file: "t", bytes: Uint8Array.of(97, 0xff, 98) };
    const options = { length: 1, tokens: "characters", testShare: 0 } as const;
    const issue = await issueOf(() => readText(broken, options));
    expect(issue).toMatchObject({
      code: "BAD_DATA",
      file: "t",
      fix: expect.stringContaining("bytes"),
    });
    const short = await issueOf(() => read("abcdefghij", { testShare: 0.3 }));
    expect(short.message).toContain("a part of 3 characters (test)");
    expect((await issueOf(() => read("abcd"))).message).toContain(
      "a part of 4 characters (training)",
    );
    expect(read("abcde").test.rows).toBe(0);
  });
});

test("any bytes are windows, or an error that says why not", async () => {
  const bytes = fc.uint8Array({ maxLength: 60 });
  const kinds = fc.constantFrom("characters" as const, "bytes" as const);
  await fc.assert(
    fc.asyncProperty(
      bytes,
      kinds,
      fc.integer({ min: 1, max: 9 }),
      async (bytes, tokens, length) => {
        try {
          const { train } = readText({ file: "t", bytes }, { length, tokens, testShare: 0.2 });
          for (const token of train.tokens) expect(token).toBeLessThan(train.vocabulary);
          expect(train.rows).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toMatchObject({ issues: [{ code: "BAD_DATA", file: "t" }] });
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("Shakespeare: 65 characters, the last tenth is the test", async () => {
  const spec = DataSpec.parse({ kind: "text", path: "tinyshakespeare/input.txt" });
  const host = {
    roots: [DATA],
    exists: async () => true,
    readFile: async () => real("tinyshakespeare/input.txt").bytes,
  };
  const { train, test: judged, origin } = await loadData(spec, host, createRandom(1));
  if (train.kind !== "text" || judged.kind !== "text") throw new Error("a text");
  expect(origin).toBe(`${DATA}/tinyshakespeare/input.txt`);
  expect(train.tokens.length + judged.tokens.length).toBe(1_115_394);
  expect(judged.tokens.length).toBe(111_539);
  expect(train).toMatchObject({ length: 64, vocabulary: 66, rows: Math.floor(1_003_854 / 64) });
  expect(train.tokens).toBeInstanceOf(Uint8Array);
  // "First Citizen:": newline, space and eleven other signs come before the letters.
  expect([...train.tokens.subarray(0, 5)]).toEqual([18, 47, 56, 57, 58]);
  expect(Math.max(...judged.tokens)).toBe(64);
});

describe("texts over sites", () => {
  const { train } = read("the rain in spain stays mainly in the plain", { length: 3 });
  const deal = (split: SplitSpec) => partition(train, split, 3, createRandom(1));

  test("parts of the text, or at random", () => {
    expect(deal({ by: "range" }).map((rows) => [...rows])).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7, 8],
      [9, 10, 11, 12, 13],
    ]);
    const dealt = deal({ by: "iid" }).flatMap((rows) => [...rows]);
    expect(dealt.sort((a, b) => a - b)).toEqual([...allRows(train.rows)]);
  });

  test.each([
    { by: "label", skew: 0.5 },
    { by: "dirichlet", alpha: 1 },
    { by: "user" },
    { by: "column", column: "speaker" },
  ] as const)("%j is refused", async (split) => {
    expect(await issueOf(() => deal(split))).toMatchObject({ code: "BAD_SPLIT" });
  });

  test("some rows of a text share its tokens", () => {
    const some = takeRows(train, Uint32Array.of(5, 2));
    expect(some.tokens).toBe(train.tokens);
    expect(windows(some)).toEqual([windows(train)[5], windows(train)[2]]);
  });
});
