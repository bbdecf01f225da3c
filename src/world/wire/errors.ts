/** What can go wrong between hosts. Every error names the peer, or the address while the peer is unknown. */
import { PangaeaError } from "../../core/errors.ts";
import type { Bytes } from "../../core/units.ts";
import type { Address } from "./contract.ts";

export const describeAddress = (address: Address): string =>
  "path" in address ? address.path : `${address.host}:${address.port}`;

export const peerGone = (peer: string, why: string, cause?: unknown): PangaeaError =>
  new PangaeaError("PEER_GONE", `${peer} is gone: ${why}`, { cause });

export const queueFull = (peer: string, queued: Bytes, bound: Bytes): PangaeaError =>
  new PangaeaError(
    "QUEUE_FULL",
    `${queued} bytes wait for ${peer}, and the queue holds at most ${bound}`,
    { fix: "wait with drained() before sending more, or raise maxQueued" },
  );

/** `at` counts bytes from the start of the frame. */
export const malformed = (peer: string, what: string, at: number): PangaeaError =>
  new PangaeaError("FRAME_MALFORMED", `a frame from ${peer} is malformed at byte ${at}: ${what}`);

export const refused = (peer: string, why: string, cause?: unknown): PangaeaError =>
  new PangaeaError("PEER_REFUSED", `${peer} was refused: ${why}`, { cause });

export const dialFailed = (address: Address, cause: Error): PangaeaError =>
  new PangaeaError(
    "DIAL_FAILED",
    `nobody answers at ${describeAddress(address)}: ${cause.message}`,
    {
      cause,
    },
  );

export const listenFailed = (address: Address, cause: Error): PangaeaError =>
  new PangaeaError(
    "LISTEN_FAILED",
    `cannot listen at ${describeAddress(address)}: ${cause.message}`,
    {
      cause,
    },
  );

export const insecureAddress = (address: Address): PangaeaError =>
  new PangaeaError(
    "INSECURE_ADDRESS",
    `${describeAddress(address)} lies beyond this machine, and the connection would be plain text`,
    { fix: "give a key, a certificate and the authority's certificate, or use a loopback address" },
  );
