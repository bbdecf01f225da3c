/**
 * One socket of a connection: parcels out in order, in batches that the system takes without blocking this
 * thread for long; parcels in as they come. A lane knows nothing of its sister; the connection does.
 */
import type { Socket } from "node:net";
import type { PangaeaError } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import { peerGone } from "./errors.ts";
import type { Lane, LaneListener, LaneParcel } from "./lane.ts";
import { FrameReader } from "./reader.ts";
import { FrameWriter, type Outgoing } from "./writer.ts";

/** Bytes given to the system at once. */
const BATCH_BYTES = 1024 * 1024;
/** The reused buffer into which the system reads. */
const READ_BYTES = 128 * 1024;
/** The largest head of an introduction. */
const HELLO_BYTES = 16 * 1024;

export class SocketLane implements Lane {
  readonly reader: FrameReader;
  readonly writer = new FrameWriter();
  #listener: LaneListener | undefined;
  /** What came while nobody listened. */
  #early: ((listener: LaneListener) => void)[] = [];
  #socket: Socket | undefined;
  #queue: Outgoing[] = [];
  #next = 0;
  #queued = 0;
  #inFlight = 0;
  #scheduled = false;
  #heard = 0;
  #failed = false;

  /** Until the peer has introduced itself it may send one small head. */
  constructor(peer: string) {
    this.reader = new FrameReader(peer, { head: HELLO_BYTES, body: 0 }, (parcel, internal) =>
      this.#tell((listener) => listener.arrived(parcel, internal)),
    );
  }

  listen(listener: LaneListener | undefined): void {
    this.#listener = listener;
    while (this.#listener !== undefined && this.#early.length > 0)
      this.#early.shift()!(this.#listener);
  }

  /** Options of `connect` with which the socket reads into one reused buffer, or to where the bytes belong. */
  onread() {
    const shared = Buffer.allocUnsafeSlow(READ_BYTES);
    return {
      buffer: (): Uint8Array => this.reader.room() ?? shared,
      callback: (count: number, into: Uint8Array): boolean => {
        this.#guard(() => {
          if (into === shared) this.reader.push(shared.subarray(0, count));
          else this.reader.filled(count);
        });
        return true;
      },
    };
  }

  /** Begins to use the socket; one without `onread` is read in chunks. */
  attach(socket: Socket, chunks: boolean): this {
    this.#socket = socket;
    socket.setNoDelay(true);
    if (chunks) socket.on("data", (bytes: Buffer) => this.#guard(() => this.reader.push(bytes)));
    else socket.resume();
    socket.on("error", (error) => this.#fail(peerGone(this.reader.peer, error.message, error)));
    socket.on("close", () => this.#fail(peerGone(this.reader.peer, "its socket was closed")));
    socket.on("end", () => this.#fail(peerGone(this.reader.peer, "it hung up without a goodbye")));
    return this;
  }

  get queued(): Bytes {
    return this.#queued;
  }

  get heard(): number {
    return this.#heard;
  }

  send(parcel: LaneParcel, internal = false): void {
    const outgoing = this.writer.begin(parcel, internal);
    this.#queue.push(outgoing);
    this.#queued += outgoing.wireBytes;
    if (this.#scheduled) return;
    // What is sent in one turn leaves together.
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  pause(): void {
    this.#socket?.pause();
  }
  resume(): void {
    this.#socket?.resume();
  }
  destroy(): void {
    this.#failed = true;
    this.#queue = [];
    this.#socket?.destroy();
  }

  #pump(): void {
    const socket = this.#socket;
    if (this.#inFlight > BATCH_BYTES || this.#next === this.#queue.length) return;
    if (socket === undefined || socket.destroyed) return;
    const buffers: Uint8Array[] = [];
    let before = 0;
    let bytes = 0;
    while (bytes < BATCH_BYTES && this.#next < this.#queue.length) {
      const parcel = this.#queue[this.#next]!;
      before = buffers.length;
      const last = this.writer.next(parcel, buffers);
      for (let i = before; i < buffers.length; i++) bytes += buffers[i]!.length;
      if (last) this.#next++;
    }
    if (this.#next === this.#queue.length || this.#next > 1024) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    this.#inFlight += bytes;
    const last = buffers.pop()!;
    if (buffers.length > 0) socket.cork();
    for (const buffer of buffers) socket.write(buffer);
    socket.write(last, (error) => error || this.#left(bytes));
    if (buffers.length > 0) socket.uncork();
  }

  #left(bytes: Bytes): void {
    this.#inFlight -= bytes;
    this.#queued -= bytes;
    this.#pump();
    this.#listener?.left();
  }

  #guard(read: () => void): void {
    this.#heard++;
    if (this.#failed) return;
    try {
      read();
    } catch (error) {
      this.#fail(error as PangaeaError);
    }
  }

  #fail(error: PangaeaError): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#tell((listener) => listener.failed(error));
  }

  #tell(what: (listener: LaneListener) => void): void {
    if (this.#listener && this.#early.length === 0) what(this.#listener);
    else this.#early.push(what);
  }
}
