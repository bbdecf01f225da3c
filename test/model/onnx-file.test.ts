/** Reading and writing ONNX files: those of Python's onnx package, and models of any form. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Attribute, ElementType, Initializer } from "../../src/model/onnx/graph.ts";
import type { Model } from "../../src/model/onnx/model.ts";
import { readModel } from "../../src/model/onnx/proto/read.ts";
import { writeModelFile } from "../../src/model/onnx/proto/write.ts";
import { file, fixture, fixtures, node, run, value } from "./onnx-files.ts";

const external = (location: string): Uint8Array => fixture(`external/${location}`);
const read = (name: string): Model => readModel(fixture(name), { name, external });
const W = { name: "w", type: "float32", shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) };

describe("files of Python's onnx package", () => {
  test("a plain one, with its names, sizes and metadata", () => {
    expect(read("plain")).toEqual({
      name: "graph",
      irVersion: 8,
      opset: 17,
      domains: {},
      producer: "maker",
      documentation: "what it is",
      metadata: Object.fromEntries([
        ["author", "Ünal"],
        ["__proto__", "x"],
      ]),
      nodes: [
        { name: "product", operator: "MatMul", inputs: ["x", "w"], outputs: ["y"], attributes: {} },
      ],
      inputs: [{ name: "x", type: "float32", shape: ["batch", 2] }],
      outputs: [{ name: "y", type: "float32", shape: ["batch", 3] }],
      initializers: [W],
    });
  });

  test("weights in a file beside it are views of that file, each asked for once", () => {
    const asked: string[] = [];
    const bytes = external("weights.bin");
    const model = readModel(fixture("external"), {
      external: (location) => {
        asked.push(location);
        return bytes;
      },
    });
    expect(asked).toEqual(["weights.bin"]);
    expect(model.initializers[0]).toEqual(W);
    expect(model.initializers[0]?.data.buffer).toBe(bytes.buffer);
    expect(model.initializers[1]?.data).toEqual(BigInt64Array.of(0n, 1n, 2n));
  });

  test("initializers that are inputs, too, are none", () => {
    const { inputs, initializers, irVersion } = read("old");
    expect(inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(initializers).toEqual([W]);
    expect(irVersion).toBe(4);
  });

  test("typed lists of every type, nodes out of order, sizes without name", () => {
    const { nodes, initializers, inputs } = read("lists");
    expect(nodes.map(({ operator }) => operator)).toEqual([
      ...["MatMul", "Constant", "Add", "Constant", "Constant", "Constant"],
    ]);
    expect(inputs[0]?.shape).toEqual(["", 2]);
    expect(Object.fromEntries(initializers.map(({ name, data }) => [name, data]))).toEqual({
      w: W.data,
      i8: Int8Array.of(-3, 4),
      u8: Uint8Array.of(3, 255),
      bool: Uint8Array.of(1, 0),
      i64: BigInt64Array.of(-3n, 2n ** 62n),
      i32: Int32Array.of(-3, 4),
      f64: Float64Array.of(-3, 0.1),
      none: new Float32Array(0),
      scalar: Float32Array.of(7),
    });
  });

  test("attributes: lists, integers beyond 2^53 as a tensor, other elements as they are", () => {
    const of = (output: string) =>
      read("lists").nodes.find(({ outputs }) => outputs[0] === output)?.attributes;
    expect(of("b")).toEqual({ value_floats: { floats: [1, 2, 3] } });
    const data = BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n), 5n);
    expect(of("e")).toEqual({ value: { tensor: { name: "", type: "int64", shape: [3], data } } });
    expect(of("s")?.["value"]).toMatchObject({ tensor: { type: "bool" } });
    expect(of("m")?.["value"]).toMatchObject({ holds: "a tensor of float16" });
  });

  test("subgraphs stay bytes", () => {
    const { nodes } = read("control-flow");
    expect(nodes[0]?.attributes["then_branch"]).toMatchObject({ holds: "a subgraph" });
  });

  test("functions are written out, with attributes of the call or their defaults", () => {
    const { nodes, domains } = read("functions");
    expect(domains).toEqual({});
    expect(nodes.map(({ operator, attributes }) => [operator, attributes])).toEqual([
      ["MatMul", {}],
      ["LeakyRelu", { alpha: { float: 0.5 } }],
      ["Add", {}],
      ["MatMul", {}],
      ["LeakyRelu", { alpha: { float: 0.25 } }],
    ]);
  });

  test("a weight of another type is no matter where nothing reads it", () => {
    expect(read("half-unused").initializers).toEqual([W]);
  });
});

const readable = fixtures.filter((name) => name !== "half" && name !== "half-input");

describe("writing back", () => {
  test.each(readable)("%s: what was written reads the same", (name) => {
    const model = read(name);
    expect(readModel(writeModelFile(model))).toEqual(model);
  });

  test.each(readable)("%s: ONNX Runtime computes the same from it", async (name) => {
    const model = read(name);
    const x = [Float32Array.of(1, -2, 3, 4), [2, 2]] as [Float32Array, number[]];
    const flag = [Uint8Array.of(1), []] as [Uint8Array, number[]];
    const inputs = name === "control-flow" ? { x, flag } : { x };
    const inline = name === "external" ? writeModelFile(model) : fixture(name);
    expect(await run(writeModelFile(model), inputs)).toEqual(await run(inline, inputs));
  });

  test("any model reads as it was written", () => {
    fc.assert(
      fc.property(models, (model) => {
        expect(readModel(writeModelFile(model))).toEqual(model);
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});

describe("numbers of tensors", () => {
  const data = Float32Array.of(1, 2, 3);
  const bytes = new Uint8Array(data.buffer);
  const whole = (initializer: object): Uint8Array<ArrayBuffer> =>
    file({ node: [node("Add", ["x", "w"], ["y"])], initializer: [initializer as never] });
  const weight = { name: "w", dims: [3], dataType: 1 };
  const weightOf = (from: Uint8Array): Initializer => readModel(from).initializers[0]!;

  test("are a view of the file where it is aligned, else a copy", () => {
    const views = new Set<boolean>();
    for (let shift = 0; shift < 4; shift++) {
      const original = whole({ ...weight, rawData: bytes });
      const shifted = new Uint8Array(original.length + shift).subarray(shift);
      shifted.set(original);
      const read = weightOf(shifted).data;
      expect(read).toEqual(data);
      views.add(read.buffer === shifted.buffer);
    }
    expect(views).toEqual(new Set([true, false]));
  });

  test("may be packed in several pieces or stand one by one", () => {
    const unpacked = [1, 2, 3].flatMap((n) => [0x25, ...new Uint8Array(Float32Array.of(n).buffer)]);
    const packed = [0x22, 8, ...bytes.subarray(0, 8), 0x22, 4, ...bytes.subarray(8)];
    const mixed = [0x22, 4, ...bytes.subarray(0, 4), ...unpacked.slice(5)];
    const head = [0x08, 3, 0x10, 1, 0x42, 1, "w".charCodeAt(0)];
    for (const list of [unpacked, packed, mixed])
      expect(weightOf(whole(Uint8Array.from([...head, ...list]))).data).toEqual(data);
  });

  test("a Buffer of a pool is read as any array", () => {
    const original = whole({ ...weight, rawData: bytes });
    for (let shift = 0; shift < 4; shift++) {
      const pooled = Buffer.concat([Buffer.alloc(shift), original]).subarray(shift);
      expect(weightOf(pooled).data).toEqual(data);
    }
  });

  test("unknown fields and groups are skipped", () => {
    const field = (number: number, wire: number) => (number << 3) | wire;
    const group = [field(15, 3), field(1, 0), 5, field(2, 2), 1, 7, field(15, 4)];
    const extra = Uint8Array.from([...group, field(9, 1), 1, 2, 3, 4, 5, 6, 7, 8]);
    const original = whole({ ...weight, rawData: bytes });
    expect(readModel(Uint8Array.from([...extra, ...original, ...extra]))).toEqual(
      readModel(original),
    );
  });

  test("a negative size is unknown", () => {
    const graph = { input: [value("x", 1, [{ dimValue: -1 }, { dimParam: "n" }, {}])] };
    const model = readModel(file({ ...graph, node: [node("Relu", ["x"], ["y"])] }));
    expect(model.inputs[0]?.shape).toEqual(["", "n", ""]);
  });
});

// Models of any form, in the order and with the defaults that reading gives.
const text = fc.string({ maxLength: 6, unit: "grapheme" });
const whole = fc.maxSafeInteger();
const float = fc.float();
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 3 });

const ELEMENTS: { readonly [T in ElementType]: fc.Arbitrary<Initializer["data"]> } = {
  float32: fc.float32Array({ minLength: 6, maxLength: 6 }),
  float64: fc.float64Array({ minLength: 6, maxLength: 6 }),
  uint8: fc.uint8Array({ minLength: 6, maxLength: 6 }),
  int8: fc.int8Array({ minLength: 6, maxLength: 6 }),
  int32: fc.int32Array({ minLength: 6, maxLength: 6 }),
  int64: fc.bigInt64Array({ minLength: 6, maxLength: 6 }),
  bool: fc.uint8Array({ minLength: 6, maxLength: 6, max: 1 }),
};
const types = Object.keys(ELEMENTS) as ElementType[];
const tensor = (name: fc.Arbitrary<string>): fc.Arbitrary<Initializer> =>
  fc.constantFrom(...types).chain((type) =>
    fc.record({
      name,
      type: fc.constant(type),
      shape: fc.constantFrom([6], [2, 3], [1, 6, 1]),
      data: ELEMENTS[type],
    }),
  );
const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  whole.map((int) => ({ int })),
  list(whole).map((ints) => ({ ints })),
  float.map((value) => ({ float: value })),
  list(float).map((floats) => ({ floats })),
  text.map((string) => ({ string })),
  list(text).map((strings) => ({ strings })),
  tensor(text).map((held) => ({ tensor: held })),
);
const size = fc.oneof(fc.nat(), text);
const valueNamed = (name: string) =>
  fc.record({
    name: fc.constant(name),
    type: fc.constantFrom(...types),
    shape: list(size),
  });
const models: fc.Arbitrary<Model> = fc.record({
  name: text,
  irVersion: fc.integer({ min: 4, max: 13 }),
  opset: fc.integer({ min: 13, max: 26 }),
  domains: fc.dictionary(
    text.filter((domain) => domain !== "" && domain !== "ai.onnx"),
    fc.integer({ min: 1, max: 9 }),
  ),
  producer: text,
  documentation: text,
  metadata: fc.dictionary(text, text),
  nodes: fc
    .array(fc.dictionary(text, attribute, { maxKeys: 3 }), { minLength: 1, maxLength: 4 })
    .map((all) =>
      all.map((attributes, i) => ({
        name: `node ${i}`,
        operator: "Do",
        ...(i % 2 ? { domain: "elsewhere" } : {}),
        inputs: [i === 0 ? "x" : `v${i - 1}`, "", "w"],
        outputs: [`v${i}`, ""],
        attributes,
      })),
    ),
  inputs: fc.tuple(valueNamed("x")),
  outputs: fc.tuple(valueNamed("v0")),
  initializers: fc.tuple(tensor(fc.constant("w"))),
});
