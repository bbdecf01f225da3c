/** A small header as JSON and raw bytes behind it: [length of the header, 4 bytes, big endian][header][bytes]. */
import { invariant } from "../../core/errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export const encodeText = (text: string): Uint8Array => encoder.encode(text);
export const decodeText = (bytes: Uint8Array): string => decoder.decode(bytes);
export const encodeJson = (value: unknown): Uint8Array => encodeText(JSON.stringify(value));
/** Undefined where the bytes are no JSON: they came from outside. */
export function decodeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeText(bytes));
  } catch {
    return undefined;
  }
}

const NOTHING = new Uint8Array(0);

export function encodeFrame(header: object, data: Uint8Array = NOTHING): Uint8Array {
  const head = encodeJson(header);
  const frame = new Uint8Array(4 + head.length + data.length);
  new DataView(frame.buffer).setUint32(0, head.length);
  frame.set(head, 4);
  frame.set(data, 4 + head.length);
  return frame;
}

/** Undefined where the bytes are no frame. The data are a view of the frame. */
export function decodeFrame<H extends object>(
  frame: Uint8Array,
): { readonly header: H; readonly data: Uint8Array } | undefined {
  if (frame.length < 4) return undefined;
  const length = new DataView(frame.buffer, frame.byteOffset, frame.length).getUint32(0);
  if (length > frame.length - 4) return undefined;
  const header = decodeJson(frame.subarray(4, 4 + length));
  if (typeof header !== "object" || header === null) return undefined;
  return { header: header as H, data: frame.subarray(4 + length) };
}

/** A frame of our own making: anything else is a fault of ours. */
export function decodeOwnFrame<H extends object>(
  frame: Uint8Array,
): { readonly header: H; readonly data: Uint8Array } {
  const decoded = decodeFrame<H>(frame);
  invariant(decoded, "a frame between two ends of one program is well formed");
  return decoded;
}
