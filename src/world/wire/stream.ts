/**
 * One socket of a connection. It carries the connection's own messages, and frames that it fetches from its lane
 * when the system takes more; bytes in go straight to where they belong.
 */
import { Socket, type SocketConstructorOpts } from "node:net";
import { TLSSocket } from "node:tls";
import type { PangaeaError } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import { peerGone } from "./errors.ts";
import type { Carrier, LaneParcel } from "./lane.ts";
import { NODE } from "./machine.ts";
import { FrameReader } from "./reader.ts";
import { FrameWriter, type Outgoing } from "./writer.ts";

/** Bytes that a socket may hold which the system has not taken: it is given more when it holds fewer. */
const HELD_BYTES = 512 * 1024;
/** The reused buffer into which the system reads. */
const READ_BYTES = 128 * 1024;
/** So many bytes read from one socket, and others of this thread have their turn. The system alone would go on 32 times. */
export const READ_TURN_BYTES = 512 * 1024;
/** The largest head of an introduction. */
const HELLO_BYTES = 16 * 1024;

/** Who uses a stream; another one during the introductions than later. */
export interface StreamOwner {
  told(message: LaneParcel, stream: Stream): void;
  /** Bytes were read: parcels may have arrived. Throws what is wrong with them. */
  read(): void;
  failed(error: PangaeaError, stream: Stream): void;
  /** The system has taken so many bytes of the lane's frames. */
  left(bytes: Bytes): void;
}

/** Gives the next frame's buffers; answers its bytes, 0 where there is none for now. */
export type FrameSource = (into: Uint8Array[]) => Bytes;

export class Stream implements Carrier {
  readonly reader: FrameReader;
  readonly #writer = new FrameWriter(NODE);
  #owner: StreamOwner | undefined;
  /** What came while nobody listened. */
  #early: ((owner: StreamOwner) => void)[] = [];
  #socket: Socket | undefined;
  #messages: Outgoing[] = [];
  #held = 0;
  #ownBytes = 0;
  #heard = 0;
  #failed = false;
  #scheduled = false;
  /** Bytes read in this turn of the thread. */
  #turn = 0;
  #paused = false;

  /** Until the peer has introduced itself it may send one small head. */
  constructor(peer: string) {
    this.reader = new FrameReader(peer, NODE, { head: HELLO_BYTES, own: 0 }, (message) =>
      this.#hand((owner) => owner.told(message, this)),
    );
  }

  get name(): string {
    return this.reader.peer;
  }
  get heard(): number {
    return this.#heard;
  }
  /** Bytes of the connection's own messages that have not left. */
  get queued(): Bytes {
    return this.#ownBytes;
  }
  /** Whether frames carry checksums from now on. */
  set summed(summed: boolean) {
    this.#writer.summed = summed;
  }

