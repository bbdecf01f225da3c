/** Bytes as readers take them, arrays in shared memory as data sets need them, and errors with a place. */
import { gunzipSync } from "node:zlib";
import { InputError, type InputIssue } from "../core/errors.ts";

/** A whole file, or its chunks in order. */
export type ByteSource = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

const CHUNK = 64 * 1024;
/** Where unpacking stops: no data set of ours is larger. */
const MAX_UNPACKED = 2 ** 31;

/** Chunks of at most 64 KB, so that whoever reads them works step by step. */
export async function* chunksOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  for await (const chunk of ArrayBuffer.isView(source) ? [source] : source)
    for (let at = 0; at < chunk.length; at += CHUNK) yield chunk.subarray(at, at + CHUNK);
}

/** The bytes themselves, or unpacked if they begin as gzip does. */
export function gunzipped(bytes: Uint8Array, file?: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw badData({ file, message: `cannot be unpacked: ${reason}`, offset: bytes.length });
  }
}

/** Data that are not what they should be. */
export const badData = (issue: Omit<InputIssue, "code"> & { readonly code?: string }): InputError =>
  new InputError([{ code: "BAD_DATA", ...issue }]);

export const sharedBytes = (length: number): Uint8Array =>
  new Uint8Array(new SharedArrayBuffer(length));
export const sharedInts = (length: number): Int32Array =>
  new Int32Array(new SharedArrayBuffer(4 * length));
export const sharedFloats = (length: number): Float32Array =>
  new Float32Array(new SharedArrayBuffer(4 * length));
