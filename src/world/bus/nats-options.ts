/** How a node reaches NATS: servers, keys, certificates. Nothing secret appears in an error. */
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  nkeys,
} from "@nats-io/nats-core";
import { InputError } from "../../core/errors.ts";
import type { Micros } from "../../core/units.ts";
import { encodeText } from "./frame.ts";
import type { Timers } from "./timers.ts";

export type NatsAuth =
  /** A user's seed: "SU…". */
  | { readonly kind: "nkey"; readonly seed: string }
  /** The content of a credentials file: a JWT and its seed. */
  | { readonly kind: "credentials"; readonly content: string };

/** PEM texts. */
export interface NatsTls {
  /** Who signed the server's certificate; by default the authorities that Node knows. */
  readonly ca?: string | undefined;
  /** This node's own certificate and key, where the server wants one. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** What happens to the connection between calls. */
export type BusNotice =
  | { readonly type: "disconnected" }
  | { readonly type: "reconnected" }
  /** Something that was published or subscribed before is not allowed. */
  | { readonly type: "refused"; readonly subject: string; readonly operation: string }
  /** The connection has ended for good: revoked, expired, or closed. */
  | { readonly type: "ended"; readonly reason: string };

export interface NatsOptions {
  /** "nats://host:4222", "tls://host:4222"; several of one cluster. */
  readonly servers: readonly string[];
  /** Of this client. */
  readonly id: string;
  /** How long to try until the first connection. */
  readonly deadline: Micros;
  /** How long one operation on a bucket is tried; 10 s by default. */
  readonly operationDeadline?: Micros | undefined;
  readonly auth?: NatsAuth | undefined;
  readonly tls?: NatsTls | undefined;
  readonly timers: Timers;
  readonly notify?: ((notice: BusNotice) => void) | undefined;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|::1)$/;
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

/** Servers as the client wants them. @throws InputError BUS_PLAIN, BUS_ADDRESS */
export function checkServers({ servers, tls }: NatsOptions): string[] {
  return servers.map((server) => {
    const url = urlOf(server);
    if (!url || url.hostname === "" || !/^(nats|tls):$/.test(url.protocol)) {
      throw bad("BUS_ADDRESS", "a server's address is none", "as in tls://host:4222");
    }
    if (url.username !== "" || url.password !== "") {
      throw bad("BUS_ADDRESS", `a secret in the address of ${url.hostname}`, "give it as a file");
    }
    if (!tls && url.protocol !== "tls:" && !isLoopback(url.hostname)) {
      const plain = `${url.hostname} would be reached without TLS`;
      throw bad("BUS_PLAIN", plain, "tls:// and certificates; plain connections are for loopback");
    }
    return `${url.hostname}:${url.port === "" ? "4222" : url.port}`;
  });
}

function urlOf(server: string): URL | undefined {
  try {
    return new URL(/^\w+:\/\//.test(server) ? server : `nats://${server}`);
  } catch {
    return undefined;
  }
}

export const wantsTls = ({ servers, tls }: NatsOptions): boolean =>
  tls !== undefined || servers.some((server) => server.startsWith("tls:"));

/** @throws InputError BUS_CREDENTIALS, which says nothing of what was read */
export function authenticatorOf(auth: NatsAuth): Authenticator {
  if (auth.kind === "nkey") {
    const seed = encodeText(auth.seed.trim());
    publicKeyOf(auth.seed);
    return nkeyAuthenticator(seed);
  }
  const content = encodeText(auth.content);
  const sign = credsAuthenticator(content);
  try {
    sign("nonce");
  } catch {
    throw bad("BUS_CREDENTIALS", "the credentials are none", "a file as `nsc` writes it");
  }
  return sign;
}

/** The public half of a seed. @throws InputError BUS_CREDENTIALS */
export function publicKeyOf(seed: string): string {
  try {
    return nkeys.fromSeed(encodeText(seed.trim())).getPublicKey();
  } catch {
    throw bad("BUS_CREDENTIALS", "the seed is none", "a line that begins with SU");
  }
}

/**
 * Where answers to this client go. With a key it is the key's own place, so that permissions can keep others
 * from listening.
 */
export const inboxOf = (auth: NatsAuth | undefined): string =>
  auth?.kind === "nkey" ? `_INBOX_${publicKeyOf(auth.seed)}` : "_INBOX";

function bad(code: "BUS_ADDRESS" | "BUS_PLAIN" | "BUS_CREDENTIALS", message: string, fix: string) {
  return new InputError([{ code, message, fix }]);
}
