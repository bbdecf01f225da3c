/**
 * The parcels of one queue, put together from pieces that come over one socket or several. Each piece is written
 * where it lies in the end; parcels are handed on in the order of their numbers. What a peer can make this host
 * hold is bounded: bodies of two parcels of the largest size beside what it may send without credit.
 *
 * Credit is for progress in order. A piece counts as taken when its parcel is the next to be handed on, so that a
 * peer that never completes that one gets no credit for those behind it.
 */
import type { Bytes } from "../../core/units.ts";
import { ELEMENTS, layOut, type Machine, PIECE_BYTES, SHARED_PIECE_BYTES } from "./frame.ts";
import type { Head } from "./head.ts";
import type { Credit, LaneParcel } from "./lane.ts";

/** The most bytes of bulk that a sender has under way and in gaps without credit, however good the link. */
export const MOST_CREDIT: Bytes = 64 * 2 ** 20;
/** Parcels that may be under way beyond the next. */
const AHEAD = 65_536;
const NOTHING = new Uint8Array(0);

/** A parcel some of whose frames have come. */
export interface Incoming {
  readonly body: Uint8Array;
  head: Head | undefined;
  /** Bytes of the body that are still to come. */
  missing: Bytes;
  /** Bytes of its frames that have come and do not yet count as taken. */
  held: Bytes;
  /** Which pieces have begun to come, where they may come in any order. */
  readonly pieces: Uint8Array;
}

export class Assembly {
  readonly machine: Machine;
  /** Whether all frames come over one socket, and so in order. */
  readonly ordered: boolean;
  readonly pieceBytes: Bytes;
  /** The largest body that is taken. */
  readonly maxBody: Bytes;
  readonly #arrived: (parcel: LaneParcel) => void;
  readonly #open = new Map<number, Incoming>();
  #next = 0;
  #openBytes = 0;
  /** Bytes of frames that have come, and those of them that count as taken. */
  #came = 0;
  #taken = 0;

  constructor(
    machine: Machine,
    bounds: { readonly ordered: boolean; readonly maxBody: Bytes },
    arrived: (parcel: LaneParcel) => void,
  ) {
    this.machine = machine;
    this.ordered = bounds.ordered;
    this.pieceBytes = bounds.ordered ? PIECE_BYTES : SHARED_PIECE_BYTES;
    this.maxBody = bounds.maxBody;
    this.#arrived = arrived;
  }

  get credit(): Credit {
    return { came: this.#came, taken: this.#taken };
  }
  get came(): Bytes {
    return this.#came;
  }
  /** Whether parcels are incomplete. */
  get incomplete(): boolean {
    return this.#open.size > 0;
  }

  /** The parcel of a frame that is about to come, or what is wrong with it. */
  find(number: number, bodyBytes: Bytes): Incoming | string {
    const known = this.#open.get(number);
    if (known !== undefined)
      return known.body.length === bodyBytes
        ? known
        : `a body of ${bodyBytes} bytes, before of ${known.body.length}`;
    const ahead = (number - this.#next) >>> 0;
    if (ahead >= (this.ordered ? 1 : AHEAD)) return `parcel ${number}, not ${this.#next}`;
    this.#openBytes += bodyBytes;
    if (this.#openBytes > 2 * this.maxBody + MOST_CREDIT)
      return `${this.#openBytes} bytes in parcels that are not complete`;
    const incoming: Incoming = {
      body: this.machine.large(bodyBytes),
      head: undefined,
      missing: bodyBytes,
      held: 0,
      pieces: this.ordered ? NOTHING : new Uint8Array(Math.ceil(bodyBytes / this.pieceBytes) || 1),
    };
    this.#open.set(number, incoming);
    return incoming;
  }

  /** A frame of this parcel has come whole. */
  add(number: number, incoming: Incoming, frameBytes: Bytes, bodyBytes: Bytes): void {
    incoming.missing -= bodyBytes;
    this.#came += frameBytes;
    if (number !== this.#next) {
      incoming.held += frameBytes;
      return;
    }
    this.#taken += frameBytes;
    let next: Incoming | undefined = incoming;
    while (next !== undefined && next.missing === 0 && next.head !== undefined) {
      this.#open.delete(this.#next);
      this.#openBytes -= next.body.length;
      this.#next = (this.#next + 1) >>> 0;
      this.#arrived(parcelOf(next.head, next.body));
      next = this.#open.get(this.#next);
      if (next === undefined) continue;
      this.#taken += next.held;
      next.held = 0;
    }
  }
}

/** The parts of a payload as views of its body. */
export function parcelOf({ kind, from, to, header, parts }: Head, body: Uint8Array): LaneParcel {
  const { offsets } = layOut(parts.map((part) => part.bytes));
  const payload = parts.map(({ element, bytes }, i) => {
    const { type, bytes: size } = ELEMENTS[element]!;
    return new type(body.buffer as ArrayBuffer, offsets[i]!, bytes / size);
  });
  return { kind, from, to, header, payload };
}
