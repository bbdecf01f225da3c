/** Bytes behind a JSON header: they come back whole, and what is cut off is said so. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readHeaded, writeHeaded } from "../../src/codec/headed.ts";
import { InputError } from "../../src/core/errors.ts";

test("whatever is written comes back", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.uint8Array({ maxLength: 100 }), (value, body) => {
      const written = readHeaded(writeHeaded({ value }, body), "x");
      expect(written.header).toEqual(JSON.parse(JSON.stringify({ value })));
      expect(written.body).toEqual(body);
    }),
  );
});

test("the header's length stands first, little endian, as in safetensors", () => {
  const bytes = writeHeaded({ a: 1 }, Uint8Array.of(7, 8));
  expect([...bytes.subarray(0, 8)]).toEqual([7, 0, 0, 0, 0, 0, 0, 0]);
  expect(new TextDecoder().decode(bytes.subarray(8, 15))).toBe('{"a":1}');
  expect([...bytes.subarray(15)]).toEqual([7, 8]);
});

test("a file that is cut off within its header, or is none, is refused with its name", () => {
  const whole = writeHeaded({ a: 1 }, new Uint8Array(0));
  for (let length = 0; length < whole.length; length++) {
    const read = () => readHeaded(whole.subarray(0, length), "models/a.tailored");
    expect(read).toThrow(InputError);
    expect(read).toThrow(/models\/a\.tailored/);
  }
  const noise = whole.map((byte, i) => (i === 8 ? 0x40 : byte));
  expect(() => readHeaded(noise, "x")).toThrow(/no JSON/);
});
