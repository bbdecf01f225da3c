/**
 * Frames to parcels. Bytes come in pieces of any size (`push`); those of a payload are copied once, straight to
 * where the payload lies in the end, or are read there by the system itself (`room`, `filled`). Whatever a peer
 * sends, a reader answers with parcels or FRAME_MALFORMED, and asks for no more memory than its bound.
 */
import type { PangaeaError } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import { type Assembly, type Incoming, parcelOf } from "./assembly.ts";
import { malformed } from "./errors.ts";
import {
  ALL_FLAGS,
  At,
  Flag,
  layOut,
  type Machine,
  PIECE_BYTES,
  PREFIX_BYTES,
  WIRE_VERSION,
} from "./frame.ts";
import { type Head, HeadReader } from "./head.ts";
import type { LaneParcel } from "./lane.ts";

/** A payload of fewer bytes is better copied than read in a call of its own. */
const DIRECT_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);

export interface ReaderBounds {
  /** The largest head. */
  readonly head: Bytes;
  /** The largest body of a message of the connection itself. */
  readonly own: Bytes;
}

export class FrameReader {
  /** Who sends; told to errors. */
  peer: string;
  /** Whether frames must carry a checksum. */
  summed = true;
  /** Where parcels are put together; without it only messages of the connection itself are taken. */
  assembly: Assembly | undefined;
  #bounds: ReaderBounds;
  readonly #machine: Machine;
  readonly #told: (message: LaneParcel) => void;
  readonly #heads: HeadReader;
  readonly #ownHeads: HeadReader;

  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  readonly #view = new DataView(this.#prefix.buffer);
  #prefixFilled = 0;
  #flags = 0;
  #sum = 0;
  #runningSum = 0;
  #frameBytes = 0;
  #pieceBytes = 0;
  #headLeft = 0;
  #headParts: Uint8Array[] = [];
  #pieceLeft = 0;
  /** The parcel whose frame is being read, where the piece's next byte belongs, and the head if it has one. */
  #number = 0;
  #incoming: Incoming | undefined;
  #body: Uint8Array = NOTHING;
  #at = 0;
  #head: Head | undefined;
  /** Messages of the connection itself so far. */
  #own = 0;
  /** Where the last piece lay: pieces come in order on each socket. */
  #lastNumber = 0;
  #lastEnd = 0;

  /** @param told gets the messages of the connection itself. */
  constructor(
    peer: string,
    machine: Machine,
    bounds: ReaderBounds,
    told: (message: LaneParcel) => void,
  ) {
    this.peer = peer;
    this.#machine = machine;
    this.#bounds = bounds;
    this.#told = told;
    const wrong = (what: string, at: number) => this.#malformed(what, PREFIX_BYTES + at);
    this.#heads = new HeadReader(wrong);
    this.#ownHeads = new HeadReader(wrong);
  }

  /** The peer is known now: from the next frame on, other bounds hold and checksums as it said. */
  trust(peer: string, summed: boolean, bounds: ReaderBounds): void {
    this.peer = peer;
    this.summed = summed;
    this.#bounds = bounds;
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
    return this.#body.subarray(this.#at, this.#at + this.#pieceLeft);
  }

  /** So many bytes have been put where `room` said. */
  filled(count: number): void {
    const from = this.#at;
    this.#at += count;
    this.#pieceLeft -= count;
    if (this.summed)
      this.#runningSum = this.#machine.crc32(this.#body.subarray(from, this.#at), this.#runningSum);
    this.#endFrame();
  }

