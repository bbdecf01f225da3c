/**
 * One queue of a connection over one socket or several streams: parcels out in order, cut in frames that go over
 * whichever stream takes more, in batches that do not hold this thread up for long; parcels in put together by
 * their assembly. With a window no more is under way than the connection allows.
 */
import type { PangaeaError } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import { Assembly, MOST_CREDIT } from "./assembly.ts";
import type { Parcel } from "./contract.ts";
import { malformed, peerGone } from "./errors.ts";
import { type Credit, isSound, type Lane, type LaneListener, type LaneParcel } from "./lane.ts";
import { NODE } from "./machine.ts";
import type { Limits } from "./options.ts";
import { Stream } from "./stream.ts";
import { ALIVE, GOODBYE, internal } from "./words.ts";
import { FrameWriter, type Outgoing } from "./writer.ts";

/** Bytes given to one socket at once. */
const BATCH_BYTES = 1024 * 1024;
/** So many bytes given to the system, and others of this thread have their turn. */
const TURN_BYTES = 2 * 1024 * 1024;
/** The peer is told at once that so many bytes were taken, of fewer after a moment. */
const CREDIT_BYTES = 1024 * 1024;
const CREDIT_MILLIS = 2;
/** One stream is for links so short that the turns which threads take are all that a window must cover. */
const LONE_WINDOW = 16 * 1024 * 1024;

export interface SocketLaneOptions {
  /** How many, or those that came in. */
  readonly streams: number | readonly Stream[];
  /** Whether the peer gives credit. */
  readonly windowed: boolean;
  readonly maxPayload: Bytes;
}

/** The two lanes of a connection: of so many sockets that are still to be opened, or of those that came in. */
export function lanesOf(
  peer: string,
  streams: Readonly<Record<Parcel["queue"], SocketLaneOptions["streams"]>>,
  { maxPayload }: Limits,
): Readonly<Record<Parcel["queue"], SocketLane>> {
  return {
    control: new SocketLane(peer, { streams: streams.control, windowed: false, maxPayload }),
    bulk: new SocketLane(peer, { streams: streams.bulk, windowed: true, maxPayload }),
  };
}

export class SocketLane implements Lane {
  readonly carriers: readonly Stream[];
  readonly #assembly: Assembly;
  readonly #writer: FrameWriter;
  readonly #windowed: boolean;
  #listener: LaneListener | undefined;
  /** What came while nobody listened. */
  #early: ((listener: LaneListener) => void)[] = [];
  #queue: Outgoing[] = [];
  #next = 0;
  #queued = 0;
  #turn = 0;
  #scheduled = false;
  #yielded = false;
  #first = 0;
  /** Bytes of frames given to the system, and those that the peer has. */
  #sent = 0;
  #offered = 0;
  #delivered: Credit = { came: 0, taken: 0 };
  #window = Number.POSITIVE_INFINITY;
  /** What the peer was told. */
  #credited: Credit = { came: 0, taken: 0 };
  #creditDue: NodeJS.Timeout | undefined;
  #paused = false;
  #finishing = false;
  readonly #finished = new Set<Stream>();
  #broken: PangaeaError | undefined;
  #over = false;

