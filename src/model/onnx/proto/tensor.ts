/**
 * Tensors of a file: their numbers inline, raw or in typed lists, or in another file beside it
 * (https://onnx.ai/onnx/repo-docs/ExternalData.html). Sizes must agree exactly. Data are views where they
 * are aligned.
 */
import { ELEMENT_ARRAYS, ELEMENT_TYPES, type ElementType, type Initializer } from "../graph.ts";
import type { Decoded } from "./decode.ts";
import type { Complain } from "./malformed.ts";
import { DATA_TYPES, EXTERNAL } from "./schema.ts";

export interface TensorFiles {
  readonly complain: Complain;
  /** The bytes of a file beside the model; undefined if it is not there. */
  external(location: string): Uint8Array | undefined;
}

type Data = Initializer["data"];

const BY_NUMBER = new Map<number, ElementType>(
  Object.entries(ELEMENT_TYPES).map(([name, number]) => [number, name as ElementType]),
);

/** The element type with this number; undefined if graphs have none such. */
export const elementType = (number: number | undefined): ElementType | undefined =>
  BY_NUMBER.get(number ?? 0);

export const elementName = (number: number | undefined): string =>
  DATA_TYPES[number ?? 0] ?? `type ${number}`;

/** What to do about a type that we do not have. */
export function typeFix(number: number | undefined): string {
  const name = elementName(number);
  if (/int/.test(name)) return "cast it to int64 before you export";
  return /float/.test(name) ? "export the model in float32" : "leave it out of the model";
}

/** Reads a tensor of one of our element types. Errors: ONNX_MALFORMED, ONNX_TYPE, ONNX_EXTERNAL. */
export function readTensor(tensor: Decoded<"Tensor">, files: TensorFiles): Initializer {
  const name = tensor.name ?? "";
  const type = elementType(tensor.dataType);
  if (!type)
    throw files.complain(
      "ONNX_TYPE",
      `tensor ${name} holds ${elementName(tensor.dataType)}`,
      tensor.start,
      typeFix(tensor.dataType),
    );
  const shape = readSizes(tensor, files.complain);
  const count = shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, 1);
  const data = dataOf(tensor, type, count, files);
  if (data.length !== count)
    throw files.complain(
      "ONNX_MALFORMED",
      `tensor ${name} of shape [${shape.slice(0, 8)}] has ${data.length} elements`,
      tensor.start,
    );
  return { name, type, shape, data };
}

function readSizes(tensor: Decoded<"Tensor">, complain: Complain): readonly number[] {
  return tensor.dims.map((size) => {
    if (typeof size === "number" && size >= 0) return size;
    const message = `tensor ${tensor.name} has an axis of ${size} elements`;
    throw complain("ONNX_MALFORMED", message, tensor.start);
  });
}

function dataOf(
  tensor: Decoded<"Tensor">,
  type: ElementType,
  count: number,
  files: TensorFiles,
): Data {
  const bytes =
    tensor.dataLocation === EXTERNAL
      ? externalBytes(tensor, count * ELEMENT_ARRAYS[type].BYTES_PER_ELEMENT, files)
      : tensor.rawData;
  if (!bytes) return listed(tensor, type, files.complain);
  const { BYTES_PER_ELEMENT } = ELEMENT_ARRAYS[type];
  if (bytes.length % BYTES_PER_ELEMENT > 0)
    throw files.complain(
      "ONNX_MALFORMED",
      `tensor ${tensor.name}: ${bytes.length} bytes are no list of ${type} numbers`,
      tensor.start,
    );
  const aligned = bytes.byteOffset % BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  const length = bytes.length / BYTES_PER_ELEMENT;
  return new ELEMENT_ARRAYS[type](aligned.buffer as ArrayBuffer, aligned.byteOffset, length);
}

/** The numbers in the list that ONNX has for this type; small integers stand among the int32. */
function listed(tensor: Decoded<"Tensor">, type: ElementType, complain: Complain): Data {
  if (type === "float32") return tensor.floatData;
  if (type === "float64") return tensor.doubleData;
  if (type === "int64") return tensor.int64Data;
  const { int32Data } = tensor;
  if (type === "int32") return int32Data;
  const data = ELEMENT_ARRAYS[type].from(int32Data);
  const wrong = int32Data.findIndex((value, i) => data[i] !== value);
  if (wrong >= 0)
    throw complain(
      "ONNX_MALFORMED",
      `tensor ${tensor.name}: ${int32Data[wrong]} is no ${type}`,
      tensor.start,
    );
  return data;
}

function externalBytes(
  tensor: Decoded<"Tensor">,
  length: number,
  { complain, external }: TensorFiles,
): Uint8Array {
  const fail = (message: string, fix?: string) =>
    complain("ONNX_EXTERNAL", `tensor ${tensor.name}: ${message}`, tensor.start, fix);
  const keys = new Map(tensor.externalData.map(({ key, value }) => [key, value ?? ""]));
  const location = keys.get("location") ?? "";
  if (!isPlain(location))
    throw fail(
      `its data are to stand in "${location.slice(0, 200)}", which is no file beside the model`,
      "a location is a relative path without ..",
    );
  const number = (key: string, fallback: number): number => {
    const text = keys.get(key);
    if (text === undefined || text === "") return fallback;
    if (!/^\d{1,15}$/.test(text)) throw fail(`"${text.slice(0, 40)}" is no ${key}`);
    return Number(text);
  };
  const offset = number("offset", 0);
  if (number("length", length) !== length)
    throw fail(`its data take ${length} bytes, the file says ${keys.get("length")}`);
  const bytes = external(location);
  if (!bytes)
    throw fail(`its data stand in ${location}, which is not there`, "put it beside the model");
  if (offset + length > bytes.length)
    throw fail(
      `its data end at ${offset + length} of ${location}, which has ${bytes.length} bytes`,
    );
  return bytes.subarray(offset, offset + length);
}

/** A relative path that stays within the model's folder on every system. */
const isPlain = (location: string): boolean =>
  location !== "" &&
  !/^[/\\]|^[a-z]:|\0/i.test(location) &&
  !location.split(/[/\\]/).includes("..");
