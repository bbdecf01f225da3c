/**
 * Frames to parcels. Bytes come in pieces of any size (`push`); those of a payload are copied once, straight to
 * where the payload lies in the end, or are read there by the system itself (`room`, `filled`). Whatever a peer
 * sends, a reader answers with parcels or FRAME_MALFORMED, and asks for no more memory than its bound.
 */
import { crc32 } from "node:zlib";
import type { PangaeaError } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import { malformed } from "./errors.ts";
import {
  ALL_FLAGS,
  At,
  ELEMENTS,
  Flag,
  layOut,
  PIECE_BYTES,
  PREFIX_BYTES,
  WIRE_VERSION,
} from "./frame.ts";
import { type Head, HeadReader } from "./head.ts";
import type { LaneParcel } from "./lane.ts";

/** A payload of fewer bytes is better copied than read in a call of its own. */
const DIRECT_BYTES = 64 * 1024;

export class FrameReader {
  /** Who sends; told to errors. */
  peer: string;
  /** Whether frames must carry a checksum. */
  summed: boolean;
  /** The largest head and body that are taken. */
  #maxHead: Bytes;
  #maxBody: Bytes;
  readonly #arrived: (parcel: LaneParcel, internal: boolean) => void;
  readonly #heads: HeadReader;

  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixFilled = 0;
  #flags = 0;
  #sum = 0;
  #runningSum = 0;
  #headLeft = 0;
  #headParts: Buffer[] = [];
  #pieceLeft = 0;
  #head: Head | undefined;
  #body = Buffer.alloc(0);
  #bodyFilled = 0;
  #number = 0;

  constructor(
    peer: string,
    bounds: { readonly head: Bytes; readonly body: Bytes },
    arrived: (parcel: LaneParcel, internal: boolean) => void,
  ) {
    this.peer = peer;
    this.summed = true;
    this.#maxHead = bounds.head;
    this.#maxBody = bounds.body;
    this.#arrived = arrived;
    this.#heads = new HeadReader((what, at) => this.#malformed(what, PREFIX_BYTES + at));
  }

  /** The peer is known now: from the next frame on, other bounds hold and checksums as it said. */
  trust(
    peer: string,
    summed: boolean,
    bounds: { readonly head: Bytes; readonly body: Bytes },
  ): void {
    this.peer = peer;
    this.summed = summed;
    this.#maxHead = bounds.head;
    this.#maxBody = bounds.body;
  }

