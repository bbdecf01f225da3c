/** Parcels to frames: the buffers to write, in order, without a copy of the payload. */
import { crc32 } from "node:zlib";
import { invariant } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import {
  At,
  aligned,
  bytesOf,
  Flag,
  layOut,
  PIECE_BYTES,
  PREFIX_BYTES,
  WIRE_VERSION,
} from "./frame.ts";
import { HeadWriter } from "./head.ts";
import type { LaneParcel } from "./lane.ts";

const ZEROS = Buffer.alloc(16);
/** A body of at most so many bytes is copied behind its head: cheaper than giving the system two buffers. */
const INLINE_BYTES = 2048;

/** A parcel that is being written. */
export interface Outgoing {
  /** Prefix and head of the first frame, and a small body. */
  readonly start: Buffer;
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
  readonly #heads = new HeadWriter();
  #number = 0;
  /** Whether the frames of parcels begun from now on carry a checksum. */
  summed = true;

  /** Lays a parcel out. Parcels must be written in the order in which they were laid out. */
  begin(parcel: LaneParcel, internal: boolean): Outgoing {
    const { offsets, bytes } = layOut(parcel.payload.map((part) => part.byteLength));
    invariant(bytes < 2 ** 32, `a parcel of ${parcel.kind} takes ${bytes} bytes`);
    const forget = this.#heads.forget();
    const head = this.#heads.write(parcel);
    const headBytes = aligned(head.length);
    const inline = bytes <= INLINE_BYTES;
    const start = Buffer.allocUnsafe(PREFIX_BYTES + headBytes + (inline ? bytes : 0));
    start.set(head, PREFIX_BYTES);
    start.fill(0, PREFIX_BYTES + head.length);
    const pieces = inline ? [] : piecesOf(parcel.payload, offsets);
    if (inline)
      parcel.payload.forEach((part, i) => {
        start.set(bytesOf(part), PREFIX_BYTES + headBytes + offsets[i]!);
      });
    const flags =
      (forget ? Flag.forget : 0) | (internal ? Flag.internal : 0) | (this.summed ? Flag.summed : 0);
    const more = Math.max(0, Math.ceil(bytes / PIECE_BYTES) - 1);
    const wireBytes = PREFIX_BYTES * (1 + more) + headBytes + bytes;
    const progress = { offset: 0, piece: 0, inPiece: 0 };
    return { start, headBytes, pieces, bodyBytes: bytes, flags, wireBytes, ...progress };
  }

  /** Appends the next frame's buffers to `into`; answers whether it was the parcel's last. */
  next(parcel: Outgoing, into: Uint8Array[]): boolean {
    const first = parcel.offset === 0;
    const length = Math.min(PIECE_BYTES, parcel.bodyBytes - parcel.offset);
    const prefix = first ? parcel.start : Buffer.allocUnsafe(PREFIX_BYTES);
    const headBytes = first ? parcel.headBytes : 0;
    const own = first ? Flag.first | parcel.flags : parcel.flags & ~Flag.forget;
    prefix.writeUInt32LE(headBytes + length, At.length);
    prefix.writeUInt8(WIRE_VERSION, At.version);
    prefix.writeUInt8(own, At.flags);
    prefix.writeUInt16LE(0, At.zero);
    prefix.writeUInt32LE(this.#number, At.number);
    prefix.writeUInt32LE(0, At.sum);
    prefix.writeUInt32LE(headBytes, At.head);
    prefix.writeUInt32LE(parcel.bodyBytes, At.body);
    prefix.writeUInt32LE(parcel.offset, At.offset);
    prefix.writeUInt32LE(0, At.zeroToo);
    const from = into.push(prefix);
    if (parcel.pieces.length > 0) this.#take(parcel, length, into);
    if (own & Flag.summed) {
      let sum = crc32(prefix);
      for (let i = from; i < into.length; i++) sum = crc32(into[i]!, sum);
      prefix.writeUInt32LE(sum, At.sum);
    }
    parcel.offset += length;
    const last = parcel.offset === parcel.bodyBytes;
    if (last) this.#number = (this.#number + 1) >>> 0;
    return last;
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
