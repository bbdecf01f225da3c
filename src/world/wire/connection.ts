/**
 * A connection over two lanes, one for each queue, so that a clock or a barrier never waits behind a tensor.
 * It ends in order when both ends have said goodbye on both lanes, after everything queued has been sent; in any
 * other way it ends with PEER_GONE (or FRAME_MALFORMED), at both queues at once. Pings and credits travel on the
 * control lane; from them it estimates the way to the peer, and allows so much bulk to be under way.
 */
import { Condition } from "../../core/condition.ts";
import type { PangaeaError } from "../../core/errors.ts";
import type { Scope } from "../../core/scope.ts";
import { type Bytes, MILLISECOND, type Micros } from "../../core/units.ts";
import { realTimers, type Timers } from "../bus/timers.ts";
import type { Connection, Estimate, Parcel } from "./contract.ts";
import { peerGone, queueFull } from "./errors.ts";
import { Estimator } from "./estimator.ts";
import { Goodput } from "./goodput.ts";
import type { Carrier, Credit, Lane, LaneParcel } from "./lane.ts";
import type { Limits } from "./options.ts";
import { CREDIT, internal, PING, PONG } from "./words.ts";

/** So many signs of life of the peer must be missing before it counts as gone. */
const MISSING = 3;
/** While bulk flows, a ping so often. */
const PING_MICROS: Micros = 100 * MILLISECOND;

type Queue = Parcel["queue"];
const QUEUES = ["control", "bulk"] as const;
export type ConnectionLimits = Pick<Limits, "maxQueued" | "closeMillis" | "silenceMillis">;

export class LaneConnection implements Connection {
  readonly peer: string;
  readonly ended: Promise<PangaeaError | undefined>;
  readonly #lanes: Readonly<Record<Queue, Lane>>;
  readonly #limits: ConnectionLimits;
  readonly #timers: Timers;
  readonly #changed = new Condition();
  readonly #settle: (error: PangaeaError | undefined) => void;
  readonly #estimator = new Estimator();
  readonly #goodput = new Goodput();
  /** Lanes whose peer has said goodbye, and those that have nothing more to do. */
  readonly #goodbyes = new Set<Lane>();
  readonly #over = new Set<Lane>();
  #state: "open" | "closing" | "ended" = "open";
  #stopBeat = (): void => {};
  #stopClosing = (): void => {};
  #progressAt: Micros = 0;
  #reason = "the connection was closed";
  #handler: ((parcel: Parcel) => void) | undefined;
  #waiting: Parcel[] = [];
  readonly #waitingBytes = { control: 0, bulk: 0 };
  readonly #silent = new Map<Carrier, { heard: number; beats: number }>();
  #ping: { readonly id: number; readonly at: Micros } | undefined;
  #pings = 0;
  #pinged: Micros = 0;
  #wasIdle = true;

