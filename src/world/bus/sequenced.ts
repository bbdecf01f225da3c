/**
 * Once, in order, over a bus that loses, repeats and reorders. The sender numbers its messages and asks again
 * until each is acknowledged; the receiver holds what came too early, drops what it has had, and acknowledges a
 * message when its handler is done. That is exactly once for as long as both ends live: a receiver that forgot a
 * stream refuses it (BUS_STREAM_LOST), and a sender that gave up stays given up, since nothing after a hole may
 * be delivered. A new sender is a new stream.
 */
import type { Scope } from "../../core/scope.ts";
import { MILLISECOND, type Micros } from "../../core/units.ts";
import type { Bus, Subscription } from "./contract.ts";
import { BusError } from "./errors.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { freshName } from "./fresh.ts";
import { LearnedDeadline } from "./learned.ts";
import type { Timers } from "./timers.ts";
import { retrying } from "./wait.ts";

interface Header {
  /** Which sender, in which of its lives. */
  readonly stream: string;
  /** From 1. */
  readonly sequence: number;
  /** All numbers up to this were acknowledged. */
  readonly acknowledged: number;
}

/** How far ahead of the first missing message a receiver holds others. */
const WINDOW = 256;
/** A round trip, before one was seen. */
const FIRST_ROUND_TRIP: Micros = 100 * MILLISECOND;
/** An unanswered message is asked again with more patience, up to 2^3 round trips' deadlines. */
const MOST_DOUBLINGS = 3;
const NOTHING = new Uint8Array(0);

export interface SenderOptions {
  readonly timers: Timers;
  /** How long a message is asked again before the sender gives up. */
  readonly deadline: Micros;
}

export class SequencedSender {
  readonly #bus: Bus;
  readonly #subject: string;
  readonly #options: SenderOptions;
  readonly #stream = freshName();
  readonly #roundTrip = new LearnedDeadline(FIRST_ROUND_TRIP);
  readonly #open = new Set<number>();
  #sequence = 0;
  #failure: unknown;

  constructor(bus: Bus, subject: string, options: SenderOptions) {
    this.#bus = bus;
    this.#subject = subject;
    this.#options = options;
  }

  /** Resolves when the receiver has handled the message; messages are handled in the order of these calls. */
  async send(data: Uint8Array, scope?: Scope): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const sequence = ++this.#sequence;
    this.#open.add(sequence);
    try {
      const { timers, deadline } = this.#options;
      let tries = 0;
      const ask = (left: Micros): Promise<void> => this.#ask(sequence, data, tries++, left, scope);
      await retrying(timers, deadline, ask, scope);
      this.#open.delete(sequence);
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  async #ask(
    sequence: number,
    data: Uint8Array,
    tries: number,
    left: Micros,
    scope: Scope | undefined,
  ): Promise<void> {
    const { timers } = this.#options;
    const acknowledged = Math.min(...this.#open) - 1;
    const header: Header = { stream: this.#stream, sequence, acknowledged };
    const patience = this.#roundTrip.deadline() * 2 ** Math.min(tries, MOST_DOUBLINGS);
    const deadline = Math.min(left, patience);
    const asked = timers.now();
    await this.#bus.request(this.#subject, encodeFrame(header, data), { deadline, scope });
    // Karn: of a message sent twice nobody knows which copy was answered.
    if (tries === 0) this.#roundTrip.observe(Math.max(MILLISECOND, timers.now() - asked));
  }
}

interface Held {
  readonly data: Uint8Array;
  readonly handled: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What a receiver knows of one stream. */
class Stream {
  readonly #handler: (data: Uint8Array, stream: string) => void | Promise<void>;
  readonly #name: string;
  readonly #held = new Map<number, Held>();
  #next = 1;
  #busy = false;
  #failure: unknown;

  constructor(name: string, handler: (data: Uint8Array, stream: string) => void | Promise<void>) {
    this.#name = name;
    this.#handler = handler;
  }

  /** Resolves when the message has been handled, now or before. */
  async take({ sequence, acknowledged }: Header, data: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (acknowledged >= this.#next) throw streamLost();
    if (sequence < this.#next) return;
    if (sequence >= this.#next + WINDOW) {
      throw new BusError("BUS_WINDOW_FULL", `message ${sequence} is ${WINDOW} ahead`, {
        retryable: true,
      });
    }
    const held = this.#held.get(sequence) ?? hold(data.slice());
    this.#held.set(sequence, held);
    await Promise.all([this.#deliver(), held.handled]);
  }

  async #deliver(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let held = this.#held.get(this.#next); held; held = this.#held.get(this.#next)) {
      try {
        await this.#handler(held.data, this.#name);
      } catch (error) {
        this.#failure = error;
        for (const other of this.#held.values()) other.reject(error);
        return;
      }
      this.#held.delete(this.#next++);
      held.resolve();
    }
    this.#busy = false;
  }
}

function hold(data: Uint8Array): Held {
  let resolve: Held["resolve"] = () => {};
  let reject: Held["reject"] = () => {};
  const handled = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  handled.catch(() => {});
  return { data, handled, resolve, reject };
}

const streamLost = (): BusError =>
  new BusError("BUS_STREAM_LOST", "the receiver does not know what this stream has delivered", {
    fix: "the receiver started anew: open a new sender and tell it the state again",
  });

/**
 * Hears a subject's streams: each message of each sender once, in order. A handler that fails ends the stream,
 * and its sender is told with the handler's code.
 */
export function receiveSequenced(
  bus: Bus,
  subject: string,
  handler: (data: Uint8Array, stream: string) => void | Promise<void>,
): Promise<Subscription> {
  const streams = new Map<string, Stream>();
  return bus.serve(subject, async (frame) => {
    const decoded = decodeFrame<Partial<Header>>(frame);
    const { stream: name, sequence, acknowledged } = decoded?.header ?? {};
    const whole = Number.isSafeInteger(sequence) && Number.isSafeInteger(acknowledged);
    if (!decoded || typeof name !== "string" || !whole) {
      throw new BusError("BUS_BAD_MESSAGE", `a message on ${subject} that has no number`);
    }
    const stream = streams.get(name) ?? new Stream(name, handler);
    streams.set(name, stream);
    await stream.take(decoded.header as Header, decoded.data);
    return NOTHING;
  });
}