  constructor(peer: string, { streams, windowed, maxPayload }: SocketLaneOptions) {
    this.#windowed = windowed;
    const count = typeof streams === "number" ? streams : streams.length;
    const bounds = { ordered: count === 1, maxBody: maxPayload };
    this.#assembly = new Assembly(NODE, bounds, (parcel) =>
      this.#hand((listener) => listener.arrived(parcel)),
    );
    this.#writer = new FrameWriter(NODE, count > 1);
    this.carriers =
      typeof streams === "number" ? Array.from({ length: count }, () => new Stream(peer)) : streams;
    for (const stream of this.carriers) stream.reader.assembly = this.#assembly;
  }

  /** The introductions are over. */
  begin(summed: boolean): void {
    this.#writer.summed = summed;
    for (const stream of this.carriers) {
      stream.summed = summed;
      stream.own({
        told: (message) => this.#told(message, stream),
        read: () => this.#read(),
        failed: (error) => this.#failed(error, stream),
        left: (bytes) => this.#left(bytes),
      });
    }
    this.#read();
  }

  get queued(): Bytes {
    let queued = this.#queued;
    for (const stream of this.carriers) queued += stream.queued;
    return queued;
  }
  get offered(): Bytes {
    return this.#offered;
  }
  get delivered(): Bytes {
    return this.#delivered.came;
  }
  get busy(): boolean {
    return this.#next < this.#queue.length;
  }

  listen(listener: LaneListener): void {
    this.#listener = listener;
    while (this.#early.length > 0) this.#early.shift()!(listener);
  }

  send(parcel: LaneParcel): void {
    const outgoing = this.#writer.begin(parcel, false);
    this.#queue.push(outgoing);
    this.#queued += outgoing.wireBytes;
    this.#offered += outgoing.wireBytes;
    if (this.#scheduled) return;
    // What is sent in one turn leaves together.
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  tell(message: LaneParcel): void {
    this.carriers[0]!.tell(message);
  }

  alive(): void {
    for (const stream of this.carriers) stream.tell(internal(ALIVE));
  }

  finish(): void {
    this.#finishing = true;
    if (!this.busy) this.#sayGoodbye();
  }

  credit(credit: Credit): void {
    if (!this.#windowed || !isSound(credit, this.#delivered, this.#sent))
      throw malformed(this.#peer, `credit for ${credit.taken} and ${credit.came} bytes`, 0);
    this.#delivered = credit;
    this.#pump();
  }

  allow(window: Bytes): void {
    if (!this.#windowed || window === this.#window) return;
    const least = this.carriers.length === 1 ? LONE_WINDOW : 0;
    const wider = window > this.#window;
    this.#window = Math.min(Math.max(window, least), MOST_CREDIT);
    if (wider) this.#pump();
  }

  /** Without credit the peer stops soon; a lane that has no window stops reading. */
  pause(): void {
    this.#paused = true;
    if (!this.#windowed) for (const stream of this.carriers) stream.pause();
  }
  resume(): void {
    this.#paused = false;
    for (const stream of this.carriers) stream.resume();
    this.#giveCredit();
  }

  destroy(): void {
    this.#over = true;
    clearTimeout(this.#creditDue);
    this.#queue = [];
    this.#next = 0;
    for (const stream of this.carriers) stream.destroy();
  }

  get #peer(): string {
    return this.carriers[0]!.name;
  }

  /** Frames to the streams in turns, one stream's batch or one frame of several. */
  #pump(): void {
    const { carriers } = this;
    const batch = carriers.length === 1 ? BATCH_BYTES : 1;
    let idle = 0;
    while (idle < carriers.length && this.busy && !this.#over) {
      if (this.#turn >= TURN_BYTES) {
        this.#continueLater();
        return;
      }
      const stream = carriers[this.#first]!;
      this.#first = (this.#first + 1) % carriers.length;
      const bytes = stream.pump(this.#source, batch);
      this.#turn += bytes;
      idle = bytes === 0 ? idle + 1 : 0;
    }
  }

  /** Others of this thread come first. */
  #continueLater(): void {
    if (this.#yielded) return;
    this.#yielded = true;
    setImmediate(() => {
      this.#yielded = false;
      this.#turn = 0;
      this.#pump();
    });
  }

  readonly #source = (into: Uint8Array[]): Bytes => {
    const parcel = this.#queue[this.#next];
    if (parcel === undefined) return 0;
    const bytes = this.#writer.nextBytes(parcel);
    if (this.#windowed && !this.#may(bytes)) return 0;
    if (this.#writer.next(parcel, into)) this.#next++;
    this.#sent += bytes;
    if (this.#next === this.#queue.length || this.#next > 1024) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    return bytes;
  };

  /** Whether so many bytes more fit in the window, and in what the peer holds while there are gaps. */
  #may(bytes: Bytes): boolean {
    const underWay = this.#sent - this.#delivered.came;
    if (underWay > 0 && underWay + bytes > this.#window) return false;
    const held = this.#sent - this.#delivered.taken;
    return held === 0 || held + bytes <= MOST_CREDIT;
  }

  #left(bytes: Bytes): void {
    this.#queued -= bytes;
    this.#pump();
    if (this.#finishing && !this.busy) this.#sayGoodbye();
    this.#listener?.left();
  }

  /** Behind the last frame on every stream. */
  #sayGoodbye(): void {
    this.#finishing = false;
    for (const stream of this.carriers) stream.tell(internal(GOODBYE));
  }

  #read(): void {
    if (!this.#windowed) return;
    const { came } = this.#assembly;
    if (came - this.#credited.taken > MOST_CREDIT)
      throw malformed(this.#peer, `${MOST_CREDIT} bytes without credit`, 0);
    const due = came - this.#credited.came;
    if (due >= CREDIT_BYTES) this.#giveCredit();
    else if (due > 0) this.#creditDue ??= setTimeout(() => this.#giveCredit(), CREDIT_MILLIS);
  }

  #giveCredit(): void {
    clearTimeout(this.#creditDue);
    this.#creditDue = undefined;
    const { credit } = this.#assembly;
    if (this.#paused || this.#over || !this.#windowed) return;
    if (credit.came === this.#credited.came && credit.taken === this.#credited.taken) return;
    this.#credited = credit;
    this.#hand((listener) => listener.took(credit));
  }

  #told(message: LaneParcel, stream: Stream): void {
    if (message.kind !== GOODBYE) {
      this.#hand((listener) => listener.told(message));
      return;
    }
    this.#finished.add(stream);
    if (this.#finished.size < this.carriers.length) return;
    if (this.#assembly.incomplete) {
      const error = malformed(this.#peer, "a goodbye before all of a parcel", 0);
      this.#hand((listener) => listener.failed(error));
      return;
    }
    this.#hand((listener) => listener.finished());
    const broken = this.#broken;
    if (broken) this.#hand((listener) => listener.failed(broken));
  }

  /** One stream's end is the lane's; but after a goodbye a peer that has everything may hang up. */
  #failed(error: PangaeaError, stream: Stream): void {
    const several = this.carriers.length > 1;
    const place = `stream ${this.carriers.indexOf(stream) + 1} of ${this.carriers.length}`;
    const told =
      several && error.code === "PEER_GONE"
        ? peerGone(this.#peer, `${place} broke: ${error.message}`, error)
        : error;
    if (this.#finished.has(stream) && this.#finished.size < this.carriers.length)
      this.#broken = told;
    else this.#hand((listener) => listener.failed(told));
  }

  #hand(what: (listener: LaneListener) => void): void {
    if (this.#listener && this.#early.length === 0) what(this.#listener);
    else this.#early.push(what);
  }
}