  #takePrefix(bytes: Uint8Array, at: number): number {
    const count = Math.min(PREFIX_BYTES - this.#prefixFilled, bytes.length - at);
    this.#prefix.set(bytes.subarray(at, at + count), this.#prefixFilled);
    this.#prefixFilled += count;
    if (this.#prefixFilled === PREFIX_BYTES) this.#readPrefix();
    return at + count;
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  /** Checks what the prefix says against the bounds and against the frames before it. */
  #readPrefix(): void {
    const version = this.#prefix[At.version]!;
    if (version !== WIRE_VERSION)
      throw this.#malformed(`version ${version}, not ${WIRE_VERSION}`, At.version);
    const flags = this.#prefix[At.flags]!;
    const first = (flags & Flag.first) !== 0;
    const own = (flags & Flag.internal) !== 0;
    if (flags > ALL_FLAGS || (!first && (own || flags & Flag.forget)))
      throw this.#malformed(`flags ${flags}`, At.flags);
    if (((flags & Flag.summed) !== 0) !== this.summed)
      throw this.#malformed(`a checksum is ${this.summed ? "missing" : "unexpected"}`, At.flags);
    if (this.#view.getUint16(At.zero) !== 0)
      throw this.#malformed("a reserved field is set", At.zero);
    if (this.#u32(At.zeroToo) !== 0) throw this.#malformed("a reserved field is set", At.zeroToo);
    this.#flags = flags;
    this.#sum = this.#u32(At.sum);
    this.#readLengths(first, own);
    if (own) this.#openOwn();
    else this.#openPiece();
    if (!this.summed) return;
    this.#view.setUint32(At.sum, 0);
    this.#runningSum = this.#machine.crc32(this.#prefix);
  }

  #readLengths(first: boolean, own: boolean): void {
    const [length, head] = [this.#u32(At.length), this.#u32(At.head)];
    const [body, offset] = [this.#u32(At.body), this.#u32(At.offset)];
    const pieceBytes = own ? PIECE_BYTES : (this.assembly?.pieceBytes ?? PIECE_BYTES);
    const most = own ? this.#bounds.own : (this.assembly?.maxBody ?? 0);
    if (body > most) throw this.#malformed(`a body of ${body} bytes, of at most ${most}`, At.body);
    if (head > Math.min(this.#bounds.head, length) || head % 16 !== 0 || head > 0 !== first)
      throw this.#malformed(`a head of ${head} bytes`, At.head);
    if (first ? offset !== 0 : offset === 0 || offset >= body || offset % pieceBytes !== 0)
      throw this.#malformed(`a piece at ${offset} of ${body}`, At.offset);
    if (length - head !== Math.min(pieceBytes, body - offset))
      throw this.#malformed(`a frame of ${length} bytes`, At.length);
    this.#number = this.#u32(At.number);
    this.#at = offset;
    this.#frameBytes = PREFIX_BYTES + length;
    this.#headLeft = head;
    this.#pieceLeft = length - head;
    this.#pieceBytes = length - head;
  }

  /** A message of the connection itself: one frame, numbered for itself. */
  #openOwn(): void {
    const body = this.#u32(At.body);
    if (this.#number !== this.#own)
      throw this.#malformed(`message ${this.#number}, not ${this.#own}`, At.number);
    this.#incoming = undefined;
    this.#body = body === 0 ? NOTHING : this.#machine.large(body);
  }

  #openPiece(): void {
    if (this.assembly === undefined)
      throw this.#malformed("a parcel before the introductions", At.flags);
    const bytes = this.#u32(At.body);
    const incoming = this.assembly.find(this.#number, bytes);
    if (typeof incoming === "string")
      throw this.#malformed(incoming, incoming.startsWith("parcel") ? At.number : At.body);
    const { ordered } = this.assembly;
    const filled = incoming.body.length - incoming.missing;
    if (ordered && this.#at !== filled)
      throw this.#malformed(`a piece at ${this.#at}, not ${filled}`, At.offset);
    if (!ordered) this.#requireProgress(incoming);
    this.#incoming = incoming;
    this.#body = incoming.body;
  }

  /** On one of several sockets a piece comes once, and behind those that were sent before it. */
  #requireProgress(incoming: Incoming): void {
    const piece = this.#at / this.assembly!.pieceBytes;
    if (incoming.pieces[piece] === 1)
      throw this.#malformed(`a piece at ${this.#at} for the second time`, At.offset);
    incoming.pieces[piece] = 1;
    const since = (this.#number - this.#lastNumber) >>> 0;
    if (since >= 2 ** 31 || (since === 0 && this.#at < this.#lastEnd))
      throw this.#malformed(`parcel ${this.#number} after ${this.#lastNumber}`, At.number);
    this.#lastNumber = this.#number;
    this.#lastEnd = this.#at + this.#pieceBytes;
  }

  #takeHead(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#headLeft, bytes.length - at);
    const part = bytes.subarray(at, at + count);
    this.#headLeft -= count;
    if (this.summed) this.#runningSum = this.#machine.crc32(part, this.#runningSum);
    if (this.#headLeft > 0 || this.#headParts.length > 0) {
      // The caller fills its buffer anew: what waits for more bytes is kept as a copy.
      this.#headParts.push(new Uint8Array(part));
      if (this.#headLeft === 0) {
        this.#readHead(joined(this.#headParts));
        this.#headParts = [];
      }
    } else this.#readHead(part);
    return at + count;
  }

  #readHead(bytes: Uint8Array): void {
    const heads = this.#flags & Flag.internal ? this.#ownHeads : this.#heads;
    if (this.#flags & Flag.forget) heads.forget();
    this.#head = heads.read(bytes);
    const { bytes: length } = layOut(this.#head.parts.map((part) => part.bytes));
    if (length !== this.#body.length)
      throw this.#malformed(`parts of ${length} bytes in a body of ${this.#body.length}`, At.body);
    this.#endFrame();
  }

  #takePiece(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#pieceLeft, bytes.length - at);
    const part = bytes.subarray(at, at + count);
    this.#body.set(part, this.#at);
    this.#at += count;
    this.#pieceLeft -= count;
    if (this.summed) this.#runningSum = this.#machine.crc32(part, this.#runningSum);
    this.#endFrame();
    return at + count;
  }

  #endFrame(): void {
    if (this.#headLeft > 0 || this.#pieceLeft > 0) return;
    if (this.summed && this.#runningSum !== this.#sum)
      throw this.#malformed("the checksum does not match", At.sum);
    this.#prefixFilled = 0;
    const incoming = this.#incoming;
    const head = this.#head;
    this.#head = undefined;
    if (incoming === undefined) {
      this.#own = (this.#own + 1) >>> 0;
      this.#told(parcelOf(head!, this.#body));
      return;
    }
    if (head !== undefined) incoming.head = head;
    this.assembly!.add(this.#number, incoming, this.#frameBytes, this.#pieceBytes);
  }

  #malformed(what: string, at: number): PangaeaError {
    return malformed(this.peer, what, at);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
