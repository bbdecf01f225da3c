/**
 * Weights on their way to another site, rounded to a few bits: blocks of numbers, each with the scale of its largest, and
 * so many bits a number (block floating point, as in Dettmers et al., "8-bit optimizers via block-wise quantization", ICLR
 * 2022). What the receiver's acceptance test judges is what it has decoded; saved models are exact.
 */
import type { PortionReader, PortionWriter } from "./bytes.ts";

export type Bits = 4 | 8;

/** Numbers of one scale: an outlier costs its neighbours their precision, and a scale 32 bits. */
const BLOCK = 64;

/** An error of at most half a step, largest / levelsOf(bits), within each block. */
export function writeRounded(writer: PortionWriter, values: Float32Array, bits: Bits): void {
  const levels = levelsOf(bits);
  for (let from = 0; from < values.length; from += BLOCK) {
    const block = values.subarray(from, from + BLOCK);
    const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const unit = largest > 0 ? levels / largest : 0;
    writer.f32(largest);
    writer.bytes(packed(block, (value) => levels + Math.round(unit * value), bits));
  }
}

/** Bytes of what `writeRounded` writes of so many numbers. */
export function roundedBytes(count: number, bits: Bits): number {
  const bytesOf = (block: number): number => (block > 0 ? 4 + Math.ceil((block * bits) / 8) : 0);
  return Math.floor(count / BLOCK) * bytesOf(BLOCK) + bytesOf(count % BLOCK);
}

/** Throws PORTION_INVALID where bytes end too early, or a scale is no number. */
export function readRounded(
  reader: PortionReader,
  length: number,
  bits: Bits,
  what: string,
): Float32Array {
  const values = new Float32Array(length);
  const levels = levelsOf(bits);
  for (let from = 0; from < length; from += BLOCK) {
    const count = Math.min(BLOCK, length - from);
    const largest = reader.weight(what);
    const bytes = reader.u8s(Math.ceil((count * bits) / 8));
    for (let i = 0; i < count; i++)
      values[from + i] = ((levelAt(bytes, i, bits) - levels) / levels) * largest;
  }
  return values;
}

/** The same of numbers many of which are nil: a bit each that says whether it is, then the others. */
export function writeSparse(writer: PortionWriter, values: Float32Array, bits: Bits): void {
  writer.mask(values);
  writeRounded(
    writer,
    values.filter((value) => value !== 0),
    bits,
  );
}

export function sparseRoundedBytes(values: Float32Array, bits: Bits): number {
  let full = 0;
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) full++;
  return ((values.length + 7) >> 3) + roundedBytes(full, bits);
}

export function readSparse(
  reader: PortionReader,
  length: number,
  bits: Bits,
  what: string,
): Float32Array {
  const values = new Float32Array(length);
  const places = reader.mask(length);
  const full = readRounded(reader, places.length, bits, what);
  for (const [k, i] of places.entries()) values[i] = full[k] as number;
  return values;
}

/** On both sides of nil. */
const levelsOf = (bits: Bits): number => 2 ** (bits - 1) - 1;

function packed(block: Float32Array, level: (value: number) => number, bits: Bits): Uint8Array {
  if (bits === 8) return Uint8Array.from(block, level);
  const bytes = new Uint8Array(Math.ceil(block.length / 2));
  for (let i = 0; i < block.length; i++)
    bytes[i >> 1]! |= level(block[i] as number) << (4 * (i & 1));
  return bytes;
}

const levelAt = (bytes: Uint8Array, i: number, bits: Bits): number =>
  bits === 8 ? (bytes[i] as number) : ((bytes[i >> 1] as number) >> (4 * (i & 1))) & 15;
