import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonError, parseJson } from "../../src/codec/json.ts";
import { readSafetensors, writeSafetensors } from "../../src/codec/safetensors.ts";
import { InputError } from "../../src/core/errors.ts";
import { createRandom } from "../../src/core/random.ts";
import { accepts, mutate } from "./fuzz.ts";

const encoder = new TextEncoder();

/** A file with this header and data. */
function file(header: string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = encoder.encode(header);
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const sample = () =>
  writeSafetensors(
    [
      { name: "dense/weight", shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
      { name: "__proto__", shape: [], data: Float32Array.of(7) },
      { name: "π", shape: [0, 4], data: new Float32Array(0) },
    ],
    { site: "virginia", __proto__x: "kept" },
  );

describe("writing", () => {
  test("round trip of names, shapes, values and metadata", () => {
    const { tensors, metadata } = readSafetensors(sample());
    expect(tensors.map(({ name, shape, data }) => [name, shape, [...data]])).toEqual([
      ["dense/weight", [2, 3], [1, 2, 3, 4, 5, 6]],
      ["__proto__", [], [7]],
      ["π", [0, 4], []],
    ]);
    expect([...metadata]).toEqual([
      ["site", "virginia"],
      ["__proto__x", "kept"],
    ]);
  });

  test("any names, shapes and values round trip", () => {
    const tensor = fc.record({
      name: fc.string({ unit: "grapheme" }).filter((name) => name !== "__metadata__"),
      data: fc.float32Array({ noNaN: true, noDefaultInfinity: true }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(tensor, { selector: (t) => t.name }), (made) => {
        const tensors = made.map(({ name, data }) => ({ name, shape: [data.length], data }));
        const read = readSafetensors(writeSafetensors(tensors)).tensors;
        const byName = new Map(read.map((t) => [t.name, t]));
        for (const t of tensors) expect(byName.get(t.name)).toEqual(t);
      }),
      { numRuns: 100 },
    );
  });

  test("the data begin at a multiple of eight bytes and the header is JSON", () => {
    const bytes = sample();
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    expect(header["dense/weight"]).toEqual({ dtype: "F32", shape: [2, 3], data_offsets: [0, 24] });
  });
});

describe("reading what others wrote", () => {
  test("float16, bfloat16 and float64 become float32", () => {
    const half = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555);
    const brain = Uint16Array.of(0x3f80, 0xc000);
    const double = Float64Array.of(0.1, -1e-300);
    const parts = [half, brain, double].map((array) => new Uint8Array(array.buffer));
    const header = `{"h":{"dtype":"F16","shape":[5],"data_offsets":[0,10]},
      "b":{"dtype":"BF16","shape":[2],"data_offsets":[10,14]},
      "d":{"dtype":"F64","shape":[2],"data_offsets":[14,30]}}`;
    const { tensors } = readSafetensors(file(header, Buffer.concat(parts)));
    expect(tensors.map(({ data }) => [...data])).toEqual([
      [1, -2, 2 ** -24, 65504, 0.333251953125],
      [1, -2],
      [Math.fround(0.1), -0],
    ]);
  });

  const entry = (offsets: string, more = "", shape = "[1]") =>
    `{"w":{"dtype":"F32","shape":${shape},"data_offsets":${offsets}${more}}}`;
  const four = new Uint8Array(4);
  const huge = new Uint8Array(16);
  new DataView(huge.buffer).setBigUint64(0, 100_000_001n, true);
  const cut = new Uint8Array(16);
  new DataView(cut.buffer).setBigUint64(0, 9n, true);
  const two = (a: string, b: string) =>
    `{"a":{"dtype":"F32","shape":[1],"data_offsets":${a}},"b":{"dtype":"F32","shape":[1],"data_offsets":${b}}}`;

  test.each<[string, Uint8Array, number | undefined, string]>([
    ["an empty file", new Uint8Array(3), 3, "too short"],
    ["a header over 100 MB", huge, 0, "at most 100 MB"],
    ["a header past the end", cut, 16, "cut short"],
    ["no object", file("[]"), 8, "begin with {"],
    ["bad UTF-8", file("{}").with(9, 0xff), 8, "UTF-8"],
    ["text after the object", file("{} x"), 11, "after the end"],
    [
      "a duplicate name",
      file(two("[0,4]", "[4,8]").replace('"b"', '"\\u0061"'), new Uint8Array(8)),
      undefined,
      "occurs twice",
    ],
    ["a duplicate key inside", file(entry("[0,4]", ',"dtype":"F32"'), four), undefined, "twice"],
    ["an unknown key", file(entry("[0,4]", ',"x":1'), four), 8, "unknown key x"],
    ["an unknown dtype", file(entry("[0,4]").replace("F32", "toString"), four), 8, "unknown dtype"],
    ["a negative size", file(entry("[0,4]", "", "[-1]"), four), 8, "no list of sizes"],
    ["a fractional size", file(entry("[0,4]", "", "[1.5]"), four), 8, "no list of sizes"],
    [
      "sizes that overflow",
      file(entry("[0,0]", "", "[4294967296,4294967296]")),
      8,
      "does not take",
    ],
    ["reversed offsets", file(entry("[4,0]"), four), 8, "does not take"],
    ["a gap at the start", file(entry("[4,8]"), new Uint8Array(8)), undefined, "starts at 4"],
    ["an overlap", file(two("[0,4]", "[2,6]"), new Uint8Array(6)), undefined, "starts at 2"],
    ["the same bytes twice", file(two("[0,4]", "[0,4]"), four), undefined, "starts at 0"],
    ["data missing", file(entry("[0,4]"), new Uint8Array(3)), undefined, "the file has 3"],
    ["data left over", file(entry("[0,4]"), new Uint8Array(5)), undefined, "the file has 5"],
    ["metadata that is no strings", file('{"__metadata__":{"a":1}}'), 8, "object of strings"],
    ["integers", file(entry("[0,4]").replace("F32", "I32"), four), undefined, "only floats"],
    ["deep nesting", file(`{"a":${"[".repeat(100_000)}`), undefined, "too deep"],
  ])("refuses %s", (_, bytes, offset, message) => {
    try {
      readSafetensors(bytes, { file: "model.safetensors" });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      const issue = (error as InputError).issues[0]!;
      expect(issue).toMatchObject({ code: "BAD_SAFETENSORS", file: "model.safetensors" });
      expect(issue.message).toContain(message);
      expect(issue.offset).toBeTypeOf("number");
      if (offset !== undefined) expect(issue.offset).toBe(offset);
    }
  });

  test("NaN and infinities are refused with their place, unless allowed", () => {
    const data = Float32Array.of(1, 2, Number.NaN);
    const bytes = writeSafetensors([{ name: "w", shape: [3], data }]);
    const at = bytes.length - 4;
    expect(() => readSafetensors(bytes)).toThrow(
      expect.objectContaining({ issues: [expect.objectContaining({ offset: at })] }),
    );
    const [tensor] = readSafetensors(bytes, { nonFinite: "allow" }).tensors;
    expect(tensor?.data).toEqual(data);
  });

  test("every truncation is noticed", () => {
    const bytes = sample();
    for (let length = 0; length < bytes.length; length++)
      expect(accepts(() => readSafetensors(bytes.subarray(0, length)))).toBe(false);
  });

  test("20,000 mutated files: a value or a typed error", () => {
    const random = createRandom(23);
    const bytes = sample();
    let taken = 0;
    for (let round = 0; round < 20_000; round++)
      if (accepts(() => readSafetensors(mutate(bytes, random)))) taken++;
    expect(taken).toBeLessThan(6000);
  });
});

describe("strict JSON", () => {
  const plain = (value: unknown): unknown =>
    value instanceof Map
      ? Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]))
      : Array.isArray(value)
        ? value.map(plain)
        : value;

  test("agrees with JSON.parse on what it takes", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(plain(parseJson(text))).toEqual(plain(parseJson(JSON.stringify(JSON.parse(text)))));
        expect(JSON.stringify(plain(parseJson(text)))).toBe(JSON.stringify(JSON.parse(text)));
      }),
      { numRuns: 300 },
    );
  });

  test.each(["", "{", "[1,]", '{"a"}', '{"a":1,}', "01", "nul", '"a', '"\\x"', "1 2", '"\n"'])(
    "refuses %j",
    (text) => {
      expect(() => parseJson(text)).toThrow(JsonError);
    },
  );
});

test("a Buffer, as Node reads files, is read like any bytes", () => {
  const written = writeSafetensors([
    { name: "a", shape: [2], data: Float32Array.of(1, 2) },
    { name: "b", shape: [1], data: Float32Array.of(3) },
  ]);
  const { tensors } = readSafetensors(Buffer.from(written));
  expect(tensors.map(({ data }) => [...data])).toEqual([[1, 2], [3]]);
});
