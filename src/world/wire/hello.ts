/**
 * Introductions. The dialling host opens two sockets and says hello on both: who it is, of which run and version,
 * the run's token, a secret of this one connection that joins the two (`link`), and which of them this is. The
 * listening host answers with a welcome on both, or says why not and hangs up.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { NodeId } from "../../core/ids.ts";
import type { Header } from "../message.ts";
import { HEAD_BYTES } from "./frame.ts";
import type { LaneParcel } from "./lane.ts";
import type { Limits, WireOptions } from "./options.ts";
import type { SocketLane } from "./socket-lane.ts";

export const HELLO = "hello";
export const WELCOME = "welcome";
export const REFUSED = "refused";
export const GOODBYE = "goodbye";
export const ALIVE = "alive";

const NOBODY = "" as NodeId;

/** A message of the connection itself. */
export const internal = (kind: string, header: Header = {}): LaneParcel => ({
  kind,
  from: NOBODY,
  to: NOBODY,
  header,
  payload: [],
});

export interface Hello {
  readonly name: string;
  readonly run: string;
  readonly version: string;
  readonly token: string;
  /** Whether the sender's frames carry checksums from now on: 1 or 0. */
  readonly checksum: number;
  readonly link: string;
  readonly queue: "control" | "bulk";
}

export const introduction = (options: WireOptions, checksum: boolean) => ({
  name: options.name,
  run: options.run,
  version: options.version,
  token: options.token,
  checksum: checksum ? 1 : 0,
});

const TEXTS = ["name", "run", "version", "token"] as const;

/** The introduction in a header, or what is wrong with it. A listener asks for `link` and `queue`, too. */
export function readHello(header: Header, dialled: boolean): Hello | string {
  for (const key of dialled ? [...TEXTS, "link", "queue"] : TEXTS)
    if (typeof header[key] !== "string") return `it did not say its ${key}`;
  if (header["checksum"] !== 0 && header["checksum"] !== 1) return "it did not say its checksum";
  if (dialled && header["queue"] !== "control" && header["queue"] !== "bulk")
    return `it said the queue ${String(header["queue"])}`;
  return header as unknown as Hello;
}

/** Why this peer is not one of ours, or undefined. Secrets are not repeated. */
export function objection(hello: Hello, options: WireOptions): string | undefined {
  if (hello.version !== options.version)
    return `it is of version ${hello.version}, and this host of ${options.version}`;
  if (hello.run !== options.run)
    return `it is of run ${hello.run}, and this host of ${options.run}`;
  return sameSecret(hello.token, options.token) ? undefined : "its token is not that of the run";
}

/** In a time that says nothing about where they differ. */
function sameSecret(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}

/** The peer of this lane is known: its frames are taken as it said. */
export function trust(lane: SocketLane, hello: Hello, limits: Limits): void {
  const bounds = { head: HEAD_BYTES, body: limits.maxPayload };
  lane.reader.trust(hello.name, hello.checksum === 1, bounds);
}