  /** From now on this owner hears, first what came meanwhile; with `undefined` what comes is kept. */
  own(owner: StreamOwner | undefined): void {
    this.#owner = owner;
    while (this.#owner !== undefined && this.#early.length > 0) this.#early.shift()!(this.#owner);
  }

  /** Options of a socket that reads into one reused buffer, or to where the bytes belong. */
  onread() {
    const shared = Buffer.allocUnsafeSlow(READ_BYTES);
    return {
      buffer: (): Uint8Array => this.reader.room() ?? shared,
      callback: (count: number, into: Uint8Array): boolean => {
        this.#read(() => {
          if (into === shared) this.reader.push(shared.subarray(0, count));
          else this.reader.filled(count);
        });
        return this.#mayGoOn(count);
      },
    };
  }

  /** Whether the system may read on before this thread's others have had their turn. */
  #mayGoOn(count: number): boolean {
    if (this.#turn === 0) setImmediate(() => this.#nextTurn());
    this.#turn += count;
    return this.#turn < READ_TURN_BYTES;
  }

  #nextTurn(): void {
    const stopped = this.#turn >= READ_TURN_BYTES;
    this.#turn = 0;
    if (stopped && !this.#paused) this.#socket?.resume();
  }

  /**
   * Begins to use a socket that came in. Node gives these no way to read into a buffer of ours, though its sockets
   * have one; so one that has not begun to read hands what it stands for over to a socket that does. One that cannot
   * (of TLS) is read in chunks.
   */
  adopt(socket: Socket): void {
    const inner = socket as { _handle?: unknown };
    const handle = inner._handle;
    if (!handle || socket instanceof TLSSocket) {
      this.attach(socket, true);
      return;
    }
    inner._handle = null;
    const options = { handle, onread: this.onread(), readable: true, writable: true };
    this.attach(new Socket(options as SocketConstructorOpts), false);
  }

  /** Begins to use the socket; one without `onread` is read in chunks. */
  attach(socket: Socket, chunks: boolean): void {
    this.#socket = socket;
    socket.setNoDelay(true);
    if (chunks) socket.on("data", (bytes: Buffer) => this.#read(() => this.reader.push(bytes)));
    else socket.resume();
    socket.on("error", (error) => this.#fail(peerGone(this.reader.peer, error.message, error)));
    socket.on("close", () => this.#fail(peerGone(this.reader.peer, "its socket was closed")));
    socket.on("end", () => this.#fail(peerGone(this.reader.peer, "it hung up without a goodbye")));
  }

  /** Sends a message of the connection itself, ahead of frames that its lane has not yet given. */
  tell(message: LaneParcel): void {
    const outgoing = this.#writer.begin(message, true);
    this.#messages.push(outgoing);
    this.#ownBytes += counted(outgoing);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.pump(() => 0, 0);
    });
  }

  /** Gives the system frames from the source, until they are `most` bytes; answers how many bytes it were. */
  pump(source: FrameSource, most: Bytes): Bytes {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return 0;
    const buffers: Uint8Array[] = [];
    let [own, told] = [0, 0];
    for (const outgoing of this.#messages) {
      this.#writer.next(outgoing, buffers);
      own += outgoing.wireBytes;
      told += counted(outgoing);
    }
    this.#messages = [];
    let bytes = 0;
    while (bytes < most && this.#held < HELD_BYTES) {
      const count = source(buffers);
      if (count === 0) break;
      bytes += count;
    }
    if (buffers.length === 0) return 0;
    this.#held += own + bytes;
    const last = buffers.pop()!;
    if (buffers.length > 0) socket.cork();
    for (const buffer of buffers) socket.write(buffer);
    socket.write(last, (error) => error || this.#left(own, told, bytes));
    if (buffers.length > 0) socket.uncork();
    return bytes;
  }

  pause(): void {
    this.#paused = true;
    this.#socket?.pause();
  }
  resume(): void {
    this.#paused = false;
    this.#socket?.resume();
  }
  destroy(): void {
    this.#failed = true;
    this.#messages = [];
    this.#socket?.destroy();
  }

  #left(own: Bytes, told: Bytes, bytes: Bytes): void {
    this.#held -= own + bytes;
    this.#ownBytes -= told;
    this.#owner?.left(bytes);
  }

  #read(take: () => void): void {
    this.#heard++;
    if (this.#failed) return;
    try {
      take();
      this.#owner?.read();
    } catch (error) {
      this.#fail(error as PangaeaError);
    }
  }

  #fail(error: PangaeaError): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#hand((owner) => owner.failed(error, this));
  }

  #hand(what: (owner: StreamOwner) => void): void {
    if (this.#owner && this.#early.length === 0) what(this.#owner);
    else this.#early.push(what);
  }
}

/** What a message counts of what is queued: bytes that warm a socket up do not. */
const counted = ({ wireBytes, bodyBytes }: Outgoing): Bytes => (bodyBytes > 0 ? 0 : wireBytes);
