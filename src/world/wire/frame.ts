/**
 * Frames of the wire, all numbers little-endian. A parcel is one frame or, when it is large, several, so that each
 * is checked and handed on in small pieces:
 *
 *   prefix, 32 bytes   0 u32 bytes after the prefix     16 u32 bytes of the head (0 in later frames of a parcel)
 *                      4 u8  version                    20 u32 bytes of the parcel's body
 *                      5 u8  flags                      24 u32 where this frame's piece lies in the body
 *                      6 u16 zero                       28 u32 zero
 *                      8 u32 number of the parcel       12 u32 CRC-32 of the frame, this field zero
 *   head               what the parcel is (head.ts), padded with zeros to 16 bytes
 *   piece of the body  the parts of the payload, each beginning at a multiple of 16 bytes, zeros between
 *
 * The parcels of a queue are numbered from 0, over all its sockets, and so are the connection's own messages on each
 * socket: a lost or repeated frame is seen even without a checksum, and pieces that came over several sockets are put
 * together in order (assembly.ts).
 */
import { invariant } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import { FRAME_BYTES } from "../message.ts";

export const WIRE_VERSION = 1;
export const PREFIX_BYTES = FRAME_BYTES;
/** The most bytes of a body in one frame. */
export const PIECE_BYTES = 256 * 1024;
/** The same where pieces go over several sockets: small, so that all of them have work. */
export const SHARED_PIECE_BYTES = 64 * 1024;
/** The most bytes of a head. */
export const HEAD_BYTES = 16 * 1024 * 1024;

export const Flag = {
  /** The first frame of a parcel: it has a head. */
  first: 1,
  /** The checksum is set. */
  summed: 2,
  /** The names that this socket has learned are forgotten before this head (head.ts). */
  forget: 4,
  /** A message of the connection itself: hello, goodbye, a sign of life. */
  internal: 8,
} as const;
export const ALL_FLAGS = 15;

export const At = {
  length: 0,
  version: 4,
  flags: 5,
  zero: 6,
  number: 8,
  sum: 12,
  head: 16,
  body: 20,
  offset: 24,
  zeroToo: 28,
} as const;

/** What reading and writing needs of the machine. */
export interface Machine {
  /** Memory for a head or a prefix; its content is undefined. */
  small(bytes: Bytes): Uint8Array;
  /** Memory for a body, at the beginning of a buffer of its own; its content is undefined. */
  large(bytes: Bytes): Uint8Array;
  crc32(bytes: Uint8Array, sum?: number): number;
}

/** Parts of a payload begin at multiples of this in the body, so that typed arrays need no copy. */
export const aligned = (bytes: number): number => (bytes + 15) & ~15;

/** Where each part lies in the body, and how long the body is. */
export function layOut(lengths: readonly number[]): { offsets: readonly number[]; bytes: number } {
  let bytes = 0;
  const offsets = lengths.map((length) => {
    const offset = alignUp(bytes);
    bytes = offset + length;
    return offset;
  });
  return { offsets, bytes };
}

/** As `aligned`, for sums beyond 31 bits. */
const alignUp = (bytes: number): number => Math.ceil(bytes / 16) * 16;

type View = new (buffer: ArrayBuffer, offset: number, length: number) => ArrayBufferView;

/** Types of elements; the place in this list is the number on the wire. */
export const ELEMENTS: readonly {
  readonly type: View;
  readonly tag: string;
  readonly bytes: number;
}[] = [
  { type: Uint8Array, tag: "Uint8Array", bytes: 1 },
  { type: Int8Array, tag: "Int8Array", bytes: 1 },
  { type: Uint8ClampedArray, tag: "Uint8ClampedArray", bytes: 1 },
  { type: Int16Array, tag: "Int16Array", bytes: 2 },
  { type: Uint16Array, tag: "Uint16Array", bytes: 2 },
  { type: Int32Array, tag: "Int32Array", bytes: 4 },
  { type: Uint32Array, tag: "Uint32Array", bytes: 4 },
  { type: Float32Array, tag: "Float32Array", bytes: 4 },
  { type: Float64Array, tag: "Float64Array", bytes: 8 },
  { type: BigInt64Array, tag: "BigInt64Array", bytes: 8 },
  { type: BigUint64Array, tag: "BigUint64Array", bytes: 8 },
  { type: DataView, tag: "DataView", bytes: 1 },
];

/** The number of a view's type of elements; a Buffer counts as the Uint8Array that it is. */
export function elementOf(view: ArrayBufferView): number {
  const tag = (view as { [Symbol.toStringTag]?: string })[Symbol.toStringTag];
  const element = ELEMENTS.findIndex((known) => known.tag === tag);
  invariant(element >= 0, `no parcel carries a ${tag}`);
  return element;
}

/** The bytes of a view, not copied. */
export const bytesOf = (view: ArrayBufferView): Uint8Array =>
  view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
