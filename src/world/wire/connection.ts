/**
 * A connection over two lanes, one for each queue, so that a clock or a barrier never waits behind a tensor.
 * It ends in order when both ends have said goodbye on both lanes, after everything queued has been sent; in any
 * other way it ends with PEER_GONE (or FRAME_MALFORMED), at both queues at once.
 */
import { Condition } from "../../core/condition.ts";
import type { PangaeaError } from "../../core/errors.ts";
import type { Scope } from "../../core/scope.ts";
import type { Bytes } from "../../core/units.ts";
import type { Connection, Parcel } from "./contract.ts";
import { peerGone, queueFull } from "./errors.ts";
import { ALIVE, GOODBYE, internal } from "./hello.ts";
import type { Lane, LaneParcel } from "./lane.ts";
import type { Limits } from "./options.ts";

/** So many signs of life of the peer must be missing before it counts as gone. */
const MISSING = 3;

export class LaneConnection implements Connection {
  readonly peer: string;
  readonly ended: Promise<PangaeaError | undefined>;
  readonly #lanes: Readonly<Record<Parcel["queue"], Lane>>;
  readonly #limits: Limits;
  readonly #changed = new Condition();
  readonly #settle: (error: PangaeaError | undefined) => void;
  readonly #heartbeat: NodeJS.Timeout | undefined;
  /** Lanes whose peer has said goodbye, and those that have nothing more to do. */
  readonly #goodbyes = new Set<Lane>();
  readonly #over = new Set<Lane>();
  #state: "open" | "closing" | "ended" = "open";
  #closing: NodeJS.Timeout | undefined;
  #reason = "the connection was closed";
  #handler: ((parcel: Parcel) => void) | undefined;
  #waiting: Parcel[] = [];
  #waitingBytes = 0;
  #heard = 0;
  #missing = 0;

  constructor(peer: string, lanes: Readonly<Record<Parcel["queue"], Lane>>, limits: Limits) {
    this.peer = peer;
    this.#lanes = lanes;
    this.#limits = limits;
    let settle: (error: PangaeaError | undefined) => void = () => {};
    this.ended = new Promise((resolve) => (settle = resolve));
    this.#settle = settle;
    if (limits.silenceMillis > 0)
      this.#heartbeat = setInterval(() => this.#beat(), limits.silenceMillis / MISSING).unref();
    for (const queue of ["control", "bulk"] as const) {
      const lane = lanes[queue];
      lane.listen({
        arrived: (parcel, own) => (own ? this.#told(lane, parcel) : this.#take(parcel, queue)),
        failed: (error) => this.#failed(lane, error),
        left: () => this.#left(),
      });
    }
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
    lane.send(parcel);
  }

  backlog(): Bytes {
    return this.#lanes.bulk.queued;
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
    if (this.#waitingBytes > this.#limits.maxQueued) this.#eachLane((lane) => lane.resume());
    this.#waitingBytes = 0;
  }

  async close(): Promise<void> {
    this.#beginClose();
    await this.ended;
  }

  #eachLane(act: (lane: Lane) => void): void {
    act(this.#lanes.control);
    act(this.#lanes.bulk);
  }

  #take(arrived: LaneParcel, queue: Parcel["queue"]): void {
    this.#closing?.refresh();
    const parcel: Parcel = { ...arrived, queue };
    if (this.#handler) {
      this.#deliver(this.#handler, parcel);
      return;
    }
    this.#waiting.push(parcel);
    for (const part of parcel.payload) this.#waitingBytes += part.byteLength;
    if (this.#waitingBytes > this.#limits.maxQueued) this.#eachLane((lane) => lane.pause());
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
  #told(lane: Lane, { kind }: LaneParcel): void {
    if (kind !== GOODBYE) return;
    this.#goodbyes.add(lane);
    this.#reason = "it closed the connection";
    this.#beginClose();
    this.#left();
  }

  #beginClose(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#eachLane((lane) => lane.send(internal(GOODBYE), true));
    const { closeMillis } = this.#limits;
    this.#closing = setTimeout(
      () =>
        this.#end(peerGone(this.peer, `it did not let the connection close in ${closeMillis} ms`)),
      closeMillis,
    );
  }

  /** Bytes have left: whoever waits for that is told, and a close may be complete. */
  #left(): void {
    this.#closing?.refresh();
    this.#changed.notify();
    if (this.#state !== "closing") return;
    this.#eachLane((lane) => {
      if (this.#goodbyes.has(lane) && lane.queued === 0) this.#over.add(lane);
    });
    if (this.#over.size === 2) this.#end(undefined);
  }

  #failed(lane: Lane, error: PangaeaError): void {
    // After a goodbye the peer may hang up: it has got everything.
    if (!this.#goodbyes.has(lane)) this.#end(error);
    else if (this.#over.add(lane).size === 2) this.#end(undefined);
  }

  #end(error: PangaeaError | undefined): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    if (error) this.#reason = error.message;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#closing);
    this.#eachLane((lane) => lane.destroy());
    this.#settle(error);
    this.#changed.notify();
  }

  /**
   * Ticks, not time, count against the peer: when this thread was busy for long, one tick follows, and what the
   * peer said meanwhile is read before the next.
   */
  #beat(): void {
    const heard = this.#lanes.control.heard + this.#lanes.bulk.heard;
    this.#missing = heard === this.#heard ? this.#missing + 1 : 0;
    this.#heard = heard;
    if (this.#missing >= MISSING)
      this.#end(peerGone(this.peer, `it was silent for ${this.#limits.silenceMillis} ms`));
    else if (this.#state === "open") this.#lanes.control.send(internal(ALIVE), true);
  }
}
