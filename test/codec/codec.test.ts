import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeIndices, encodeIndices, indexBytes } from "../../src/codec/indices.ts";
import { decodeUpdate, encodeUpdate, updateBytes } from "../../src/codec/update.ts";
import { createRandom, type Random } from "../../src/core/random.ts";
import { accepts, mutate } from "./fuzz.ts";

/** Ascending indices: scattered at some density, or in blocks. */
function someIndices(random: Random, length: number): Uint32Array {
  const density = random.next() ** 3;
  const block = 1 + random.integer(random.integer(2) ? 1 : 50);
  const taken: number[] = [];
  for (let i = 0; i < length; i += block)
    if (random.next() < density)
      for (let j = i; j < Math.min(length, i + block); j++) taken.push(j);
  return Uint32Array.from(taken);
}

const lengths = fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 0, max: 5000 }));

describe("sets of indices", () => {
  test("round trip in the bytes that were promised", () => {
    fc.assert(
      fc.property(fc.nat(), lengths, (seed, length) => {
        const indices = someIndices(createRandom(seed), length);
        const bytes = encodeIndices(indices, length);
        expect([...decodeIndices(bytes, length)]).toEqual([...indices]);
        expect(bytes.length).toBe(indexBytes(indices, length));
        expect(bytes.length).toBeLessThanOrEqual(1 + Math.ceil(length / 8));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ["gaps", [3, 200, 1_000_000], 2_000_000, 0, 1 + 1 + 2 + 3],
    ["one run", Array.from({ length: 1000 }, (_, i) => i + 7), 2_000_000, 1, 1 + 1 + 2],
    ["bitmap", Array.from({ length: 500 }, (_, i) => 2 * i), 1000, 2, 126],
    ["nothing", [], 1000, 0, 1],
    ["the largest index", [2 ** 32 - 2], 2 ** 32 - 1, 0, 6],
  ])("%s takes the smallest form", (_, indices, length, tag, size) => {
    const bytes = encodeIndices(Uint32Array.from(indices), length);
    expect([bytes[0], bytes.length]).toEqual([tag, size]);
    if (length < 1e9) expect([...decodeIndices(bytes, length)]).toEqual(indices);
  });

  test("1 % scattered of a million cost 1.3 bytes an index or less", () => {
    const random = createRandom(5);
    const indices = Uint32Array.from({ length: 1e6 }, (_, i) => i).filter(
      () => random.integer(100) === 0,
    );
    expect(indexBytes(indices, 1e6) / indices.length).toBeLessThan(1.3);
  });

  test.each([
    ["no tag", [], 0, "without a tag"],
    ["unknown tag", [9], 0, "unknown form"],
    ["cut varint", [0, 5, 0x80], 2, "cut short"],
    ["varint over 32 bits", [0, 0xff, 0xff, 0xff, 0xff, 0x1f], 1, "over 32 bits"],
    ["varint of six bytes", [0, 0xff, 0xff, 0xff, 0xff, 0x8f, 1], 1, "over 32 bits"],
    ["padded varint", [0, 0x80, 0], 1, "longer than needed"],
    ["index at the length", [0, 60, 39], 2, "index 100 is past"],
    ["run past the length", [1, 90, 10], 1, "index 100 is past"],
    ["run without length", [1, 3], 1, "without its length"],
    ["short bitmap", [2, 1, 1], 3, "takes 14 bytes"],
    ["bitmap bit past the range", [2, ...new Array(12).fill(0), 16], 13, "index 100 is past"],
  ])("refuses %s and says where", (_, bytes, offset, message) => {
    expect(() => decodeIndices(Uint8Array.from(bytes), 100)).toThrow(
      expect.objectContaining({
        code: "BAD_ENCODING",
        message: expect.stringContaining(message),
        issues: [expect.objectContaining({ offset })],
      }),
    );
  });

  test("20,000 mutated inputs: ascending indices in range, or a typed error", () => {
    const random = createRandom(11);
    let taken = 0;
    for (let round = 0; round < 20_000; round++) {
      const length = random.integer(300);
      const bytes = mutate(encodeIndices(someIndices(random, length), length), random);
      const good = accepts(() => {
        const indices = decodeIndices(bytes, length);
        for (let k = 0; k < indices.length; k++)
          if (indices[k]! >= length || (k > 0 && indices[k]! <= indices[k - 1]!))
            throw new Error(`bad index at ${k} from ${bytes}`);
      });
      if (good) taken++;
    }
    expect(taken).toBeGreaterThan(1000);
    expect(taken).toBeLessThan(19_000);
  });
});

describe("updates", () => {
  const asDense = (update: ReturnType<typeof decodeUpdate>, length: number): number[] => {
    if (update.format === "dense") return [...update.values];
    const dense = new Array<number>(length).fill(0);
    for (const [k, index] of update.indices.entries()) dense[index] = update.values[k]!;
    return dense;
  };

  test("dense and sparse give the same change, in the smaller format, also over a byte stream", () => {
    fc.assert(
      fc.property(fc.nat(), lengths, (seed, length) => {
        const random = createRandom(seed);
        const indices = someIndices(random, length);
        const values = Float32Array.from(indices, () => 1 + random.normal() ** 2);
        const dense = new Float32Array(length);
        for (const [k, index] of indices.entries()) dense[index] = values[k]!;
        for (const encoded of [
          encodeUpdate(dense, length),
          encodeUpdate({ indices, values }, length),
        ]) {
          const size = encoded.payload.reduce((sum, part) => sum + part.byteLength, 0);
          expect(encoded.bytes).toBe(size);
          expect(size).toBe(updateBytes(indices, length));
          expect(asDense(decodeUpdate(encoded.format, encoded.payload, length), length)).toEqual([
            ...dense,
          ]);
          const moved = encoded.payload.map((part) => {
            const bytes = new Uint8Array(part.byteLength + 1);
            bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), 1);
            return bytes.subarray(1);
          });
          expect(asDense(decodeUpdate(encoded.format, moved, length), length)).toEqual([...dense]);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("a NaN is no nothing: it is sent", () => {
    const dense = new Float32Array(100);
    dense[7] = Number.NaN;
    const { format, payload } = encodeUpdate(dense, 100);
    expect(decodeUpdate(format, payload, 100)).toEqual({
      format: "sparse",
      indices: Uint32Array.of(7),
      values: Float32Array.of(Number.NaN),
    });
  });

  test.each([
    ["dense", [new Float32Array(9)]],
    ["sparse", [Uint8Array.of(0, 1), new Float32Array(2)]],
    ["sparse", [Uint8Array.of(0, 1), new Uint8Array(3)]],
    ["sparse", [Uint8Array.of(0, 1)]],
    ["dense", []],
    ["odd", [new Float32Array(10)]],
  ])("refuses %s that does not fit", (format, payload) => {
    expect(accepts(() => decodeUpdate(format, payload, 10))).toBe(false);
  });
});
