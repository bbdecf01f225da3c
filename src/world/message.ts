/**
 * Messages between nodes. A kind says once how its messages travel and what they carry; the network layer
 * queues, counts and refuses by kind, and knows nothing of protocols.
 */
import type { Cargo } from "../core/events.ts";
import type { Bytes } from "../core/units.ts";

export interface MessageKind {
  /** Stable tag: "gaia.update". */
  readonly name: string;
  /** `control` goes ahead of `bulk` in every queue. Order is kept per (from, to, queue). */
  readonly queue: "control" | "bulk";
  readonly carries: Cargo;
  /** May be lost or delivered twice (heartbeats, soft state); all other kinds arrive once, in order. */
  readonly lossy: boolean;
}

export const messageKind = (
  name: string,
  queue: MessageKind["queue"],
  carries: Cargo,
  options: { readonly lossy?: boolean } = {},
): MessageKind => ({ name, queue, carries, lossy: options.lossy ?? false });

/** Small values beside the tensors. */
export type Header = Readonly<Record<string, number | string | readonly number[]>>;

export interface Message {
  readonly kind: MessageKind;
  readonly header: Header;
  /** Raw tensors and encoded bytes. The receiver must not change them; the sender must not after `send`. */
  readonly payload: readonly ArrayBufferView[];
}

/** Frame of the wire: length, version, kind, correlation, priority, checksum. */
export const FRAME_BYTES: Bytes = 32;

/** Bytes that the message takes on a wire: frame, header (8 bytes a number), payload. */
export function wireBytes(message: Message): Bytes {
  let bytes = FRAME_BYTES;
  for (const key in message.header) {
    const value = message.header[key];
    if (typeof value === "number") bytes += 8;
    else if (value !== undefined)
      bytes += 4 + (typeof value === "string" ? value.length : 8 * value.length);
  }
  for (const part of message.payload) bytes += part.byteLength;
  return bytes;
}

/** TCP and IP headers of a segment, and what a segment carries. */
const SEGMENT_HEADER_BYTES = 40;
const SEGMENT_BYTES = 1460;

/** Bytes on the wire of a framed message, with its share of TCP and IP headers. */
export const bytesOnWire = (framed: Bytes, overheadBytes: Bytes = 0): Bytes =>
  framed + SEGMENT_HEADER_BYTES * Math.ceil(framed / SEGMENT_BYTES) + overheadBytes;
