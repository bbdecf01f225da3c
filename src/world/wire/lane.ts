/** One direction-pair of a connection: the parcels of one queue, in order, over sockets, a message port or a bus. */
import type { PangaeaError } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import type { Parcel } from "./contract.ts";

/** A parcel without its queue, which its lane says; also a message of the connection itself. */
export type LaneParcel = Omit<Parcel, "queue">;

/** Who hears of a lane. */
export interface LaneListener {
  arrived(parcel: LaneParcel): void;
  /** A message of the connection itself. */
  told(message: LaneParcel): void;
  /** The carrier broke, or the peer sent nonsense. Called once. */
  failed(error: PangaeaError): void;
  /** Some bytes have been given to the system, or were acknowledged. */
  left(): void;
  /** The peer has said goodbye: it sends nothing more here. */
  finished(): void;
  /** The peer may be told this. */
  took(credit: Credit): void;
}

/** Bytes of frames since the beginning. */
export interface Credit {
  readonly came: Bytes;
  /** In order: what came behind a gap does not count. */
  readonly taken: Bytes;
}

/** Something that can fall silent alone: a socket, a port. */
export interface Carrier {
  readonly name: string;
  /** Grows whenever the peer was heard. */
  readonly heard: number;
}

export interface Lane {
  send(parcel: LaneParcel): void;
  /** Sends a message of the connection itself, ahead of the parcels that wait. */
  tell(message: LaneParcel): void;
  /** Gives a sign of life on every carrier. */
  alive(): void;
  /** Says goodbye once everything that waits has been sent. */
  finish(): void;
  /** Bytes that wait here or were given to the system and not yet taken. */
  readonly queued: Bytes;
  /** Bytes of all parcels so far, and those of them that the peer has said it has. */
  readonly offered: Bytes;
  readonly delivered: Bytes;
  /** Whether parcels wait for their turn now. */
  readonly busy: boolean;
  readonly carriers: readonly Carrier[];
  /** From now on this listener hears, first what came meanwhile. */
  listen(listener: LaneListener): void;
  /** The peer has taken so many bytes. Throws what is wrong with that. */
  credit(credit: Credit): void;
  /** So many bytes may be under way. */
  allow(window: Bytes): void;
  /** Takes nothing more from the peer for now. */
  pause(): void;
  resume(): void;
  /** Ends at once, without a word to the listener. */
  destroy(): void;
}

/** Whether a peer may say this: what was sent, and never less than it said before. */
export const isSound = ({ came, taken }: Credit, before: Credit, sent: Bytes): boolean =>
  Number.isSafeInteger(came) &&
  Number.isSafeInteger(taken) &&
  came <= sent &&
  taken <= came &&
  came >= before.came &&
  taken >= before.taken;
