/**
 * Messages over the bus to one receiver: once, in order, several at a time, and kept until they are acknowledged,
 * also across receivers: when a coordinator is replaced, its successor is told what the first had not taken.
 * (`bus/sequenced.ts` ends a stream whose receiver has forgotten it; here the sender goes on.) One batch is on its
 * way at a time; long messages are cut into parts, and one of which a receiver took only a part is the next one's,
 * whole.
 */
import type { Bytes, Micros } from "../../core/units.ts";
import { MILLISECOND, SECOND } from "../../core/units.ts";
import type { Bus } from "../bus/contract.ts";
import { BusError, isRetryable } from "../bus/errors.ts";
import { decodeFrame, encodeFrame } from "../bus/frame.ts";
import { LearnedDeadline } from "../bus/learned.ts";
import type { Timers } from "../bus/timers.ts";

const PART_BYTES = 256 * 1024;
const BATCH_BYTES = 512 * 1024;
const FIRST_ROUND_TRIP: Micros = 200 * MILLISECOND;
const MOST_DOUBLINGS = 4;
/** Between attempts while nobody answers. */
const PAUSE: Micros = 200 * MILLISECOND;
const LONGEST_PATIENCE: Micros = 10 * SECOND;

const BEGINS = 1;
const ENDS = 2;

interface Part {
  readonly flags: number;
  readonly bytes: Uint8Array;
}

/** A message that waits, or is on its way. */
interface Queued {
  readonly length: number;
  /** It can be done without, as long as nothing of it was sent. */
  readonly spare: boolean;
  begun: boolean;
}

interface QueuedPart extends Part {
  readonly message: Queued;
}

interface Head {
  /** Of the sender, in one of its lives. */
  readonly source: string;
  /** Number of the first part. */
  readonly first: number;
  readonly parts: readonly { readonly flags: number; readonly bytes: number }[];
}

export interface ConveyorOptions {
  readonly bus: Bus;
  /** Of the receiver, at first. */
  readonly subject: string;
  readonly source: string;
  readonly timers: Timers;
  /** Signs what is sent. */
  readonly seal?: ((batch: Uint8Array) => Uint8Array) | undefined;
  /** The receiver will never take it: nothing more is sent. */
  readonly onRefused: (error: BusError) => void;
  /** So much of what can be done without is kept, the last always; the oldest is dropped. Default: everything. */
  readonly keepSpare?: Bytes | undefined;
  readonly onDropped?: (() => void) | undefined;
}

export class Conveyor {
  readonly #options: ConveyorOptions;
  readonly #roundTrip = new LearnedDeadline(FIRST_ROUND_TRIP);
  readonly #idle: (() => void)[] = [];
  #subject: string;
  /** Whole messages: the first may be on its way, and of its parts so many acknowledged. */
  #queue: QueuedPart[] = [];
  #taken = 0;
  #spare: Bytes = 0;
  /** Number of the queue's first part. */
  #first = 0;
  /** Ends the wait for who is no longer the receiver. */
  #turn: () => void = () => {};
  #busy = false;
  #closed = false;
  #parting = false;

  constructor(options: ConveyorOptions) {
    this.#options = options;
    this.#subject = options.subject;
  }

