/**
 * Tensors by name in one file: 8 bytes of header length, a JSON header, the data
 * (https://github.com/huggingface/safetensors). Besides what the format demands (header of at most 100 MB,
 * no overlap), the reader demands that the data are covered exactly, that every size agrees, that no key
 * occurs twice and that values are finite. Errors carry the offset in the file.
 */
import { InputError, invariant } from "../core/errors.ts";
import { type Json, JsonError, parseJson } from "./json.ts";
import { type Dtype, isDtype, sizeOf, toFloats } from "./tensor-types.ts";

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** product(shape) values, in row-major order. */
  readonly data: Float32Array;
}

export interface Safetensors {
  /** In the order of their data. Values of F64, F16 and BF16 are converted to float32. */
  readonly tensors: readonly NamedTensor[];
  readonly metadata: ReadonlyMap<string, string>;
}

export interface ReadOptions {
  /** Named in errors. */
  readonly file?: string | undefined;
  /** NaN and infinities: an error unless `allow`. */
  readonly nonFinite?: "refuse" | "allow" | undefined;
  /** Tensors of whole numbers (PyTorch's counters): an error unless they are to be left out. */
  readonly nonFloat?: "refuse" | "skip" | undefined;
}

const PREFIX = 8;
const MAX_HEADER = 100_000_000;
const ALIGNMENT = 8;
const METADATA = "__metadata__";

/** Writes float32 tensors, their data in the order given. */
export function writeSafetensors(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const names = new Set([METADATA]);
  let end = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    invariant(!names.has(name), `a tensor cannot be named ${name}, or not twice`);
    names.add(name);
    invariant(product(shape) === BigInt(data.length), `${name}: shape and data disagree`);
    const start = end;
    end += data.byteLength;
    const entry = { dtype: "F32", shape, data_offsets: [start, end] };
    return `${JSON.stringify(name)}:${JSON.stringify(entry)}`;
  });
  if (Object.keys(metadata).length > 0)
    entries.unshift(`"${METADATA}":${JSON.stringify(metadata)}`);
  const json = new TextEncoder().encode(`{${entries.join(",")}}`);
  const header = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(PREFIX + header + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header), true);
  bytes.fill(0x20, PREFIX, PREFIX + header);
  bytes.set(json, PREFIX);
  let at = PREFIX + header;
  for (const { data } of tensors) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

type Wrong = (message: string, offset: number) => InputError;

/** Reads a whole file. Throws an `InputError` (BAD_SAFETENSORS) with the offset of what is wrong. */
export function readSafetensors(bytes: Uint8Array, options: ReadOptions = {}): Safetensors {
  const { file } = options;
  const wrong: Wrong = (message, offset) =>
    new InputError([{ code: "BAD_SAFETENSORS", message, file, offset }]);
  const dataStart = headerEnd(bytes, wrong);
  const header = parseHeader(bytes.subarray(PREFIX, dataStart), wrong);
  const metadata = readMetadata(header.get(METADATA), wrong);
  const entries = [...header]
    .filter(([name]) => name !== METADATA)
    .map(([name, value]) => readEntry(name, value, wrong))
    .sort((a, b) => a.start - b.start || a.end - b.end);
  let covered = 0;
  for (const { name, start, end } of entries) {
    if (start !== covered)
      throw wrong(
        `tensor ${name} starts at ${start} of the data, but what is before it ends at ${covered}`,
        dataStart + start,
      );
    covered = end;
  }
  if (dataStart + covered !== bytes.length)
    throw wrong(
      `the tensors take ${covered} bytes, the file has ${bytes.length - dataStart}`,
      Math.min(bytes.length, dataStart + covered),
    );
  const tensors = entries.flatMap(({ name, shape, dtype, start, end }) => {
    const data = toFloats(dtype, bytes.subarray(dataStart + start, dataStart + end));
    if (data === undefined && options.nonFloat === "skip") return [];
    if (data === undefined)
      throw wrong(`tensor ${name} holds ${dtype}; only floats can be read`, dataStart + start);
    const bad = options.nonFinite === "allow" ? -1 : data.findIndex((v) => !Number.isFinite(v));
    if (bad >= 0)
      throw wrong(
        `tensor ${name} holds ${data[bad]} at element ${bad}`,
        dataStart + start + bad * sizeOf(dtype),
      );
    return [{ name, shape, data }];
  });
  return { tensors, metadata };
}

function headerEnd(bytes: Uint8Array, wrong: Wrong): number {
  if (bytes.length < PREFIX) throw wrong("the file is too short for a header length", bytes.length);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER) throw wrong(`a header of ${length} bytes; at most 100 MB are taken`, 0);
  if (PREFIX + Number(length) > bytes.length)
    throw wrong(`the header of ${length} bytes is cut short`, bytes.length);
  return PREFIX + Number(length);
}

function parseHeader(bytes: Uint8Array, wrong: Wrong): ReadonlyMap<string, Json> {
  if (bytes[0] !== 0x7b) throw wrong("the header does not begin with {", PREFIX);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw wrong("the header is not UTF-8", PREFIX);
  }
  try {
    return parseJson(text) as ReadonlyMap<string, Json>;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const offset = new TextEncoder().encode(text.slice(0, error.at)).length;
    throw wrong(`in the header, ${error.message}`, PREFIX + offset);
  }
}

function readMetadata(value: Json | undefined, wrong: Wrong): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  if (!(value instanceof Map) || [...value.values()].some((text) => typeof text !== "string"))
    throw wrong(`${METADATA} is not an object of strings`, PREFIX);
  return value;
}

interface Entry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

function readEntry(name: string, value: Json, wrong: Wrong): Entry {
  const fail = (message: string): InputError => wrong(`tensor ${name}: ${message}`, PREFIX);
  if (!(value instanceof Map)) throw fail("is described by no object");
  for (const key of value.keys())
    if (key !== "dtype" && key !== "shape" && key !== "data_offsets")
      throw fail(`unknown key ${key}`);
  const dtype = value.get("dtype");
  const shape = value.get("shape");
  const offsets = value.get("data_offsets");
  if (!isDtype(dtype)) throw fail(`unknown dtype ${String(dtype)}`);
  if (!isSizes(shape)) throw fail("shape is no list of sizes");
  if (!isSizes(offsets) || offsets.length !== 2) throw fail("data_offsets are no two offsets");
  const [start, end] = offsets as [number, number];
  if (product(shape) * BigInt(sizeOf(dtype)) !== BigInt(end) - BigInt(start))
    throw fail(`[${shape}] of ${dtype} does not take the bytes from ${start} to ${end}`);
  return { name, dtype, shape, start, end };
}

const isSizes = (value: Json | undefined): value is readonly number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

/** In BigInt: a stranger's sizes may overflow. */
const product = (shape: readonly number[]): bigint =>
  shape.reduce((total, size) => total * BigInt(size), 1n);
