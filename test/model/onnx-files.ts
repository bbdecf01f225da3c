/** ONNX files for tests: those of Python's onnx package, and ours made message by message. */
import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { InputError } from "../../src/core/errors.ts";
import { encode, type Message } from "../../src/model/onnx/proto/encode.ts";

const FIXTURES: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(new URL("onnx-file-fixtures.json", import.meta.url), "utf8"),
);

/** Names of the models among them. */
export const fixtures: readonly string[] = Object.keys(FIXTURES).filter((n) => !n.includes("/"));

export const fixture = (name: string): Uint8Array =>
  Uint8Array.from(Buffer.from(FIXTURES[name] as string, "base64"));

/** A file with this graph; `x` (float32, 2) and `y` are its input and output unless it says so. */
export const file = (graph: Message, model: Message = {}): Uint8Array<ArrayBuffer> =>
  encode("Model", {
    irVersion: 8,
    opsetImport: [{ version: 17 }],
    graph: { input: [value("x")], output: [value("y")], ...graph },
    ...model,
  });

export const value = (name: string, elemType = 1, dim: readonly Message[] = [{ dimValue: 2 }]) => ({
  name,
  type: { tensorType: { elemType, shape: { dim } } },
});

export const node = (opType: string, input: string[], output: string[], more: Message = {}) => ({
  ...{ opType, input, output, name: `the${opType}` },
  ...more,
});

/** Runs a file on ONNX Runtime; answers its outputs. */
export async function run(
  bytes: Uint8Array,
  inputs: Readonly<Record<string, readonly [data: Float32Array | Uint8Array, dims: number[]]>>,
): Promise<unknown> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const feeds = Object.entries(inputs).map(([name, [data, dims]]) => [
    name,
    new Tensor(data instanceof Float32Array ? "float32" : "bool", data as Float32Array, dims),
  ]);
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return Object.entries(results).map(([name, { dims, data }]) => ({ name, dims, data }));
}

/** The error with which `read` ends. */
export function errorOf(read: () => unknown): InputError {
  try {
    read();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error("it was read");
}