  /** What was not acknowledged, and all that follows, is for another receiver. */
  redirect(subject: string): void {
    if (subject === this.#subject) return;
    this.#subject = subject;
    this.#taken = 0;
    this.#turn();
  }

  /** @param spare it may be dropped while nobody takes it. */
  push(message: Uint8Array, spare = false): void {
    if (this.#closed) return;
    const queued: Queued = { length: message.length, spare, begun: false };
    for (let at = 0; at === 0 || at < message.length; at += PART_BYTES) {
      const begins = at === 0 ? BEGINS : 0;
      const ends = at + PART_BYTES >= message.length ? ENDS : 0;
      const bytes = message.subarray(at, at + PART_BYTES);
      this.#queue.push({ flags: begins | ends, bytes, message: queued });
    }
    if (spare) this.#keep(queued);
    if (!this.#busy) this.#run().catch((error: unknown) => this.#refuse(error));
  }

  /** The last message, after which the receiver goes: once it has gone, nothing more is to be acknowledged. */
  farewell(message: Uint8Array): void {
    this.push(message);
    this.#parting = true;
  }

  /** Resolves when everything was acknowledged, or nothing more will be. */
  empty(): Promise<void> {
    if (this.#closed || this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#wake();
  }

  /** Drops the oldest of what can be done without, until the rest is little enough. */
  #keep(last: Queued): void {
    this.#spare += last.length;
    while (this.#spare > (this.#options.keepSpare ?? Number.POSITIVE_INFINITY)) {
      const oldest = this.#queue.find(
        ({ message }) => message.spare && !message.begun && message !== last,
      )?.message;
      if (!oldest) return;
      this.#queue = this.#queue.filter(({ message }) => message !== oldest);
      this.#spare -= oldest.length;
      this.#options.onDropped?.();
    }
  }

  async #run(): Promise<void> {
    this.#busy = true;
    // What is pushed in the same turn goes together.
    await Promise.resolve();
    while (this.#queue.length > 0 && !this.#closed) {
      const to = this.#subject;
      const batch = this.#batch();
      const sealed = this.#options.seal?.(batch.frame) ?? batch.frame;
      const turned = new Promise<void>((resolve) => {
        this.#turn = resolve;
      });
      await Promise.race([this.#deliver(to, sealed), turned]);
      if (to === this.#subject) this.#acknowledged(batch.count);
    }
    this.#busy = false;
    this.#wake();
  }

  /** Lets go of the messages that are whole at the other end. */
  #acknowledged(parts: number): void {
    this.#taken += parts;
    const last = this.#queue.slice(0, this.#taken).findLastIndex(({ flags }) => flags & ENDS);
    const done = this.#queue.splice(0, last + 1);
    for (const { flags, message } of done)
      if (message.spare && flags & ENDS) this.#spare -= message.length;
    this.#first += done.length;
    this.#taken -= done.length;
  }

  #batch(): { readonly frame: Uint8Array; readonly count: number } {
    let [count, bytes] = [0, 0];
    for (const part of this.#queue.slice(this.#taken)) {
      if (count > 0 && bytes + part.bytes.length > BATCH_BYTES) break;
      count++;
      bytes += part.bytes.length;
    }
    const parts = this.#queue.slice(this.#taken, this.#taken + count);
    const data = new Uint8Array(bytes);
    let at = 0;
    for (const part of parts) {
      part.message.begun = true;
      data.set(part.bytes, at);
      at += part.bytes.length;
    }
    const head: Head = {
      source: this.#options.source,
      first: this.#first + this.#taken,
      parts: parts.map((part) => ({ flags: part.flags, bytes: part.bytes.length })),
    };
    return { frame: encodeFrame(head, data), count };
  }

  /** Until it is acknowledged, or there is nobody any more whom to tell it there. */
  async #deliver(subject: string, data: Uint8Array): Promise<void> {
    const { bus, timers } = this.#options;
    for (let tries = 0; !this.#closed && subject === this.#subject; tries++) {
      const patience = this.#roundTrip.deadline() * 2 ** Math.min(tries, MOST_DOUBLINGS);
      const asked = timers.now();
      try {
        await bus.request(subject, data, { deadline: Math.min(patience, LONGEST_PATIENCE) });
        if (tries === 0) this.#roundTrip.observe(Math.max(MILLISECOND, timers.now() - asked));
        return;
      } catch (error) {
        // A signed order that came again: the first copy arrived, its acknowledgement did not.
        if (tries > 0 && error instanceof BusError && error.code === "BUS_REPLAYED") return;
        if (!isRetryable(error)) throw error;
        if (this.#parting && error instanceof BusError && error.code === "BUS_NO_RESPONDERS")
          return;
      }
      await new Promise<void>((resolve) => timers.after(PAUSE, resolve));
    }
  }

  #refuse(error: unknown): void {
    const closed = this.#closed;
    this.close();
    if (closed) return;
    this.#options.onRefused(
      error instanceof BusError ? error : new BusError("BUS_BAD_MESSAGE", String(error)),
    );
  }

  #wake(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

interface Source {
  next: number;
  readonly parts: Uint8Array[];
  whole: boolean;
}

/** The receiving end of conveyors; what comes twice is handed on once. */
export class Intake {
  readonly #handler: (message: Uint8Array, source: string) => void;
  readonly #known: (source: string) => boolean;
  readonly #sources = new Map<string, Source>();

  /** @param known whether anything is taken from this source; by default from all. */
  constructor(
    handler: (message: Uint8Array, source: string) => void,
    known: (source: string) => boolean = () => true,
  ) {
    this.#handler = handler;
    this.#known = known;
  }

  /** @throws BusError BUS_BAD_MESSAGE where it is no batch, BUS_FORBIDDEN where the source is not known. */
  take(frame: Uint8Array): void {
    const decoded = decodeFrame<Head>(frame);
    const { source: name, first, parts } = decoded?.header ?? {};
    const whole = Number.isSafeInteger(first) && Array.isArray(parts);
    if (!decoded || typeof name !== "string" || first === undefined || !parts || !whole)
      throw new BusError("BUS_BAD_MESSAGE", "what came is no batch of messages");
    if (!this.#known(name))
      throw new BusError("BUS_FORBIDDEN", "messages of nobody whom this run has reserved");
    // A receiver that is new here begins wherever the sender is.
    const source = this.#sources.get(name) ?? { next: first, parts: [], whole: false };
    this.#sources.set(name, source);
    let at = 0;
    for (const [index, { flags, bytes }] of parts.entries()) {
      const part = decoded.data.subarray(at, at + bytes);
      at += bytes;
      if (first + index !== source.next) continue;
      source.next++;
      this.#part(source, name, { flags, bytes: part });
    }
  }

  #part(source: Source, name: string, { flags, bytes }: Part): void {
    if (flags & BEGINS) {
      source.parts.length = 0;
      source.whole = true;
    }
    if (!source.whole) return;
    source.parts.push(bytes.slice());
    if (!(flags & ENDS)) return;
    source.whole = false;
    this.#handler(joined(source.parts.splice(0)), name);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
