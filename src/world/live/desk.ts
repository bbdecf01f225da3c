/**
 * Bulky messages of hosts (pieces of copies, answers) do not go the way of orders and events: where the supervisor
 * has joined the data plane, they go over its connection, and are kept until it says that it has them. Where it has
 * not, they go as all others do.
 */
import { PangaeaError } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Micros } from "../../core/units.ts";
import type { Connection, Parcel } from "../wire/contract.ts";
import { machineMicros } from "./clock.ts";
import { isTold, pack, unpack } from "./portable.ts";
import { DESK, type FromHost } from "./protocol.ts";

type Bulky = Extract<FromHost, { readonly type: "said" | "answer" }>;

const HOST = "host" as NodeId;
const SUPERVISOR = DESK as NodeId;
const TOOK = "took";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The host's end. */
export class DeskLine {
  readonly #post: (message: FromHost) => void;
  /** Sent and not acknowledged, by number: the message, and when it was said. */
  readonly #open = new Map<number, { readonly message: Bulky; readonly at: Micros }>();
  #connection: Connection | undefined;
  #sent = 0;

  /** @param post the way of all other messages. */
  constructor(post: (message: FromHost) => void) {
    this.#post = post;
  }

  /** The supervisor has joined, perhaps in the place of an earlier one, which may be paused and hold its connection open. */
  attach(connection: Connection): void {
    const before = this.#connection;
    if (before) {
      this.#left(before);
      before.close().catch(() => {});
    }
    this.#connection = connection;
    connection.receive(({ kind, header }) => {
      if (kind === TOOK) this.#open.delete(Number(header["id"]));
    });
    const left = (): void => this.#left(connection);
    connection.ended.then(left, left);
  }

  say(message: Bulky): void {
    if (this.#connection) this.#send(this.#connection, message);
    else this.#post(message);
  }

  /** When the oldest message was said that the supervisor may not have; on the machine's clock. */
  oldest(): Micros {
    const [first] = this.#open.values();
    return first?.at ?? Number.POSITIVE_INFINITY;
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  #send(connection: Connection, message: Bulky): void {
    const id = ++this.#sent;
    this.#open.set(id, { message, at: machineMicros() });
    const { text, arrays } = pack(message);
    const payload = [encoder.encode(text), ...arrays];
    const parcel = { from: HOST, to: SUPERVISOR, kind: message.type, header: { id }, payload };
    try {
      connection.send({ ...parcel, queue: "bulk" });
    } catch {
      this.#left(connection);
    }
  }

  /** What it may not have goes the other way. */
  #left(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const { message } of open) this.#post(message);
  }
}

/** The supervisor's end: hands on what the host says, and acknowledges it. */
export function attendDesk(connection: Connection, onMessage: (message: FromHost) => void): void {
  connection.receive((parcel) => {
    onMessage(readBulky(parcel));
    const header = { id: Number(parcel.header["id"]) };
    const took = { from: SUPERVISOR, to: HOST, kind: TOOK, header, payload: [] };
    try {
      connection.send({ ...took, queue: "control" });
    } catch {
      // The host has gone; its end is told elsewhere.
    }
  });
}

function readBulky({ payload }: Parcel): FromHost {
  const [text, ...arrays] = payload;
  if (!(text instanceof Uint8Array) || !arrays.every(isTold))
    throw new PangaeaError("HOST_FAILED", "a host told the supervisor what is no message");
  return unpack({ text: decoder.decode(text), arrays }) as FromHost;
}