  constructor(
    peer: string,
    lanes: Readonly<Record<Queue, Lane>>,
    limits: ConnectionLimits,
    timers: Timers = realTimers(),
  ) {
    this.peer = peer;
    this.#lanes = lanes;
    this.#limits = limits;
    this.#timers = timers;
    let settle: (error: PangaeaError | undefined) => void = () => {};
    this.ended = new Promise((resolve) => (settle = resolve));
    this.#settle = settle;
    lanes.bulk.allow(this.#estimator.window());
    for (const queue of QUEUES) {
      const lane = lanes[queue];
      lane.listen({
        arrived: (parcel) => this.#take(parcel, queue),
        told: (message) => this.#told(lane, message),
        failed: (error) => this.#failed(lane, error),
        left: () => this.#left(),
        finished: () => this.#finished(lane),
        took: (credit) => this.#lanes.control.tell(internal(CREDIT, { ...credit })),
      });
    }
    this.#sendPing();
    if (limits.silenceMillis > 0) this.#beatLater();
  }

  send(parcel: Parcel): void {
    if (this.#state !== "open") throw peerGone(this.peer, this.#reason);
    const lane = this.#lanes[parcel.queue];
    if (lane.queued > 0) {
      let bytes = lane.queued;
      for (const part of parcel.payload) bytes += part.byteLength;
      if (bytes > this.#limits.maxQueued)
        throw queueFull(this.peer, lane.queued, this.#limits.maxQueued);
    }
    if (parcel.queue === "bulk" && this.#wasIdle) {
      this.#wasIdle = false;
      this.#estimator.resume(this.#timers.now(), lane.delivered);
    }
    lane.send(parcel);
    if (parcel.queue === "bulk") this.#goodput.sent(this.#timers.now(), lane.offered);
  }

  backlog(): Bytes {
    return this.#lanes.bulk.queued;
  }

  estimate(): Estimate {
    const { roundTripMicros } = this.#estimator.estimate();
    return { goodput: this.#goodput.rate ?? 0, roundTripMicros };
  }

  async drained(bytes: Bytes, scope: Scope): Promise<void> {
    const over = (): boolean => this.#state === "ended";
    const what = `at most ${bytes} bytes queued for ${this.peer}`;
    await this.#changed.until(() => over() || this.backlog() <= bytes, { what }, scope);
    if (over()) throw peerGone(this.peer, this.#reason);
  }

  receive(handler: (parcel: Parcel) => void): void {
    this.#handler = handler;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const parcel of waiting) this.#deliver(handler, parcel);
    for (const queue of QUEUES) {
      if (this.#paused(queue)) this.#lanes[queue].resume();
      this.#waitingBytes[queue] = 0;
    }
  }

  async close(): Promise<void> {
    this.#beginClose();
    await this.ended;
  }

  #paused(queue: Queue): boolean {
    return this.#waitingBytes[queue] > this.#limits.maxQueued;
  }

  #take(arrived: LaneParcel, queue: Queue): void {
    const { kind, from, to, header, payload } = arrived;
    if (this.#state === "closing") this.#progressAt = this.#timers.now();
    const parcel: Parcel = { kind, from, to, header, payload, queue };
    if (this.#handler) {
      this.#deliver(this.#handler, parcel);
      return;
    }
    this.#waiting.push(parcel);
    for (const part of parcel.payload) this.#waitingBytes[queue] += part.byteLength;
    if (this.#paused(queue)) this.#lanes[queue].pause();
  }

  /** A handler's fault is not the connection's: it stops the program loudly, between two parcels. */
  #deliver(handler: (parcel: Parcel) => void, parcel: Parcel): void {
    try {
      handler(parcel);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /** A word of the other end of the connection. */
  #told(lane: Lane, { kind, header }: LaneParcel): void {
    const number = (key: string): number => Number(header[key]);
    if (kind === PING) lane.tell(internal(PONG, { id: number("id") }));
    else if (kind === PONG) this.#takePong(number("id"));
    else if (kind === CREDIT) this.#takeCredit({ came: number("came"), taken: number("taken") });
  }

  #sendPing(): void {
    const now = this.#timers.now();
    this.#pinged = now;
    if (this.#ping !== undefined) return;
    this.#ping = { id: ++this.#pings, at: now };
    this.#lanes.control.tell(internal(PING, { id: this.#ping.id }));
  }

  #takePong(id: number): void {
    if (this.#ping === undefined || id !== this.#ping.id) return;
    this.#estimator.trip(this.#timers.now() - this.#ping.at);
    this.#ping = undefined;
  }

  #takeCredit(credit: Credit): void {
    try {
      this.#lanes.bulk.credit(credit);
    } catch (error) {
      this.#end(error as PangaeaError);
      return;
    }
    this.#left();
  }

  #beginClose(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    for (const queue of QUEUES) this.#lanes[queue].finish();
    this.#progressAt = this.#timers.now();
    this.#awaitClose(this.#limits.closeMillis * MILLISECOND);
  }

  /** The close may take as long as it likes while something moves. */
  #awaitClose(micros: Micros): void {
    const { closeMillis } = this.#limits;
    this.#stopClosing = this.#timers.after(micros, () => {
      const left = this.#progressAt + closeMillis * MILLISECOND - this.#timers.now();
      if (left > 0) this.#awaitClose(left);
      else
        this.#end(peerGone(this.peer, `it did not let the connection close in ${closeMillis} ms`));
    });
  }

  /** Bytes have left: whoever waits for that is told, and a close may be complete. */
  #left(): void {
    const { bulk } = this.#lanes;
    const now = this.#timers.now();
    this.#progressAt = now;
    this.#goodput.delivered(now, bulk.delivered, () => this.#estimator.estimate().roundTripMicros);
    if (this.#estimator.delivered(now, bulk.delivered, bulk.busy))
      bulk.allow(this.#estimator.window());
    this.#wasIdle = bulk.queued === 0;
    if (bulk.busy && now - this.#pinged > PING_MICROS && this.#state === "open") this.#sendPing();
    this.#changed.notify();
    this.#checkOver();
  }

  #checkOver(): void {
    if (this.#state !== "closing") return;
    for (const queue of QUEUES) {
      const lane = this.#lanes[queue];
      if (this.#goodbyes.has(lane) && lane.queued === 0) this.#over.add(lane);
    }
    if (this.#over.size === QUEUES.length) this.#end(undefined);
  }

  #finished(lane: Lane): void {
    this.#goodbyes.add(lane);
    this.#reason = "it closed the connection";
    this.#beginClose();
    this.#checkOver();
  }

  #failed(lane: Lane, error: PangaeaError): void {
    // After a goodbye the peer may hang up: it has got everything.
    if (!this.#goodbyes.has(lane)) this.#end(error);
    else if (this.#over.add(lane).size === QUEUES.length) this.#end(undefined);
  }

  #end(error: PangaeaError | undefined): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    if (error) this.#reason = error.message;
    this.#stopBeat();
    this.#stopClosing();
    for (const queue of QUEUES) this.#lanes[queue].destroy();
    this.#settle(error);
    this.#changed.notify();
  }

  #beatLater(): void {
    const micros = (this.#limits.silenceMillis * MILLISECOND) / MISSING;
    this.#stopBeat = this.#timers.after(micros, () => this.#beat());
  }

  /**
   * Beats, not time, count against the peer: when this thread was busy for long, one beat follows, and what the
   * peer said meanwhile is read before the next. Each socket counts for itself: one that is stuck holds up all.
   */
  #beat(): void {
    this.#beatLater();
    for (const queue of QUEUES) {
      if (this.#paused(queue)) continue;
      for (const carrier of this.#lanes[queue].carriers) this.#listenTo(carrier);
      if (this.#state === "ended") return;
      if (this.#state === "open") this.#lanes[queue].alive();
    }
    if (this.#state === "open") this.#sendPing();
  }

  #listenTo(carrier: Carrier): void {
    const before = this.#silent.get(carrier);
    const beats = before?.heard === carrier.heard ? before.beats + 1 : 0;
    this.#silent.set(carrier, { heard: carrier.heard, beats });
    const { silenceMillis } = this.#limits;
    if (beats >= MISSING)
      this.#end(peerGone(this.peer, `${carrier.name} was silent for ${silenceMillis} ms`));
  }
}
