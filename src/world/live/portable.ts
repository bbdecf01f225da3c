/** What hosts say as it crosses a wire: JSON, and beside it the arrays that it holds. */
import { invariant, PangaeaError } from "../../core/errors.ts";
import { decodeFrame, encodeFrame } from "../bus/frame.ts";

export interface Packed {
  readonly text: string;
  readonly arrays: readonly Float32Array[];
}

/** An array stands in the text as its number. */
interface Placeholder {
  readonly $array: number;
}

const isPlaceholder = (value: unknown): value is Placeholder =>
  typeof value === "object" && value !== null && "$array" in value;

export function pack(value: unknown): Packed {
  const arrays: Float32Array[] = [];
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (!ArrayBuffer.isView(part)) return part;
    invariant(part instanceof Float32Array, "hosts tell arrays of 32-bit floats only");
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
  /** Elements of each array. */
  readonly lengths: readonly number[];
}

/** As one run of bytes. */
export function toBytes(value: unknown): Uint8Array {
  const { text, arrays } = pack(value);
  const head: Head = { text, lengths: arrays.map((array) => array.length) };
  const total = arrays.reduce((sum, array) => sum + array.byteLength, 0);
  const data = new Uint8Array(total);
  let at = 0;
  for (const array of arrays) {
    data.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += array.byteLength;
  }
  return encodeFrame(head, data);
}

/** @throws PangaeaError HOST_FAILED where they are none. */
export function fromBytes(bytes: Uint8Array): unknown {
  const frame = decodeFrame<Head>(bytes);
  const total = frame?.header.lengths?.reduce((sum, length) => sum + 4 * length, 0);
  if (!frame || total !== frame.data.length)
    throw new PangaeaError("HOST_FAILED", "a message of a host is malformed");
  // On a buffer of its own: the elements may lie at any byte of the frame.
  const data = frame.data.slice();
  let at = 0;
  const arrays = frame.header.lengths.map((length) => {
    const array = new Float32Array(data.buffer, at, length);
    at += 4 * length;
    return array;
  });
  return unpack({ text: frame.header.text, arrays });
}
