/**
 * One queue of a relayed connection: a stream of frames, cut in numbered chunks that a lossy carrier brings in any
 * order, several times or not at all. The sender asks again until a chunk is acknowledged; the receiver drops what
 * it has had, holds what came too early, and reads the rest in order. A window bounds what is under way: of bulk by
 * the credit that the peer gives as it takes, of control by what is acknowledged.
 */
import type { PangaeaError } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import { Fifo } from "../fifo.ts";
import { Assembly } from "../wire/assembly.ts";
import type { Parcel } from "../wire/contract.ts";
import { malformed } from "../wire/errors.ts";
import { HEAD_BYTES } from "../wire/frame.ts";
import {
  type Carrier,
  type Credit,
  isSound,
  type Lane,
  type LaneListener,
  type LaneParcel,
} from "../wire/lane.ts";
import { PORTABLE } from "../wire/portable.ts";
import { FrameReader } from "../wire/reader.ts";
import { GOODBYE, internal } from "../wire/words.ts";
import { FrameWriter, type Outgoing } from "../wire/writer.ts";

/** The most bytes of a chunk, and of those under way. */
export const CHUNK_BYTES = 256 * 1024 - 64;
export const WINDOW_BYTES = 2 * 1024 * 1024;
/** Chunks that may come before the next; beyond these the sender is told to wait. */
const AHEAD = 64;
/** Bytes taken that are worth telling the sender; the least window holds several. */
const CREDIT_BYTES = WINDOW_BYTES / 16;

export interface RelayCarrier extends Carrier {
  /** Resolves when the peer has the chunk; asks again until then. */
  bring(queue: Parcel["queue"], sequence: number, bytes: Uint8Array): Promise<void>;
  failed(error: Error): void;
}

export class RelayLane implements Lane {
  readonly carriers: readonly Carrier[];
  readonly #carrier: RelayCarrier;
  readonly #queue: Parcel["queue"];
  readonly #writer = new FrameWriter(PORTABLE);
  readonly #reader: FrameReader;
  readonly #assembly: Assembly;
  readonly #own = new FrameWriter(PORTABLE);
  #listener: LaneListener | undefined;
  /** Messages of the connection itself, and parcels behind them. */
  #messages: Outgoing[] = [];
  readonly #parcels = new Fifo<Outgoing>();
  /** What is left of the frame that is being cut. */
  #frame: Uint8Array[] = [];
  #sequence = 0;
  #queued = 0;
  #unacknowledged = 0;
  #sent = 0;
  #offered = 0;
  #delivered: Credit = { came: 0, taken: 0 };
  #window = WINDOW_BYTES;
  readonly #early = new Map<number, Uint8Array>();
  #next = 0;
  #credited = 0;
  #paused = false;
  #scheduled = false;
  #finishing = false;
  #finished = false;
  #over = false;

