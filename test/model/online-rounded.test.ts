/** Rounded numbers of portions: what rounding may change, and what bytes from elsewhere may not do. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PortionReader, PortionWriter } from "../../src/model/online/bytes.ts";
import {
  type Bits,
  readRounded,
  readSparse,
  roundedBytes,
  sparseRoundedBytes,
  writeRounded,
  writeSparse,
} from "../../src/model/online/rounded.ts";

const BLOCK = 64;
const numbers = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: fc.constant(0) },
    fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  ),
  { maxLength: 200 },
);
const bits = fc.constantFrom<Bits>(4, 8);

const written = (write: (writer: PortionWriter) => void): Uint8Array => {
  const writer = new PortionWriter();
  write(writer);
  return writer.finish();
};

test("an error is at most half a step of the block, and the bytes are as many as announced", () => {
  fc.assert(
    fc.property(numbers, bits, (given, bits) => {
      const values = Float32Array.from(given);
      const bytes = written((writer) => writeRounded(writer, values, bits));
      expect(bytes.length).toBe(roundedBytes(values.length, bits));
      const reader = new PortionReader(bytes);
      const read = readRounded(reader, values.length, bits, "a number");
      reader.end();
      for (let from = 0; from < values.length; from += BLOCK) {
        const block = values.subarray(from, from + BLOCK);
        const largest = Math.max(...block.map(Math.abs));
        const step = largest / (2 ** (bits - 1) - 1);
        for (const [i, value] of block.entries())
          expect(Math.abs((read[from + i] as number) - value)).toBeLessThanOrEqual(
            (0.5 + 1e-5) * step,
          );
      }
    }),
  );
});

test("numbers that are nil stay so and cost a bit", () => {
  fc.assert(
    fc.property(numbers, bits, (given, bits) => {
      const values = Float32Array.from(given);
      const bytes = written((writer) => writeSparse(writer, values, bits));
      const full = values.filter((value) => value !== 0).length;
      expect(bytes.length).toBe(sparseRoundedBytes(values, bits));
      expect(bytes.length).toBe(Math.ceil(values.length / 8) + roundedBytes(full, bits));
      const reader = new PortionReader(bytes);
      const read = readSparse(reader, values.length, bits, "a number");
      reader.end();
      for (const [i, value] of values.entries()) if (value === 0) expect(read[i]).toBe(0);
    }),
  );
});

test("what is cut short, or has no number as its scale, is no portion", () => {
  const bytes = written((writer) => writeRounded(writer, Float32Array.of(1, 2, 3), 8));
  const read = (of: Uint8Array) => () => readRounded(new PortionReader(of), 3, 8, "a number");
  expect(read(bytes.subarray(0, -1))).toThrow(/end at byte/);
  const mad = bytes.slice();
  new DataView(mad.buffer).setFloat32(0, Number.NaN, true);
  expect(read(mad)).toThrow(/a number is NaN/);
});