  /** Takes bytes; throws FRAME_MALFORMED, after which the reader is of no more use. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#prefixFilled < PREFIX_BYTES) at = this.#takePrefix(bytes, at);
      else if (this.#headLeft > 0) at = this.#takeHead(bytes, at);
      else at = this.#takePiece(bytes, at);
    }
  }

  /** Where the next bytes belong, when they are many of one payload. */
  room(): Uint8Array | undefined {
    if (this.#headLeft > 0 || this.#pieceLeft < DIRECT_BYTES) return undefined;
    return this.#body.subarray(this.#bodyFilled, this.#bodyFilled + this.#pieceLeft);
  }

  /** So many bytes have been put where `room` said. */
  filled(count: number): void {
    const from = this.#bodyFilled;
    this.#bodyFilled += count;
    this.#pieceLeft -= count;
    if (this.summed)
      this.#runningSum = crc32(this.#body.subarray(from, this.#bodyFilled), this.#runningSum);
    this.#endFrame();
  }

  #takePrefix(bytes: Uint8Array, at: number): number {
    const count = Math.min(PREFIX_BYTES - this.#prefixFilled, bytes.length - at);
    this.#prefix.set(bytes.subarray(at, at + count), this.#prefixFilled);
    this.#prefixFilled += count;
    if (this.#prefixFilled === PREFIX_BYTES) this.#readPrefix();
    return at + count;
  }

  /** Checks what the prefix says against the bounds and against the frames before it. */
  #readPrefix(): void {
    const p = this.#prefix;
    const version = p.readUInt8(At.version);
    if (version !== WIRE_VERSION) {
      throw this.#malformed(`version ${version}, not ${WIRE_VERSION}`, At.version);
    }
    const flags = p.readUInt8(At.flags);
    const first = (flags & Flag.first) !== 0;
    if (
      flags > ALL_FLAGS ||
      (!first && flags & Flag.forget) ||
      first !== (this.#head === undefined)
    )
      throw this.#malformed(`flags ${flags}`, At.flags);
    if (((flags & Flag.summed) !== 0) !== this.summed)
      throw this.#malformed(`a checksum is ${this.summed ? "missing" : "unexpected"}`, At.flags);
    if (p.readUInt16LE(At.zero) !== 0) throw this.#malformed("a reserved field is set", At.zero);
    if (p.readUInt32LE(At.zeroToo) !== 0)
      throw this.#malformed("a reserved field is set", At.zeroToo);
    const number = p.readUInt32LE(At.number);
    if (number !== this.#number)
      throw this.#malformed(`parcel ${number}, not ${this.#number}`, At.number);
    this.#readLengths(first);
    this.#flags = flags;
    this.#sum = p.readUInt32LE(At.sum);
    if (!this.summed) return;
    p.writeUInt32LE(0, At.sum);
    this.#runningSum = crc32(p);
  }

  #readLengths(first: boolean): void {
    const p = this.#prefix;
    const [length, head] = [p.readUInt32LE(At.length), p.readUInt32LE(At.head)];
    const [body, offset] = [p.readUInt32LE(At.body), p.readUInt32LE(At.offset)];
    if (body > this.#maxBody || (!first && body !== this.#body.length))
      throw this.#malformed(`a body of ${body} bytes, of at most ${this.#maxBody}`, At.body);
    if (head > Math.min(this.#maxHead, length) || head % 16 !== 0 || head > 0 !== first)
      throw this.#malformed(`a head of ${head} bytes`, At.head);
    if (offset !== (first ? 0 : this.#bodyFilled))
      throw this.#malformed(`a piece at ${offset}, not ${this.#bodyFilled}`, At.offset);
    if (length - head !== Math.min(PIECE_BYTES, body - offset))
      throw this.#malformed(`a frame of ${length} bytes`, At.length);
    this.#headLeft = head;
    this.#pieceLeft = length - head;
  }

  #takeHead(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#headLeft, bytes.length - at);
    const part = Buffer.from(bytes.buffer, bytes.byteOffset + at, count);
    this.#headLeft -= count;
    if (this.summed) this.#runningSum = crc32(part, this.#runningSum);
    if (this.#headLeft > 0 || this.#headParts.length > 0) {
      // The caller fills its buffer anew: what waits for more bytes is kept as a copy.
      this.#headParts.push(Buffer.from(part));
      if (this.#headLeft === 0) {
        this.#readHead(Buffer.concat(this.#headParts));
        this.#headParts = [];
      }
    } else this.#readHead(part);
    return at + count;
  }

  #readHead(bytes: Buffer): void {
    if (this.#flags & Flag.forget) this.#heads.forget();
    this.#head = this.#heads.read(bytes);
    const announced = this.#prefix.readUInt32LE(At.body);
    const { bytes: length } = layOut(this.#head.parts.map((part) => part.bytes));
    if (length !== announced)
      throw this.#malformed(`parts of ${length} bytes in a body of ${announced}`, At.body);
    // Not zeroed, and never from the pool: every byte is written before the parcel arrives.
    this.#body = Buffer.allocUnsafeSlow(length);
    this.#bodyFilled = 0;
    this.#endFrame();
  }

  #takePiece(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#pieceLeft, bytes.length - at);
    const part = bytes.subarray(at, at + count);
    this.#body.set(part, this.#bodyFilled);
    this.#bodyFilled += count;
    this.#pieceLeft -= count;
    if (this.summed) this.#runningSum = crc32(part, this.#runningSum);
    this.#endFrame();
    return at + count;
  }

  #endFrame(): void {
    if (this.#headLeft > 0 || this.#pieceLeft > 0) return;
    if (this.summed && this.#runningSum !== this.#sum)
      throw this.#malformed("the checksum does not match", At.sum);
    this.#prefixFilled = 0;
    const head = this.#head!;
    if (this.#bodyFilled < this.#body.length) return;
    const { buffer } = this.#body;
    const { offsets } = layOut(head.parts.map((part) => part.bytes));
    const payload = head.parts.map(({ element, bytes }, i) => {
      const { type, bytes: size } = ELEMENTS[element]!;
      return new type(buffer as ArrayBuffer, offsets[i]!, bytes / size);
    });
    const { kind, from, to, header } = head;
    this.#head = undefined;
    this.#number = (this.#number + 1) >>> 0;
    this.#arrived({ kind, from, to, header, payload }, (this.#flags & Flag.internal) !== 0);
  }

  #malformed(what: string, at: number): PangaeaError {
    return malformed(this.peer, what, at);
  }
}
