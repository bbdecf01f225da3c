/**
 * Tensors by name as NumPy reads them: an .npz archive, that is a ZIP file without compression that holds one
 * .npy file for each array (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html,
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT). The same arrays give the same bytes.
 */
import { InputError, invariant } from "../core/errors.ts";
import type { NamedTensor } from "./safetensors.ts";

/** What 32 bits count; ZIP64, which counts further, is not written. */
const LIMIT = 2 ** 32 - 1;
const MOST_ENTRIES = 2 ** 16 - 1;

/** Data of .npy files begin at multiples of this. */
const ALIGNMENT = 64;
const NPY_PREFIX = 10;

const LOCAL_HEADER = { signature: 0x04034b50, length: 30 };
const CENTRAL_HEADER = { signature: 0x02014b50, length: 46 };
const END_RECORD = { signature: 0x06054b50, length: 22 };
/** Version 2.0; names are UTF-8; the first day that the format knows, 1 January 1980. */
const VERSION = 20;
const UTF8_NAMES = 1 << 11;
const FIRST_DAY = (1 << 5) | 1;

interface Entry {
  /** "weight.npy" */
  readonly name: Uint8Array;
  /** The .npy file, in two pieces. */
  readonly header: Uint8Array;
  readonly data: Uint8Array;
  readonly crc: number;
  /** Of its local header in the archive. */
  readonly offset: number;
}

/** Writes float32 arrays, row-major. Throws an `InputError` (NPZ_TOO_LARGE) beyond 4 GiB or 65,535 arrays. */
export function writeNpz(arrays: readonly NamedTensor[]): Uint8Array<ArrayBuffer> {
  const entries: Entry[] = [];
  const names = new Set<string>();
  let offset = 0;
  let directory = 0;
  for (const array of arrays) {
    invariant(!names.has(array.name), `two arrays ${array.name}`);
    names.add(array.name);
    const entry = entryOf(array, offset);
    entries.push(entry);
    offset += LOCAL_HEADER.length + entry.name.length + sizeOf(entry);
    directory += CENTRAL_HEADER.length + entry.name.length;
    if (offset + directory > LIMIT || entries.length > MOST_ENTRIES) throw tooLarge(array.name);
  }
  const bytes = new Uint8Array(offset + directory + END_RECORD.length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (piece: Uint8Array): void => {
    bytes.set(piece, at);
    at += piece.length;
  };
  for (const entry of entries) {
    at = writeLocalHeader(view, at, entry);
    for (const piece of [entry.name, entry.header, entry.data]) put(piece);
  }
  for (const entry of entries) {
    at = writeCentralHeader(view, at, entry);
    put(entry.name);
  }
  writeEnd(view, at, entries.length, directory, offset);
  return bytes;
}

const tooLarge = (name: string): InputError =>
  new InputError([
    {
      code: "NPZ_TOO_LARGE",
      message: `array ${name} is beyond the 4 GiB and ${MOST_ENTRIES} arrays that an .npz file holds`,
      fix: "export as safetensors",
    },
  ]);

function entryOf({ name, shape, data }: NamedTensor, offset: number): Entry {
  const count = shape.reduce((product, size) => product * size, 1);
  invariant(count === data.length, `${name}: shape and data disagree`);
  if (offset + data.byteLength > LIMIT) throw tooLarge(name);
  const header = npyHeader(shape);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const crc = crc32(bytes, crc32(header));
  return { name: new TextEncoder().encode(`${name}.npy`), header, data: bytes, crc, offset };
}

/** Magic, version 1.0, length of the text, a Python dictionary, blanks up to the alignment, a newline. */
function npyHeader(shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((NPY_PREFIX + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(length).fill(0x20);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(header.buffer).setUint16(8, length - NPY_PREFIX, true);
  header.set(new TextEncoder().encode(text), NPY_PREFIX);
  header[length - 1] = 0x0a;
  return header;
}

const sizeOf = ({ header, data }: Entry): number => header.length + data.length;

function writeLocalHeader(view: DataView, at: number, entry: Entry): number {
  view.setUint32(at, LOCAL_HEADER.signature, true);
  view.setUint16(at + 4, VERSION, true);
  writeCommon(view, at + 6, entry);
  return at + LOCAL_HEADER.length;
}

function writeCentralHeader(view: DataView, at: number, entry: Entry): number {
  view.setUint32(at, CENTRAL_HEADER.signature, true);
  view.setUint16(at + 4, VERSION, true);
  view.setUint16(at + 6, VERSION, true);
  writeCommon(view, at + 8, entry);
  view.setUint32(at + 42, entry.offset, true);
  return at + CENTRAL_HEADER.length;
}

/** What both headers say: flags, method 0 (stored), time 0, day, checksum, both sizes, length of the name. */
function writeCommon(view: DataView, at: number, entry: Entry): void {
  view.setUint16(at, UTF8_NAMES, true);
  view.setUint16(at + 6, FIRST_DAY, true);
  view.setUint32(at + 8, entry.crc, true);
  view.setUint32(at + 12, sizeOf(entry), true);
  view.setUint32(at + 16, sizeOf(entry), true);
  view.setUint16(at + 20, entry.name.length, true);
}

function writeEnd(view: DataView, at: number, count: number, size: number, offset: number): void {
  view.setUint32(at, END_RECORD.signature, true);
  view.setUint16(at + 8, count, true);
  view.setUint16(at + 10, count, true);
  view.setUint32(at + 12, size, true);
  view.setUint32(at + 16, offset, true);
}

/** CRC-32 of ISO 3309 (polynomial 0xEDB88320 reversed), eight bits at a time. */
function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let i = 0; i < bytes.length; i++)
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
