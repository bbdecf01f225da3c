/** What hosts say as it crosses a wire: JSON, and beside it the arrays that it holds. */
import { invariant, PangaeaError } from "../../core/errors.ts";
import { decodeFrame, encodeFrame } from "../bus/frame.ts";

/** Parameters; or bytes, such as models that have their own form. */
export type Told = Float32Array | Uint8Array;

export const isTold = (array: unknown): array is Told =>
  array instanceof Float32Array || array instanceof Uint8Array;

export interface Packed {
  readonly text: string;
  readonly arrays: readonly Told[];
}

/** An array stands in the text as its number. */
interface Placeholder {
  readonly $array: number;
}

const isPlaceholder = (value: unknown): value is Placeholder =>
  typeof value === "object" && value !== null && "$array" in value;

export function pack(value: unknown): Packed {
  const arrays: Told[] = [];
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (!ArrayBuffer.isView(part)) return part;
    invariant(isTold(part), "hosts tell arrays of 32-bit floats and of bytes only");
    arrays.push(part);
    return { $array: arrays.length - 1 } satisfies Placeholder;
  });
  return { text, arrays };
}

/** @throws PangaeaError HOST_FAILED where it is none. */
export function unpack({ text, arrays }: Packed): unknown {
  return JSON.parse(text, (_, part: unknown) => {
    if (!isPlaceholder(part)) return part;
    const array = arrays[part.$array];
    if (!array) throw new PangaeaError("HOST_FAILED", "a host told of an array that did not come");
    return array;
  });
}

interface Head {
  readonly text: string;
  readonly parts: readonly { readonly bytes: number; readonly floats: boolean }[];
}

/** Where an array of so many bytes ends: the next one begins where floats may. */
const padded = (bytes: number): number => 4 * Math.ceil(bytes / 4);

/** As one run of bytes. */
export function toBytes(value: unknown): Uint8Array {
  const { text, arrays } = pack(value);
  const parts = arrays.map((array) => ({
    bytes: array.byteLength,
    floats: array instanceof Float32Array,
  }));
  const head: Head = { text, parts };
  const total = arrays.reduce((sum, array) => sum + padded(array.byteLength), 0);
  const data = new Uint8Array(total);
  let at = 0;
  for (const array of arrays) {
    data.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += padded(array.byteLength);
  }
  return encodeFrame(head, data);
}

/** @throws PangaeaError HOST_FAILED where they are none. */
export function fromBytes(bytes: Uint8Array): unknown {
  const frame = decodeFrame<Head>(bytes);
  const total = frame?.header.parts?.reduce((sum, { bytes: own }) => sum + padded(own), 0);
  if (!frame || total !== frame.data.length)
    throw new PangaeaError("HOST_FAILED", "a message of a host is malformed");
  // On a buffer of its own: the elements may lie at any byte of the frame.
  const data = frame.data.slice();
  let at = 0;
  const arrays = frame.header.parts.map(({ bytes: own, floats }) => {
    const begin = at;
    at += padded(own);
    return floats ? new Float32Array(data.buffer, begin, own / 4) : data.slice(begin, begin + own);
  });
  return unpack({ text: frame.header.text, arrays });
}
