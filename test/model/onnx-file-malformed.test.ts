/** Files that cannot be read: the code, what is said, and the byte. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Message } from "../../src/model/onnx/proto/encode.ts";
import { readModel } from "../../src/model/onnx/proto/read.ts";
import { writeModelFile } from "../../src/model/onnx/proto/write.ts";
import { accepts } from "../codec/fuzz.ts";
import { errorOf, file, fixture, node, value } from "./onnx-files.ts";

const RELU = node("Relu", ["x"], ["y"]);
const issue = (bytes: Uint8Array, external?: (location: string) => Uint8Array | undefined) => {
  const { issues } = errorOf(() => readModel(bytes, { name: "m.onnx", external }));
  expect(issues).toHaveLength(1);
  return issues[0]!;
};
const expectIssue = (bytes: Uint8Array, code: string, message: RegExp): void => {
  const found = issue(bytes);
  expect(found).toMatchObject({ code, message: expect.stringMatching(message), file: "m.onnx" });
  expect(found.offset).toBeGreaterThanOrEqual(0);
  expect(found.offset).toBeLessThanOrEqual(bytes.length);
};

describe("bytes that are no model", () => {
  test.each<readonly [what: string, bytes: readonly number[], message: RegExp, offset: number]>([
    ["nothing", [], /no graph/, 0],
    ["text", [..."<html>"].map((c) => c.charCodeAt(0)), /illegal tag|wire type/, 1],
    ["an end within a tag", [0x80], /EOF/, 1],
    ["an end within a number", [0x08, 0xff], /EOF/, 2],
    ["a varint of eleven bytes", [0x08, ...Array(11).fill(0xff)], /invalid varint/, 1],
    ["a field 0", [0x00, 1], /illegal tag/, 1],
    ["a string longer than the file", [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, 1], /EOF/, 7],
    ["a graph longer than the file", [0x3a, 0x05, 1], /4 bytes are missing/, 2],
    ["a string that is no UTF-8", [0x12, 1, 0xff], /not valid|encoded data/, 3],
    ["a number where text belongs", [0x10, 1], /wire type 0 instead of 2/, 1],
    ["two graphs", [0x3a, 0, 0x3a, 0], /two fields graph/, 3],
    ["a group without end", [0x7b], /EOF|illegal tag/, 1],
    ["groups without end", Array(200).fill(0x7b), /recursion depth/, 101],
  ])("%s", (_, bytes, message, offset) => {
    const found = issue(Uint8Array.from(bytes));
    expect(found).toMatchObject({ code: "ONNX_MALFORMED", offset });
    expect(found.message).toMatch(message);
  });

  test("a file cut anywhere, but between its last fields", () => {
    const whole = fixture("lists");
    let taken = 0;
    for (let length = 0; length < whole.length; length++) {
      if (accepts(() => readModel(whole.slice(0, length)))) taken++;
      else expect(issue(whole.slice(0, length)).offset).toBeLessThanOrEqual(length);
    }
    // After the operator sets only the two entries of metadata follow.
    expect(taken).toBeLessThanOrEqual(2);
  });

  test("a message that runs past the one around it", () => {
    // Graph of 4 bytes, in it a node of 10.
    const bytes = Uint8Array.from([0x08, 8, 0x3a, 4, 0x0a, 10, ...Array(10).fill(0x7a), 0, 0]);
    expectIssue(bytes, "ONNX_MALFORMED", /missing|past its message|EOF/);
  });

  test("the message begins with file and byte", () => {
    const { message } = errorOf(() => readModel(Uint8Array.of(0x08), { name: "m.onnx" }));
    expect(message).toMatch(/^m\.onnx:byte 1: .*\(is it an ONNX model, and whole\?\)$/);
  });
});

describe("bounded memory", () => {
  test("lengths are checked before anything is allocated", () => {
    const length = [0xff, 0xff, 0xff, 0xff, 0x07];
    for (const field of [0x22, 0x2a, 0x3a, 0x4a, 0x52, 0x32]) {
      const tensor = Uint8Array.from([field, ...length, 1, 2, 3]);
      expectIssue(file({ initializer: [tensor] as never }), "ONNX_MALFORMED", /missing|EOF/);
    }
  });

  test("parts are counted", () => {
    const ints = Uint8Array.from([0x42, 0x81, 0x89, 0x7a, ...new Uint8Array(2_000_001)]);
    const bytes = file({ node: [node("Relu", ["x"], ["y"], { attribute: [ints] })] });
    expectIssue(bytes, "ONNX_MALFORMED", /more than 2000000 parts/);
  });
});

describe("operator sets and versions", () => {
  const of = (model: Message) => file({ node: [RELU] }, model);
  test.each([12, 27])("operator set %i", (version) => {
    expectIssue(of({ opsetImport: [{ version }] }), "ONNX_OPSET", new RegExp(`set ${version}`));
  });
  test("13 and 26 are read, and ai.onnx is the default domain", () => {
    const read = (version: number) =>
      readModel(of({ opsetImport: [{ domain: "ai.onnx", version }] })).opset;
    expect([13, 26].map(read)).toEqual([13, 26]);
  });
  test("none", () => {
    expectIssue(of({ opsetImport: [] }), "ONNX_OPSET", /no operator set/);
    expectIssue(of({ opsetImport: [{ domain: "a", version: 1 }] }), "ONNX_OPSET", /no operator/);
  });
  test("two", () => {
    const opsetImport = [{ version: 17 }, { version: 18 }];
    expectIssue(of({ opsetImport }), "ONNX_MALFORMED", /two versions/);
  });
  test("a format that is too new", () => {
    expectIssue(of({ irVersion: 14 }), "ONNX_OPSET", /version 14 of the format; 13/);
  });
});

describe("types", () => {
  test("a weight in float16 that a node reads", () => {
    expectIssue(fixture("half"), "ONNX_TYPE", /tensor w holds float16/);
  });
  test("an input in float16", () => {
    expectIssue(fixture("half-input"), "ONNX_TYPE", /input x is of float16/);
  });
  test("an input that is no tensor, or of unknown rank", () => {
    const of = (type: Message) => file({ node: [RELU], input: [{ name: "x", type }] });
    expectIssue(of({}), "ONNX_TYPE", /input x is no tensor/);
    expectIssue(of({ tensorType: { elemType: 1 } }), "ONNX_TYPE", /no known number of axes/);
  });
  test("the fix is that of the type", () => {
    const of = (elemType: number) => issue(file({ node: [RELU], input: [value("x", elemType)] }));
    expect([10, 4, 8, 99].map((type) => of(type).fix)).toEqual([
      ...["export the model in float32", "cast it to int64 before you export"],
      ...["leave it out of the model", "leave it out of the model"],
    ]);
  });
  test("sparse weights", () => {
    const bytes = file({ node: [RELU], sparseInitializer: [new Uint8Array(3)] });
    expectIssue(bytes, "ONNX_TYPE", /sparse/);
  });
});

describe("tensors whose sizes disagree", () => {
  const weight = (tensor: Message): Uint8Array<ArrayBuffer> =>
    file({ node: [RELU], initializer: [{ name: "w", dataType: 1, ...tensor }] });
  test.each<readonly [Message, RegExp]>([
    [{ dims: [3], floatData: [1, 2] }, /tensor w of shape \[3\] has 2 elements/],
    [{ dims: [1], rawData: new Uint8Array(8) }, /has 2 elements/],
    [{ dims: [2], rawData: new Uint8Array(7) }, /7 bytes are no list of float32/],
    [{ dims: [2, -1], rawData: new Uint8Array(8) }, /an axis of -1 elements/],
    [{ dims: [2 ** 32, 2 ** 32], rawData: new Uint8Array(0) }, /has 0 elements/],
    [{ dims: Array(21).fill(2 ** 50), rawData: new Uint8Array(8) }, /has 2 elements/],
    [{ dims: [2], int32Data: [1, 2] }, /has 0 elements/],
    [{ dims: [1], dataType: 3, int32Data: [200] }, /200 is no int8/],
    [{ dims: [1], dataType: 9, int32Data: [-1] }, /-1 is no bool/],
    [{ dims: [0, 2 ** 52], floatData: [1] }, /has 1 elements/],
  ])("%j", (tensor, message) => {
    expectIssue(weight(tensor), "ONNX_MALFORMED", message);
  });

  test("an empty axis makes an empty tensor, however long the others are", () => {
    const { initializers } = readModel(weight({ dims: [0, 2 ** 52] }));
    expect(initializers[0]?.data).toHaveLength(0);
  });
});

describe("weights in other files", () => {
  const weight = (keys: Readonly<Record<string, string>>, dims = [2]): Uint8Array<ArrayBuffer> => {
    const externalData = Object.entries(keys).map(([key, value]) => ({ key, value }));
    const tensor = { name: "w", dataType: 1, dims, externalData, dataLocation: 1 };
    return file({ node: [RELU], initializer: [tensor] });
  };
  const there = () => new Uint8Array(8);

  test.each([
    ...["/etc/passwd", "../w.bin", "a/../../w.bin", "..\\w.bin", "C:\\w.bin", "\\\\host\\w", ""],
    ...["c:w.bin", "a\0b", ".."],
  ])("a location outside the folder: %j", (location) => {
    const asked: string[] = [];
    const { code, message } = issue(weight({ location }), (name) => {
      asked.push(name);
      return there();
    });
    expect(code).toBe("ONNX_EXTERNAL");
    expect(message).toContain("no file beside the model");
    expect(asked).toEqual([]);
  });

  test.each<readonly [Readonly<Record<string, string>>, RegExp]>([
    [{ location: "w", length: "4" }, /take 8 bytes, the file says 4/],
    [{ location: "w", offset: "4" }, /end at 12 of w, which has 8 bytes/],
    [{ location: "w", offset: "-4" }, /"-4" is no offset/],
    [{ location: "w", offset: "1e3" }, /"1e3" is no offset/],
    [{ location: "w", length: "99999999999999999999" }, /is no length/],
  ])("%j", (keys, message) => {
    const found = issue(weight(keys), there);
    expect(found).toMatchObject({ code: "ONNX_EXTERNAL", message: expect.stringMatching(message) });
  });

  test("a size that no file has", () => {
    const found = issue(weight({ location: "w" }, Array(21).fill(2 ** 50)), there);
    expect(found.code).toBe("ONNX_EXTERNAL");
  });

  test("a file that is not there, and no way to ask", () => {
    for (const external of [undefined, () => undefined])
      expect(issue(weight({ location: "d/w" }), external)).toMatchObject({
        code: "ONNX_EXTERNAL",
        message: "tensor w: its data stand in d/w, which is not there",
        fix: "put it beside the model",
      });
  });
});

describe("graphs that do not fit together", () => {
  test.each<readonly [what: string, graph: Message, message: RegExp]>([
    ["a value that nothing makes", { node: [node("Relu", ["z"], ["y"])] }, /theRelu.*reads z/],
    ["an output that nothing makes", { node: [] }, /nothing makes the model's output y/],
    ["a value made twice", { node: [RELU, RELU] }, /node theRelu \(Relu\) makes y again/],
    ["an input made again", { node: [node("Relu", ["x"], ["x"])] }, /makes x again/],
    ["two inputs of a name", { node: [RELU], input: [value("x"), value("x")] }, /two values x/],
    ["a value without name", { node: [RELU], input: [value("")] }, /a value without name/],
    ["a node that reads itself", { node: [node("Add", ["x", "y"], ["y"])] }, /reads y/],
    [
      "a cycle",
      { node: [node("Add", ["x", "b"], ["y"]), node("Neg", ["y"], ["b"])] },
      /node theNeg \(Neg\) reads y, which depends on the node/,
    ],
  ])("%s", (_, graph, message) => {
    expectIssue(file(graph), "ONNX_GRAPH", message);
  });

  test("a long chain in reverse is sorted", () => {
    const chain = Array.from({ length: 50_000 }, (_, i) => node("Neg", [`v${i}`], [`v${i + 1}`]));
    const graph = { input: [value("v0")], output: [value("v50000")], node: chain.reverse() };
    const { nodes } = readModel(file(graph));
    expect(nodes.map(({ outputs }) => outputs[0])).toEqual(nodes.map((_, i) => `v${i + 1}`));
  });

  test("a node without operator, an attribute without type, two of a name", () => {
    const of = (attribute: readonly Message[], opType = "Relu") =>
      file({ node: [{ ...RELU, opType, attribute }] });
    expectIssue(of([], ""), "ONNX_MALFORMED", /node theRelu has no operator/);
    expectIssue(of([{ name: "a", i: 1 }]), "ONNX_MALFORMED", /attribute a is of type undefined/);
    const a = { name: "a", type: 2, i: 1 };
    expectIssue(of([a, a]), "ONNX_MALFORMED", /two attributes a/);
    expectIssue(of([{ name: "a", type: 4 }]), "ONNX_MALFORMED", /attribute a has no tensor/);
  });
});

describe("functions", () => {
  const OPSETS = { opsetImport: [{ version: 17 }, { domain: "own", version: 1 }] };
  const call = (name: string, inputs = ["x"], outputs = ["y"]) =>
    node(name, inputs, outputs, { domain: "own", name: "" });
  const made = (name: string, body: readonly Message[], more: Message = {}) => ({
    ...{ name, domain: "own", input: ["x"], output: ["y"], node: body },
    ...more,
  });
  const of = (...functions: Message[]) => file({ node: [call("F")] }, { ...OPSETS, functions });

  test("that call themselves", () => {
    expectIssue(of(made("F", [call("F")])), "ONNX_GRAPH", /more than 32 deep/);
  });

  test("that double with each call grow no further than the bound", () => {
    const names = Array.from({ length: 31 }, (_, i) => `F${i || ""}`);
    const all = names.map((name, i) =>
      made(name, [call(names[i + 1] ?? "Neg", ["x"], ["t"]), call(names[i + 1] ?? "Neg", ["t"])]),
    );
    expectIssue(of(...all), "ONNX_GRAPH", /grow too large/);
  });

  test("of another operator set", () => {
    const body = [node("Relu", ["x"], ["y"])];
    const other = made("F", body, { opsetImport: [{ version: 18 }] });
    expectIssue(of(other), "ONNX_OPSET", /function F is of operator set 18, the model of 17/);
  });

  test("with subgraphs, with two of a name, with more inputs than they take", () => {
    const attribute = [{ name: "body", type: 5 }];
    const held = made("F", [node("Loop", ["x"], ["y"], { attribute })]);
    expectIssue(of(held), "ONNX_GRAPH", /theLoop \(Loop\) stands in a function and holds a subg/);
    const plain = made("F", [node("Relu", ["x"], ["y"])]);
    expectIssue(of(plain, plain), "ONNX_GRAPH", /two functions F/);
    expectIssue(of({ ...plain, input: [] }), "ONNX_GRAPH", /more inputs or outputs/);
  });

  test("leave out inputs and outputs; names within do not meet those outside", () => {
    const f = made("F", [node("Clip", ["x", "low"], ["t"]), node("Split", ["t"], ["y", "rest"])], {
      ...{ input: ["x", "low"], output: ["y", "rest"] },
    });
    const graph = { node: [node("Neg", ["x"], ["t"]), call("F", ["t"])] };
    const { nodes } = readModel(file(graph, { ...OPSETS, functions: [f] }));
    expect(nodes.map(({ inputs, outputs }) => [inputs, outputs])).toEqual([
      [["x"], ["t"]],
      [["t", ""], ["y/t"]],
      [["y/t"], ["y", "y/rest"]],
    ]);
  });
});

test("every code has a section in docs/errors.md", () => {
  const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  for (const code of ["MALFORMED", "OPSET", "TYPE", "EXTERNAL", "GRAPH"])
    expect(page).toContain(`\n### ONNX_${code}\n`);
});

test("weights beyond the size of a file are refused when written", () => {
  const model = readModel(fixture("plain"));
  const huge = { ...model.initializers[0]!, data: { byteLength: 2 ** 31 } as Float32Array };
  const { issues } = errorOf(() => writeModelFile({ ...model, initializers: [huge] }));
  expect(issues[0]).toMatchObject({ code: "ONNX_EXTERNAL", fix: "export as safetensors" });
});
