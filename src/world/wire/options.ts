/** What both ends of a connection say about themselves and allow. */
import { isIPv4, isIPv6 } from "node:net";
import type { Bytes } from "../../core/units.ts";
import type { Address, Connection } from "./contract.ts";
import { insecureAddress } from "./errors.ts";

/** For TLS with mutual authentication: PEM texts. */
export interface Credentials {
  readonly key: string;
  readonly cert: string;
  /** The authority that signed the certificates of both ends. */
  readonly ca: string;
  /** The name in the listener's certificate, if it is not the host that is dialled. */
  readonly serverName?: string | undefined;
}

export interface WireOptions {
  /** How this host introduces itself. */
  readonly name: string;
  /** Both ends must be of the same run and version of the program, and know the run's token. */
  readonly run: string;
  readonly version: string;
  readonly token: string;
  readonly credentials?: Credentials | undefined;
  /**
   * Sockets for bulk that the dialling end opens; a listener takes as many as come. One inside a site (the default),
   * 4 to 8 between sites, where one TCP connection does not fill a long link. Several are warmed up at once.
   */
  readonly streams?: number | undefined;
  /** Bytes that may wait in each queue; one parcel alone may be larger. Default 256 MiB. */
  readonly maxQueued?: Bytes | undefined;
  /** The largest payload that is taken from the peer. Default 1 GiB. */
  readonly maxPayload?: Bytes | undefined;
  /** Whether this end's frames carry a checksum. Default: only beyond this machine. */
  readonly checksum?: boolean | undefined;
  /** How long introductions may take. Default 5000. */
  readonly helloMillis?: number | undefined;
  /** A close that makes no progress for so long gives up. Default 5000. */
  readonly closeMillis?: number | undefined;
  /**
   * A peer that is silent for so long is gone; it says something three times as often. Default
   * 30,000; 0: for ever.
   */
  readonly silenceMillis?: number | undefined;
}

export interface ListenOptions extends WireOptions {
  /** Gets each connection once both ends have introduced themselves. */
  readonly accept: (connection: Connection) => void;
  /** Hears of everybody who was turned away. */
  readonly onRefused?: ((error: Error) => void) | undefined;
}

/** The options' numbers, with the defaults filled in. */
export interface Limits {
  readonly streams: number;
  readonly maxQueued: Bytes;
  readonly maxPayload: Bytes;
  readonly checksum: boolean;
  readonly helloMillis: number;
  readonly closeMillis: number;
  readonly silenceMillis: number;
}

export const limitsOf = (options: WireOptions, local: boolean): Limits => ({
  streams: options.streams ?? 1,
  maxQueued: options.maxQueued ?? 256 * 2 ** 20,
  maxPayload: options.maxPayload ?? 2 ** 30,
  helloMillis: options.helloMillis ?? 5000,
  closeMillis: options.closeMillis ?? 5000,
  silenceMillis: options.silenceMillis ?? 30_000,
  checksum: options.checksum ?? !local,
});

/** Whether what is sent there stays on this machine. */
export function isLocal(address: Address): boolean {
  if ("path" in address) return true;
  const host = address.host.toLowerCase().replace(/^::ffff:/, "");
  if (isIPv4(host)) return host.startsWith("127.");
  return isIPv6(host) ? host === "::1" : host === "localhost";
}

/** Throws INSECURE_ADDRESS when plain text would leave the machine. */
export function requireSecure(address: Address, options: WireOptions): void {
  if (!options.credentials && !isLocal(address)) throw insecureAddress(address);
}
