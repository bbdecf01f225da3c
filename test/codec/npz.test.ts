/** .npz files, read by a small reader of its own and by zlib's checksum. */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeNpz } from "../../src/codec/npz.ts";
import type { NamedTensor } from "../../src/codec/safetensors.ts";
import { InputError } from "../../src/core/errors.ts";

/** Reads by the central directory, as unzip does, and checks every header against it. */
function readNpz(bytes: Uint8Array): NamedTensor[] {
  const file = Buffer.from(bytes);
  const end = file.length - 22;
  expect(file.toString("latin1", end, end + 4)).toBe("PK\x05\x06");
  const count = file.readUInt16LE(end + 10);
  expect(file.readUInt32LE(end + 12) + file.readUInt32LE(end + 16)).toBe(end);
  const tensors: NamedTensor[] = [];
  let at = file.readUInt32LE(end + 16);
  for (let i = 0; i < count; i++) {
    expect(file.toString("latin1", at, at + 4)).toBe("PK\x01\x02");
    const nameLength = file.readUInt16LE(at + 28);
    const name = file.toString("utf8", at + 46, at + 46 + nameLength);
    const local = file.readUInt32LE(at + 42);
    expect(file.toString("latin1", local, local + 4)).toBe("PK\x03\x04");
    expect(file.subarray(local + 4, local + 30)).toEqual(file.subarray(at + 6, at + 32));
    const start = local + 30 + nameLength;
    expect(file.toString("utf8", local + 30, start)).toBe(name);
    const npy = file.subarray(start, start + file.readUInt32LE(at + 20));
    expect(crc32(npy)).toBe(file.readUInt32LE(at + 16));
    tensors.push({ name: name.replace(/\.npy$/, ""), ...readNpy(npy) });
    at += 46 + nameLength;
  }
  expect(at).toBe(end);
  return tensors;
}

function readNpy(npy: Buffer): Omit<NamedTensor, "name"> {
  expect(npy.toString("latin1", 0, 8)).toBe("\x93NUMPY\x01\x00");
  const start = 10 + npy.readUInt16LE(8);
  expect(start % 64).toBe(0);
  const text = npy.toString("latin1", 10, start);
  const [, sizes = ""] =
    /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n$/.exec(text) ??
    expect.fail(text);
  const shape = sizes.split(",").flatMap((size) => (size.trim() ? [Number(size)] : []));
  expect(shape.length === 1).toBe(/^\d+,$/.test(sizes));
  const data = new Float32Array(new Uint8Array(npy.subarray(start)).buffer);
  return { shape, data };
}

const arrays = fc.uniqueArray(
  fc
    .tuple(
      fc.string({ unit: "grapheme", maxLength: 12 }),
      fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
      fc.float(),
    )
    .map(([name, shape, first]) => {
      const length = shape.reduce((product, size) => product * size, 1);
      return { name, shape, data: Float32Array.from({ length }, (_, i) => first + i) };
    }),
  { selector: ({ name }) => name, maxLength: 6 },
);

describe("writeNpz", () => {
  test("any arrays read as they were written", () => {
    fc.assert(
      fc.property(arrays, (given) => {
        expect(readNpz(writeNpz(given))).toEqual(given);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  test("views of a larger array are written alone, and equal arrays give equal bytes", () => {
    const all = Float32Array.of(1, 2, 3, 4, 5);
    const given = [{ name: "middle", shape: [3], data: all.subarray(1, 4) }];
    expect(readNpz(writeNpz(given))[0]?.data).toEqual(Float32Array.of(2, 3, 4));
    expect(writeNpz(given)).toEqual(writeNpz(given));
  });

  test("more than an archive holds is refused before it is made", () => {
    const none = new Float32Array(0);
    const many = Array.from({ length: 65_536 }, (_, i) => ({
      name: `${i}`,
      shape: [0],
      data: none,
    }));
    const huge = { length: 2 ** 30, byteLength: 2 ** 32 } as Float32Array;
    for (const [given, name] of [
      [many, "65535"],
      [[...many.slice(0, 3), { name: "huge", shape: [2 ** 30], data: huge }], "huge"],
    ] as const) {
      let error: unknown;
      try {
        writeNpz(given);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(InputError);
      expect(error).toMatchObject({ code: "NPZ_TOO_LARGE", fix: "export as safetensors" });
      expect(String(error)).toContain(`array ${name} is beyond the 4 GiB and 65535 arrays`);
    }
  });

  test("a shape that is not the data's, and two arrays of a name, are errors of the programmer", () => {
    const one = { name: "a", shape: [2], data: new Float32Array(3) };
    expect(() => writeNpz([one])).toThrow(/shape and data disagree/);
    const two = { ...one, shape: [3] };
    expect(() => writeNpz([two, two])).toThrow(/two arrays a/);
  });
});
