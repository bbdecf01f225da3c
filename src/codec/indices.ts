/**
 * Sets of indices into a range, as one tag byte and the smallest of three forms (Gaia sends index + value;
 * the indices cost less than the values only when coded):
 *
 *   0  gaps     varint of each gap
 *   1  runs     varint pairs (gap, length - 1) of consecutive indices
 *   2  bitmap   one bit an element of the range, least bit first
 *
 * A gap counts the indices left out since the last one taken. Indices are strictly ascending, hence a
 * decoder's work is bounded by the range, whatever the input.
 */
import { invariant } from "../core/errors.ts";
import { malformed, VarintReader, varintBytes, writeVarint } from "./varint.ts";

const GAPS = 0;
const RUNS = 1;
const BITMAP = 2;

interface Plan {
  readonly form: typeof GAPS | typeof RUNS | typeof BITMAP;
  /** Size of the whole encoding, tag included. */
  readonly bytes: number;
}

/** One pass over the indices prices all three forms; it also proves that they ascend. */
function plan(indices: Uint32Array, length: number): Plan {
  let gaps = 1;
  let runs = 1;
  let next = 0;
  let count = 0;
  for (let k = 0; k < indices.length; k++) {
    const index = indices[k]!;
    if (index < next) invariant(false, `indices do not ascend at ${k}`);
    const gap = index - next;
    if (gap === 0 && k > 0) {
      gaps++;
      count++;
    } else {
      const gapBytes = gap < 0x80 ? 1 : varintBytes(gap);
      gaps += gapBytes;
      runs += gapBytes + (k > 0 ? varintBytes(count) : 0);
      count = 0;
    }
    next = index + 1;
  }
  if (indices.length > 0) runs += varintBytes(count);
  invariant(next <= length, "an index is past the range");
  const bitmap = 1 + Math.ceil(length / 8);
  const bytes = Math.min(gaps, runs, bitmap);
  return { form: bytes === gaps ? GAPS : bytes === runs ? RUNS : BITMAP, bytes };
}

/** Bytes that `encodeIndices` makes of these indices. */
export const indexBytes = (indices: Uint32Array, length: number): number =>
  plan(indices, length).bytes;

/** Encodes strictly ascending indices below `length`. */
export function encodeIndices(indices: Uint32Array, length: number): Uint8Array {
  const { form, bytes: size } = plan(indices, length);
  const bytes = new Uint8Array(size);
  bytes[0] = form;
  if (form === GAPS) writeGaps(indices, bytes);
  else if (form === RUNS) writeRuns(indices, bytes);
  else {
    for (let k = 0; k < indices.length; k++) {
      const index = indices[k]!;
      const at = 1 + (index >>> 3);
      bytes[at] = bytes[at]! | (1 << (index & 7));
    }
  }
  return bytes;
}

function writeGaps(indices: Uint32Array, bytes: Uint8Array): void {
  let at = 1;
  let next = 0;
  for (let k = 0; k < indices.length; k++) {
    const gap = indices[k]! - next;
    next += gap + 1;
    if (gap < 0x80) bytes[at++] = gap;
    else at = writeVarint(bytes, at, gap);
  }
}

function writeRuns(indices: Uint32Array, bytes: Uint8Array): void {
  let at = 1;
  let next = 0;
  for (let k = 0; k < indices.length; ) {
    const start = k++;
    while (k < indices.length && indices[k] === indices[k - 1]! + 1) k++;
    at = writeVarint(bytes, at, indices[start]! - next);
    at = writeVarint(bytes, at, k - start - 1);
    next = indices[k - 1]! + 1;
  }
}

/**
 * Indices from bytes of a peer: strictly ascending, below `length`.
 * Throws an `InputError` with the byte offset for anything else.
 */
export function decodeIndices(bytes: Uint8Array, length: number): Uint32Array {
  switch (bytes[0]) {
    case undefined:
      throw malformed("indices without a tag", 0);
    case GAPS:
      return decodeGaps(bytes, length);
    case RUNS:
      return decodeRuns(bytes, length);
    case BITMAP:
      return decodeBitmap(bytes, length);
    default:
      throw malformed(`unknown form ${bytes[0]} of indices`, 0);
  }
}

function decodeGaps(bytes: Uint8Array, length: number): Uint32Array {
  const indices = new Uint32Array(Math.min(bytes.length - 1, length));
  let count = 0;
  let next = 0;
  for (let at = 1; at < bytes.length; next++) {
    const start = at;
    const byte = bytes[at]!;
    if (byte < 0x80) {
      next += byte;
      at++;
    } else {
      const reader = new VarintReader(bytes, at);
      next += reader.next();
      at = reader.offset;
    }
    if (next >= length) throw malformed(`index ${next} is past the range of ${length}`, start);
    indices[count++] = next;
  }
  return indices.subarray(0, count);
}

function decodeRuns(bytes: Uint8Array, length: number): Uint32Array {
  const reader = new VarintReader(bytes, 1);
  const runs: number[] = [];
  let next = 0;
  let total = 0;
  while (!reader.done) {
    const at = reader.offset;
    const gap = reader.next();
    if (reader.done) throw malformed("a run without its length", at);
    const count = reader.next() + 1;
    const first = next + gap;
    next = first + count;
    if (next > length) throw malformed(`index ${next - 1} is past the range of ${length}`, at);
    runs.push(first, count);
    total += count;
  }
  const indices = new Uint32Array(total);
  let k = 0;
  for (let run = 0; run < runs.length; run += 2) {
    const last = runs[run]! + runs[run + 1]!;
    for (let index = runs[run]!; index < last; index++) indices[k++] = index;
  }
  return indices;
}

function decodeBitmap(bytes: Uint8Array, length: number): Uint32Array {
  const size = 1 + Math.ceil(length / 8);
  if (bytes.length !== size)
    throw malformed(`a bitmap of ${length} takes ${size} bytes, not ${bytes.length}`, bytes.length);
  let total = 0;
  for (let at = 1; at < size; at++) total += POPULATION[bytes[at]!]!;
  const indices = new Uint32Array(total);
  let k = 0;
  for (let at = 1; at < size; at++) {
    const base = (at - 1) * 8;
    for (let byte = bytes[at]!; byte !== 0; byte &= byte - 1) {
      const index = base + 31 - Math.clz32(byte & -byte);
      if (index >= length) throw malformed(`index ${index} is past the range of ${length}`, at);
      indices[k++] = index;
    }
  }
  return indices;
}

/** Bits set in each byte. */
const POPULATION = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) bits++;
  return bits;
});
