/**
 * Connections between the processes of a run: frames over sockets (unix, TCP, TLS) or message ports. One
 * connection joins two *hosts* (a process or thread with one or more nodes) and carries the messages of all their
 * nodes; order is kept per (from, to, queue), and control never waits for bulk.
 */
import type { PangaeaError } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Scope } from "../../core/scope.ts";
import type { BitsPerSecond, Bytes, Micros } from "../../core/units.ts";
import type { Header } from "../message.ts";

/** A message on its way: its kind by name, since both ends know the kinds. */
export interface Parcel {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly kind: string;
  readonly queue: "control" | "bulk";
  readonly header: Header;
  /** Typed arrays arrive as the types they were sent as. */
  readonly payload: readonly ArrayBufferView[];
}

/** What a connection has learned of the way to its peer; durations only, no clock is compared. */
export interface Estimate {
  /** Bulk that gets there when there is enough of it; 0 before any was measured. */
  readonly goodput: BitsPerSecond;
  /** The shortest round trip of late, there and back on the control queue; 0 before the first. */
  readonly roundTripMicros: Micros;
}

export interface Connection {
  /** The other end, as it introduced itself. */
  readonly peer: string;
  /**
   * Queues a parcel. Its payload must not change until it has left (`backlog` has fallen below what was queued
   * after it). Throws PEER_GONE once the connection is closed, QUEUE_FULL beyond the bound of the options.
   */
  send(parcel: Parcel): void;
  /** Bulk bytes queued here and not yet handed to the system, which takes no more than the peer gives credit for. */
  backlog(): Bytes;
  /** Resolves when `backlog() <= bytes`. */
  drained(bytes: Bytes, scope: Scope): Promise<void>;
  /** Calls `handler` for each parcel that arrives; those that came before are delivered first. */
  receive(handler: (parcel: Parcel) => void): void;
  estimate(): Estimate;
  /** Sends what is queued, then closes. */
  close(): Promise<void>;
  /** Settles once, when the connection has ended: undefined after an orderly close of either end. */
  readonly ended: Promise<PangaeaError | undefined>;
}

/** Where a listener is: a unix socket's path, or a port of a host. */
export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

export interface Listener {
  readonly address: Address;
  close(): Promise<void>;
}
