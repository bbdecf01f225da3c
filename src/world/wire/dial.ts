/** The dialling end of a connection. */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import { PangaeaError, TimeoutError } from "../../core/errors.ts";
import { LaneConnection } from "./connection.ts";
import type { Address, Connection, Parcel } from "./contract.ts";
import { describeAddress, dialFailed, refused } from "./errors.ts";
import { type Hello, introduction, objection, readHello, trust, warm } from "./hello.ts";
import type { LaneParcel } from "./lane.ts";
import { isLocal, limitsOf, requireSecure, type WireOptions } from "./options.ts";
import { lanesOf } from "./socket-lane.ts";
import type { Stream } from "./stream.ts";
import { HELLO, internal, REFUSED } from "./words.ts";

/**
 * Connects to a listener. Throws INSECURE_ADDRESS, DIAL_FAILED when nobody listens, PEER_REFUSED when either end
 * turns the other away, TIMEOUT when the listener does not answer in `helloMillis`.
 */
export async function dial(address: Address, options: WireOptions): Promise<Connection> {
  requireSecure(address, options);
  const limits = limitsOf(options, isLocal(address));
  const place = describeAddress(address);
  const lanes = lanesOf(place, { control: 1, bulk: limits.streams }, limits);
  const link = randomBytes(16).toString("hex");
  const introduce = (queue: Parcel["queue"]): Promise<Hello>[] =>
    lanes[queue].carriers.map((stream, n, { length: streams }) => {
      stream.attach(open(address, options, stream), false);
      const hello = { ...introduction(options, limits.checksum), link, queue };
      stream.tell(internal(HELLO, { ...hello, stream: n, streams }));
      return welcome(stream, (answer) => {
        const complaint = readHello(answer.header, false);
        if (typeof complaint === "string") throw refused(place, complaint);
        const wrong = objection(complaint, options);
        if (wrong) throw refused(complaint.name, wrong);
        trust(stream, complaint);
        stream.summed = limits.checksum;
        warm(stream, streams);
        return complaint;
      });
    });
  let deadline: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new TimeoutError(`${place} did not answer in ${limits.helloMillis} ms`);
    deadline = setTimeout(() => reject(error), limits.helloMillis);
  });
  try {
    const all = Promise.all([...introduce("control"), ...introduce("bulk")]);
    const hellos = await Promise.race([all, late]);
    const { name } = hellos[0]!;
    for (const lane of [lanes.control, lanes.bulk]) lane.begin(limits.checksum);
    return new LaneConnection(name, lanes, limits);
  } catch (error) {
    lanes.control.destroy();
    lanes.bulk.destroy();
    throw explain(address, options, error);
  } finally {
    clearTimeout(deadline);
  }
}

/** The answer to a hello; what follows it on the stream is kept until somebody listens. */
function welcome(stream: Stream, check: (answer: LaneParcel) => Hello): Promise<Hello> {
  return new Promise((resolve, reject) => {
    stream.own({
      told: (answer) => {
        stream.own(undefined);
        try {
          if (answer.kind === REFUSED)
            throw refused("this host", String(answer.header["why"] ?? "no reason was given"));
          resolve(check(answer));
        } catch (error) {
          reject(error);
        }
      },
      failed: reject,
      read: () => {},
      left: () => {},
    });
  });
}

function open(address: Address, options: WireOptions, stream: Stream): Socket {
  const { credentials } = options;
  const onread = stream.onread();
  if (!credentials) return connect({ ...address, onread });
  const { key, cert, ca, serverName } = credentials;
  const named = serverName === undefined ? {} : { servername: serverName };
  const socket = { ...address, key, cert, ca, ...named, onread };
  return connectSecurely({ ...socket, minVersion: "TLSv1.3", rejectUnauthorized: true });
}

/** Before the introductions a broken socket means that nobody is there, or that the certificates do not fit. */
function explain(address: Address, options: WireOptions, error: unknown): unknown {
  if (!(error instanceof PangaeaError) || error.code !== "PEER_GONE") return error;
  const { cause } = error;
  const code = cause instanceof Error ? String((cause as NodeJS.ErrnoException).code) : "";
  // In TLS 1.3 a listener that does not accept a certificate says nothing and hangs up.
  if (options.credentials && /^(|ECONNRESET|EPIPE)$/.test(code))
    return refused("this host", "the listener hung up: it may not accept the certificate", cause);
  if (/^(ERR_TLS|ERR_SSL|EPROTO|CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code))
    return refused(describeAddress(address), error.message, cause);
  return cause instanceof Error ? dialFailed(address, cause) : error;
}