  constructor(peer: string, queue: Parcel["queue"], carrier: RelayCarrier, maxPayload: Bytes) {
    this.#carrier = carrier;
    this.#queue = queue;
    this.carriers = [carrier];
    this.#writer.summed = false;
    this.#own.summed = false;
    this.#assembly = new Assembly(PORTABLE, { ordered: true, maxBody: maxPayload }, (parcel) =>
      this.#listener?.arrived(parcel),
    );
    this.#reader = new FrameReader(peer, PORTABLE, { head: HEAD_BYTES, own: 0 }, (message) => {
      if (message.kind !== GOODBYE) this.#listener?.told(message);
      else {
        this.#finished = true;
        this.#listener?.finished();
      }
    });
    this.#reader.summed = false;
    this.#reader.assembly = this.#assembly;
  }

  get queued(): Bytes {
    return this.#queued + this.#unacknowledged;
  }
  /** Whether the peer has said goodbye here. */
  get finished(): boolean {
    return this.#finished;
  }
  get offered(): Bytes {
    return this.#offered;
  }
  get delivered(): Bytes {
    return this.#delivered.came;
  }
  get busy(): boolean {
    return this.#parcels.length > 0;
  }

  listen(listener: LaneListener): void {
    this.#listener = listener;
  }
  send(parcel: LaneParcel): void {
    const outgoing = this.#writer.begin(parcel, false);
    this.#parcels.push(outgoing);
    this.#queued += outgoing.wireBytes;
    this.#offered += outgoing.wireBytes;
    this.#pumpSoon();
  }
  tell(message: LaneParcel): void {
    const outgoing = this.#own.begin(message, true);
    this.#messages.push(outgoing);
    this.#queued += outgoing.wireBytes;
    this.#pumpSoon();
  }
  /** The carrier gives signs of life itself. */
  alive(): void {}
  /** The goodbye counts as queued at once: both of the peer's may come in this turn, and end the connection. */
  finish(): void {
    this.#finishing = true;
    this.#pump();
  }

  credit(credit: Credit): void {
    if (!isSound(credit, this.#delivered, this.#sent))
      throw malformed(this.#reader.peer, `credit for ${credit.taken} and ${credit.came} bytes`, 0);
    this.#delivered = credit;
    this.#pump();
  }

  allow(window: Bytes): void {
    this.#window = Math.min(window, WINDOW_BYTES);
    this.#pump();
  }

  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    this.#giveCredit(1);
  }
  destroy(): void {
    this.#over = true;
    this.#parcels.clear();
    this.#frame = [];
    this.#early.clear();
  }

  fail(error: PangaeaError): void {
    this.#listener?.failed(error);
  }

  /**
   * A chunk came; answers whether it was taken, now or before. One that was not must come again.
   * Throws FRAME_MALFORMED.
   */
  take(sequence: number, bytes: Uint8Array): boolean {
    if (sequence < this.#next || this.#early.has(sequence)) return true;
    const hindered = this.#paused && this.#queue === "control";
    if (sequence >= this.#next + AHEAD || hindered || this.#over || !this.#listener) return false;
    if (bytes.length > CHUNK_BYTES)
      throw malformed(this.#reader.peer, `a chunk of ${bytes.length} bytes`, 0);
    this.#early.set(sequence, bytes);
    for (let chunk = this.#early.get(this.#next); chunk; chunk = this.#early.get(this.#next)) {
      this.#early.delete(this.#next++);
      this.#reader.push(chunk);
    }
    if (this.#queue === "bulk" && this.#assembly.came - this.#credited > 2 * WINDOW_BYTES)
      throw malformed(this.#reader.peer, `${2 * WINDOW_BYTES} bytes without credit`, 0);
    this.#giveCredit(CREDIT_BYTES);
    return true;
  }

  #giveCredit(least: Bytes): void {
    const { credit } = this.#assembly;
    if (this.#queue !== "bulk" || this.#paused || credit.taken - this.#credited < least) return;
    this.#credited = credit.taken;
    this.#listener?.took(credit);
  }

  /** What is sent in one turn leaves together. */
  #pumpSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (!this.#over && this.#unacknowledged < WINDOW_BYTES) {
      const chunk = this.#cut();
      if (chunk === undefined) return;
      const { length } = chunk;
      this.#queued -= length;
      this.#unacknowledged += length;
      this.#carrier.bring(this.#queue, this.#sequence++, chunk).then(
        () => this.#acknowledged(length),
        (error: Error) => this.#carrier.failed(error),
      );
    }
  }

  #acknowledged(bytes: Bytes): void {
    this.#unacknowledged -= bytes;
    if (this.#over) return;
    this.#pump();
    this.#listener?.left();
  }

  /** The next chunk, copied, so that the payload is free again. */
  #cut(): Uint8Array | undefined {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    while (bytes < CHUNK_BYTES) {
      const part = this.#frame.shift() ?? this.#nextFrame();
      if (part === undefined) break;
      const room = CHUNK_BYTES - bytes;
      if (part.length > room) this.#frame.unshift(part.subarray(room));
      parts.push(part.subarray(0, room));
      bytes += Math.min(part.length, room);
    }
    if (bytes === 0) return undefined;
    const chunk = new Uint8Array(bytes);
    let at = 0;
    for (const part of parts) {
      chunk.set(part, at);
      at += part.length;
    }
    return chunk;
  }

  /** Lays out the next frame that may go; answers its first part. */
  #nextFrame(): Uint8Array | undefined {
    const message = this.#messages.shift();
    if (message !== undefined) {
      this.#own.next(message, this.#frame);
      return this.#frame.shift();
    }
    const parcel = this.#parcels.peek();
    if (parcel === undefined) return this.#finishing ? this.#goodbye() : undefined;
    const bytes = this.#writer.nextBytes(parcel);
    const underWay = this.#sent - this.#delivered.taken;
    if (this.#queue === "bulk" && underWay > 0 && underWay + bytes > this.#window) return undefined;
    this.#sent += bytes;
    if (this.#writer.next(parcel, this.#frame)) this.#parcels.shift();
    return this.#frame.shift();
  }

  #goodbye(): Uint8Array | undefined {
    this.#finishing = false;
    const message = this.#own.begin(internal(GOODBYE), true);
    this.#queued += message.wireBytes;
    this.#own.next(message, this.#frame);
    return this.#frame.shift();
  }
}
