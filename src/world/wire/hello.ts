/**
 * Introductions. The dialling host opens one socket for control and one or several for bulk, and says hello on all:
 * who it is, of which run and version, the run's token, a secret of this one connection that joins them (`link`), and
 * which of them this is. The listening host answers with a welcome on all, or says why not and hangs up.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Header } from "../message.ts";
import { HEAD_BYTES, PIECE_BYTES } from "./frame.ts";
import type { WireOptions } from "./options.ts";
import type { Stream } from "./stream.ts";
import { internal, WARM } from "./words.ts";

export interface Hello {
  readonly name: string;
  readonly run: string;
  readonly version: string;
  readonly token: string;
  /** Whether the sender's frames carry checksums from now on: 1 or 0. */
  readonly checksum: number;
  readonly link: string;
  readonly queue: "control" | "bulk";
  /** Which of how many sockets for bulk this is; the control socket is number 0. */
  readonly stream: number;
  readonly streams: number;
}

/** The most sockets for bulk. */
export const MOST_STREAMS = 16;

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
  const [stream, streams] = [Number(header["stream"]), Number(header["streams"])];
  const sound = Number.isInteger(stream) && Number.isInteger(streams);
  const few = stream >= 0 && stream < streams && streams <= MOST_STREAMS;
  if (dialled && !(sound && few && (header["queue"] === "bulk" || stream === 0)))
    return `it said stream ${stream} of ${streams}`;
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

/** The peer of this stream is known: its frames are taken as it said. */
export function trust(stream: Stream, hello: Hello): void {
  stream.reader.trust(hello.name, hello.checksum === 1, { head: HEAD_BYTES, own: PIECE_BYTES });
}

/** Of all streams together: about what a first tensor is. */
const WARM_BYTES = 2 * 2 ** 20;

/**
 * Sends bytes that mean nothing on one of so many streams, so that the first tensor finds sockets whose windows are
 * open. One stream alone opens its window as it goes.
 */
export function warm(stream: Stream, streams: number): void {
  if (streams === 1) return;
  const nothing = new Uint8Array(PIECE_BYTES);
  for (let left = WARM_BYTES / streams; left > 0; left -= PIECE_BYTES)
    stream.tell(internal(WARM, {}, [nothing.subarray(0, left)]));
}
