/**
 * A connection over the bus, where no direct dial works, and for pages: slower, and with no socket of its own. Both
 * ends name each other; whoever comes first waits. Chunks travel as requests, whose answers acknowledge them, on
 *
 *   pangaea.peer.<run>.<from>.<to>.hello       introductions, and the life of which each end is
 *   pangaea.peer.<run>.<from>.<to>.<session>   chunks: u8 version, u8 queue, u16 zero, u32 number, bytes
 *
 * The bus may lose, repeat and reorder; nothing of that is seen here. A peer that has been silent for longer than
 * its signs of life have taught is gone. Runs in a page: nothing here is Node's.
 */
import { PangaeaError } from "../../core/errors.ts";
import { Scope } from "../../core/scope.ts";
import { MILLISECOND, type Micros, SECOND } from "../../core/units.ts";
import type { Bus, Subscription } from "../bus/contract.ts";
import { BusError, isRetryable, unavailable } from "../bus/errors.ts";
import { decodeFrame, encodeFrame } from "../bus/frame.ts";
import { LearnedDeadline } from "../bus/learned.ts";
import { realTimers, type Timers } from "../bus/timers.ts";
import { retrying, sleep } from "../bus/wait.ts";
import { LaneConnection } from "../wire/connection.ts";
import type { Connection, Parcel } from "../wire/contract.ts";
import { malformed, peerGone, refused } from "../wire/errors.ts";
import type { WireOptions } from "../wire/options.ts";
import { CHUNK_BYTES, type RelayCarrier, RelayLane } from "./relay-lane.ts";
import { asWord } from "./subjects.ts";

type Shared = "name" | "run" | "version" | "token";
type Bounds = "maxQueued" | "maxPayload" | "helloMillis" | "closeMillis";

export interface RelayOptions extends Pick<WireOptions, Shared | Bounds> {
  /** The other end's name. */
  readonly peer: string;
  /** Between two signs of life. Default 2 s. */
  readonly beatMicros?: Micros | undefined;
  readonly timers?: Timers | undefined;
}

/** Of one end in one of its lives. */
interface Hello extends Pick<WireOptions, Shared> {
  readonly session: string;
}

const HEADER_BYTES = 8;
const VERSION = 1;
const QUEUES = ["control", "bulk"] as const;
const NOTHING = new Uint8Array(0);
const BEAT = 255;
/** A round trip, before one was seen. */
const FIRST_ROUND_TRIP: Micros = 200 * MILLISECOND;
const LONGEST_PATIENCE: Micros = 30 * SECOND;
/** Once the peer has said goodbye: it may have left before it could answer. */
const LAST_PATIENCE: Micros = SECOND / 2;

/**
 * Joins this end to `peer`; both ends call this. Throws PEER_REFUSED when the other is of another run or version or
 * does not know the token, and what the bus throws (BUS_NO_RESPONDERS, BUS_TIMEOUT) when it has not come after
 * `helloMillis`.
 */
export async function relay(bus: Bus, options: RelayOptions): Promise<Connection> {
  const link = new RelayLink(bus, options);
  try {
    return await link.open();
  } catch (error) {
    link.close();
    throw error;
  }
}

class RelayLink implements RelayCarrier {
  readonly name = "the relay";
  readonly #bus: Bus;
  readonly #options: RelayOptions;
  readonly #timers: Timers;
  readonly #hello: Hello;
  readonly #scope = new Scope();
  readonly #lanes: Readonly<Record<Parcel["queue"], RelayLane>>;
  readonly #served: Subscription[] = [];
  readonly #roundTrip = new LearnedDeadline(FIRST_ROUND_TRIP);
  readonly #beats: LearnedDeadline;
  readonly #beatMicros: Micros;
  #peer: Hello | undefined;
  #met: () => void = () => {};
  #heard = 0;
  #silent: Micros = 0;
  #lastBeat: Micros | undefined;
  #stopBeat = (): void => {};
  #failure: Error | undefined;

