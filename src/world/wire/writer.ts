/** Parcels to frames: the buffers to write, in order, without a copy of the payload. */
import { invariant } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import {
  At,
  aligned,
  bytesOf,
  Flag,
  layOut,
  type Machine,
  PIECE_BYTES,
  PREFIX_BYTES,
  SHARED_PIECE_BYTES,
  WIRE_VERSION,
} from "./frame.ts";
import { HeadWriter } from "./head.ts";
import type { LaneParcel } from "./lane.ts";

const ZEROS = new Uint8Array(16);
/** A body of at most so many bytes is copied behind its head: cheaper than giving the system two buffers. */
const INLINE_BYTES = 2048;

/** A parcel that is being written. */
export interface Outgoing {
  readonly number: number;
  /** Prefix and head of the first frame, and a small body. */
  readonly start: Uint8Array;
  readonly headBytes: number;
  /** The payload's parts as bytes, with zeros between them; none of a small body. */
  readonly pieces: readonly Uint8Array[];
  readonly bodyBytes: Bytes;
  readonly flags: number;
  /** Bytes of all its frames. */
  readonly wireBytes: Bytes;
  /** How far writing has come. */
  offset: Bytes;
  piece: number;
  inPiece: Bytes;
}

export class FrameWriter {
  readonly #machine: Machine;
  readonly #heads = new HeadWriter();
  #number = 0;
  /** Whether the frames of parcels begun from now on carry a checksum. */
  summed = true;
  /** Whether frames go over several sockets: each head must then be read without those before it. */
  readonly #shared: boolean;
  readonly #pieceBytes: Bytes;

  constructor(machine: Machine, shared = false) {
    this.#machine = machine;
    this.#shared = shared;
    this.#pieceBytes = shared ? SHARED_PIECE_BYTES : PIECE_BYTES;
  }

  /** Lays a parcel out. Parcels must be written in the order in which they were laid out. */
  begin(parcel: LaneParcel, internal: boolean): Outgoing {
    const { offsets, bytes } = layOut(parcel.payload.map((part) => part.byteLength));
    invariant(bytes < 2 ** 32, `a parcel of ${parcel.kind} takes ${bytes} bytes`);
    const forget = this.#heads.forget(this.#shared);
    const head = this.#heads.write(parcel);
    const headBytes = aligned(head.length);
    const inline = bytes <= INLINE_BYTES;
    const start = this.#machine.small(PREFIX_BYTES + headBytes + (inline ? bytes : 0));
    start.set(head, PREFIX_BYTES);
    start.fill(0, PREFIX_BYTES + head.length);
    const pieces = inline ? [] : piecesOf(parcel.payload, offsets);
    if (inline)
      parcel.payload.forEach((part, i) => {
        start.set(bytesOf(part), PREFIX_BYTES + headBytes + offsets[i]!);
      });
    const flags =
      (forget ? Flag.forget : 0) | (internal ? Flag.internal : 0) | (this.summed ? Flag.summed : 0);
    const more = Math.max(0, Math.ceil(bytes / this.#pieceBytes) - 1);
    const wireBytes = PREFIX_BYTES * (1 + more) + headBytes + bytes;
    const number = this.#number;
    this.#number = (number + 1) >>> 0;
    const progress = { offset: 0, piece: 0, inPiece: 0 };
    return { number, start, headBytes, pieces, bodyBytes: bytes, flags, wireBytes, ...progress };
  }

  /** Bytes of the frame that `next` would append. */
  nextBytes({ offset, headBytes, bodyBytes }: Outgoing): Bytes {
    const piece = Math.min(this.#pieceBytes, bodyBytes - offset);
    return PREFIX_BYTES + (offset === 0 ? headBytes : 0) + piece;
  }

  /** Appends the next frame's buffers to `into`; answers whether it was the parcel's last. */
  next(parcel: Outgoing, into: Uint8Array[]): boolean {
    const first = parcel.offset === 0;
    const length = Math.min(this.#pieceBytes, parcel.bodyBytes - parcel.offset);
    const bytes = first ? parcel.start : this.#machine.small(PREFIX_BYTES);
    const headBytes = first ? parcel.headBytes : 0;
    const own = first ? Flag.first | parcel.flags : parcel.flags & ~Flag.forget;
    const prefix = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
    prefix.setUint32(At.length, headBytes + length, true);
    prefix.setUint8(At.version, WIRE_VERSION);
    prefix.setUint8(At.flags, own);
    prefix.setUint16(At.zero, 0, true);
    prefix.setUint32(At.number, parcel.number, true);
    prefix.setUint32(At.sum, 0, true);
    prefix.setUint32(At.head, headBytes, true);
    prefix.setUint32(At.body, parcel.bodyBytes, true);
    prefix.setUint32(At.offset, parcel.offset, true);
    prefix.setUint32(At.zeroToo, 0, true);
    const from = into.push(bytes);
    if (parcel.pieces.length > 0) this.#take(parcel, length, into);
    if (own & Flag.summed) {
      let sum = this.#machine.crc32(bytes);
      for (let i = from; i < into.length; i++) sum = this.#machine.crc32(into[i]!, sum);
      prefix.setUint32(At.sum, sum, true);
    }
    parcel.offset += length;
    return parcel.offset === parcel.bodyBytes;
  }

  #take(parcel: Outgoing, length: Bytes, into: Uint8Array[]): void {
    while (length > 0) {
      const piece = parcel.pieces[parcel.piece]!;
      const count = Math.min(length, piece.length - parcel.inPiece);
      into.push(
        count === piece.length ? piece : piece.subarray(parcel.inPiece, parcel.inPiece + count),
      );
      length -= count;
      parcel.inPiece += count;
      if (parcel.inPiece === piece.length) {
        parcel.piece++;
        parcel.inPiece = 0;
      }
    }
  }
}

/** The parts as bytes, with zeros where the next begins at a multiple of 16. */
function piecesOf(payload: readonly ArrayBufferView[], offsets: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let end = 0;
  for (const [i, part] of payload.entries()) {
    if (offsets[i]! > end) pieces.push(ZEROS.subarray(0, offsets[i]! - end));
    if (part.byteLength > 0) pieces.push(bytesOf(part));
    end = offsets[i]! + part.byteLength;
  }
  return pieces;
}
