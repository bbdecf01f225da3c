/** Bytes as readers take them, arrays in shared memory as data sets need them, and errors with a place. */
import { InputError, type InputIssue } from "../core/errors.ts";
import { sharedMemory } from "../core/memory.ts";

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
export async function gunzipped(bytes: Uint8Array, file?: string): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await unpacked(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw badData({ file, message: `cannot be unpacked: ${reason}`, offset: bytes.length });
  }
}

/** By the platform's own unpacking, which Node and browsers have. */
async function unpacked(bytes: Uint8Array): Promise<Uint8Array> {
  const whole = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  const reader = whole.pipeThrough(new DecompressionStream("gzip")).getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    length += part.value.length;
    if (length > MAX_UNPACKED) throw new RangeError(`more than ${MAX_UNPACKED} bytes`);
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Data that are not what they should be. */
export const badData = (issue: Omit<InputIssue, "code"> & { readonly code?: string }): InputError =>
  new InputError([{ code: "BAD_DATA", ...issue }]);

export const sharedBytes = (length: number): Uint8Array => new Uint8Array(sharedMemory(length));
export const sharedInts = (length: number): Int32Array => new Int32Array(sharedMemory(4 * length));
export const sharedFloats = (length: number): Float32Array =>
  new Float32Array(sharedMemory(4 * length));