  constructor(bus: Bus, options: RelayOptions) {
    this.#bus = bus;
    this.#options = options;
    this.#timers = options.timers ?? realTimers();
    this.#beatMicros = options.beatMicros ?? 2 * SECOND;
    this.#beats = new LearnedDeadline(this.#beatMicros);
    const { name, run, version, token, peer } = options;
    const random = globalThis.crypto.getRandomValues(new Uint32Array(4));
    const session = Array.from(random, (word) => word.toString(16)).join("-");
    this.#hello = { name, run, version, token, session };
    const maxPayload = options.maxPayload ?? 2 ** 30;
    this.#lanes = {
      control: new RelayLane(peer, "control", this, maxPayload),
      bulk: new RelayLane(peer, "bulk", this, maxPayload),
    };
  }

  get heard(): number {
    return this.#heard;
  }

  async open(): Promise<Connection> {
    const { peer } = this.#options;
    const met = new Promise<void>((resolve) => (this.#met = resolve));
    const hears = this.#subject(peer, this.#hello.name, this.#hello.session);
    this.#served.push(await this.#bus.serve(hears, (message) => this.#take(message)));
    const greeted = this.#subject(peer, this.#hello.name, "hello");
    this.#served.push(await this.#bus.serve(greeted, (hello) => this.#greet(hello)));
    await Promise.race([met, this.#introduce()]);
    return this.#begin();
  }

  /** Brings a chunk; asks again, with more patience each time, until it is acknowledged or all is over. */
  async bring(queue: Parcel["queue"], sequence: number, bytes: Uint8Array): Promise<void> {
    const message = new Uint8Array(HEADER_BYTES + bytes.length);
    message[0] = VERSION;
    message[1] = QUEUES.indexOf(queue);
    new DataView(message.buffer).setUint32(4, sequence);
    message.set(bytes, HEADER_BYTES);
    const asked = this.#timers.now();
    await this.#ask(message);
    this.#roundTrip.observe(Math.max(MILLISECOND, this.#timers.now() - asked));
  }

  failed(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    const { peer } = this.#options;
    const nonsense = error instanceof PangaeaError && error.code === "FRAME_MALFORMED";
    const reason = nonsense ? error : peerGone(peer, error.message, error);
    for (const queue of QUEUES) this.#lanes[queue].fail(reason);
  }

  close(): void {
    this.#stopBeat();
    this.#scope.cancel("the relay was closed");
    for (const subscription of this.#served) subscription.close();
  }

  #subject(from: string, to: string, what: string): string {
    return ["pangaea.peer", ...[this.#options.run, from, to].map(asWord), what].join(".");
  }

  /** Says hello until the peer answers; it answers once it has come. */
  async #introduce(): Promise<void> {
    const { peer, name, helloMillis = 5000 } = this.#options;
    const subject = this.#subject(name, peer, "hello");
    const ask = (left: Micros): Promise<Uint8Array> =>
      this.#bus.request(subject, encodeFrame(this.#hello), {
        deadline: Math.min(left, this.#roundTrip.deadline()),
        scope: this.#scope,
      });
    try {
      const micros = helloMillis * MILLISECOND;
      const answer = await retrying(this.#timers, micros, ask, this.#scope);
      this.#meet(answer);
    } catch (error) {
      if (this.#peer !== undefined) return;
      if (error instanceof BusError && error.code === "PEER_REFUSED")
        throw refused("this host", error.message, error);
      throw error;
    }
  }

  #greet(message: Uint8Array): Uint8Array {
    this.#meet(message);
    return encodeFrame(this.#hello);
  }

  /** Checks who the other end says it is. Secrets are not repeated. */
  #meet(message: Uint8Array): void {
    const hello = decodeFrame<Partial<Hello>>(message)?.header ?? {};
    const { peer, run, version, token } = this.#options;
    const wrong =
      hello.name !== peer
        ? `it is not ${peer}`
        : hello.version !== version
          ? `it is of another version than ${version}`
          : hello.run !== run
            ? `it is of another run than ${run}`
            : !sameText(hello.token, token)
              ? "its token is not that of the run"
              : typeof hello.session !== "string"
                ? "it did not say its session"
                : undefined;
    if (wrong !== undefined) throw refused(peer, wrong);
    if (this.#peer !== undefined && this.#peer.session !== hello.session) {
      this.failed(new Error("it began anew"));
      throw unavailable(`${this.#options.name} still ends its connection to the former ${peer}`);
    }
    this.#peer = hello as Hello;
    this.#met();
  }

  #begin(): Connection {
    const { peer, maxQueued = 256 * 2 ** 20, closeMillis = 5000 } = this.#options;
    const limits = { maxQueued, closeMillis, silenceMillis: 0 };
    const connection = new LaneConnection(peer, this.#lanes, limits, this.#timers);
    connection.ended.then(
      () => this.close(),
      () => this.close(),
    );
    this.#beat();
    return connection;
  }

  async #ask(message: Uint8Array): Promise<void> {
    const subject = this.#target();
    for (let tries = 0; ; tries++) {
      const patience = this.#roundTrip.deadline() * 2 ** Math.min(tries, 3);
      const longest = this.#saidGoodbye() ? LAST_PATIENCE : LONGEST_PATIENCE;
      const deadline = Math.min(patience, longest);
      try {
        await this.#bus.request(subject, message, { deadline, scope: this.#scope });
        this.#heard++;
        return;
      } catch (error) {
        if (!isRetryable(error) || this.#isOver(error)) throw error;
        await sleep(this.#timers, Math.min(patience / 8, SECOND), this.#scope);
      }
    }
  }

  #target(): string {
    return this.#subject(this.#options.name, this.#options.peer, this.#peer!.session);
  }

  /** After its goodbyes a peer that has everything leaves, and an acknowledgement may be lost. */
  #isOver(error: unknown): boolean {
    const left = error instanceof BusError && error.code === "BUS_NO_RESPONDERS";
    return left && this.#saidGoodbye();
  }

  #saidGoodbye(): boolean {
    return QUEUES.every((queue) => this.#lanes[queue].finished);
  }

  #take(message: Uint8Array): Uint8Array {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    if (message.length < HEADER_BYTES || message[0] !== VERSION || view.getUint16(2) !== 0)
      throw this.#malformed("a message that is no chunk");
    this.#heard++;
    if (message[1] === BEAT) {
      this.#hearBeat();
      return NOTHING;
    }
    const queue = QUEUES[message[1]!];
    if (queue === undefined || message.length > HEADER_BYTES + CHUNK_BYTES)
      throw this.#malformed(`a chunk of ${message.length} bytes for queue ${message[1]}`);
    try {
      if (!this.#lanes[queue].take(view.getUint32(4), message.subarray(HEADER_BYTES)))
        throw unavailable(`${this.#options.name} takes no more for now`);
      return NOTHING;
    } catch (error) {
      if (!isRetryable(error)) this.failed(error as Error);
      throw error;
    }
  }

  #malformed(what: string): Error {
    const error = malformed(this.#options.peer, what, 0);
    this.failed(error);
    return error;
  }

  #hearBeat(): void {
    const now = this.#timers.now();
    if (this.#lastBeat !== undefined) this.#beats.observe(now - this.#lastBeat);
    this.#lastBeat = now;
  }

  /** Signs of life, and a look whether there were any; one's own late beats do not count against the peer. */
  #beat(): void {
    let heard = this.#heard;
    const tick = (): void => {
      this.#silent = this.#heard === heard ? this.#silent + this.#beatMicros : 0;
      heard = this.#heard;
      if (this.#silent >= this.#beats.deadline()) {
        const millis = Math.round(this.#silent / MILLISECOND);
        this.failed(new Error(`it was silent for ${millis} ms`));
        return;
      }
      this.#sayAlive();
      this.#stopBeat = this.#timers.after(this.#beatMicros, tick);
    };
    this.#sayAlive();
    this.#stopBeat = this.#timers.after(this.#beatMicros, tick);
  }

  #sayAlive(): void {
    const message = new Uint8Array(HEADER_BYTES);
    message.set([VERSION, BEAT]);
    const deadline = this.#beatMicros;
    this.#bus.request(this.#target(), message, { deadline, scope: this.#scope }).then(
      () => {
        this.#heard++;
      },
      () => {
        // Lost, or the peer is gone: its own signs of life tell which.
      },
    );
  }
}

/** In a time that does not say where they differ. */
function sameText(said: unknown, known: string): boolean {
  if (typeof said !== "string" || said.length !== known.length) return false;
  let differs = 0;
  for (let i = 0; i < known.length; i++) differs |= said.charCodeAt(i) ^ known.charCodeAt(i);
  return differs === 0;
}
