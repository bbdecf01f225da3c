/** One direction-pair of a connection: the parcels of one queue, in order, over a socket or a message port. */
import type { PangaeaError } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import type { Parcel } from "./contract.ts";

/** A parcel without its queue, which its lane says; also a message of the connection itself. */
export type LaneParcel = Omit<Parcel, "queue">;

/** Who hears of a lane; another one hears during the introductions than later. */
export interface LaneListener {
  /** `internal`: a message of the connection itself. */
  arrived(parcel: LaneParcel, internal: boolean): void;
  /** The carrier broke, or the peer sent nonsense. Called once. */
  failed(error: PangaeaError): void;
  /** Some bytes have been given to the system. */
  left(): void;
}

export interface Lane {
  send(parcel: LaneParcel, internal?: boolean): void;
  /** Bytes that wait here or were given to the system and not yet taken. */
  readonly queued: Bytes;
  /** Grows whenever the peer was heard. */
  readonly heard: number;
  /** From now on this listener hears, first what came meanwhile. `undefined`: what comes is kept. */
  listen(listener: LaneListener | undefined): void;
  /** Takes nothing more from the peer for now. */
  pause(): void;
  resume(): void;
  /** Ends at once, without a word to the listener. */
  destroy(): void;
}
