/**
 * What a host sends to another over one connection. Control goes out at once. Bulk is handed over a window at a
 * time, so that a connection never holds more than that, and each message knows when it has left.
 */
import type { Condition } from "../../core/condition.ts";
import { CancelledError } from "../../core/errors.ts";
import type { Scope } from "../../core/scope.ts";
import type { Bytes } from "../../core/units.ts";
import { Fifo } from "../fifo.ts";
import type { Connection, Parcel } from "../wire/contract.ts";

/** Bulk that a connection is given before some of it has left. */
const WINDOW_BYTES: Bytes = 8e6;

/** Bulk bytes of a flow that have not yet left the last queue of this host. */
export class Backlog {
  bytes: Bytes = 0;
  /** Present once somebody waited for it to shrink. */
  shrunk: Condition | undefined;

  grow(bytes: Bytes): void {
    this.bytes += bytes;
  }

  shrink(bytes: Bytes): void {
    this.bytes -= bytes;
    this.shrunk?.notify();
  }
}

/** A message on its way out: what the wire carries, and what it counts for. */
export interface Outgoing {
  readonly parcel: Parcel;
  readonly bytes: Bytes;
  readonly backlog: Backlog;
}

export class Outbox {
  readonly #connection: Connection;
  readonly #scope: Scope;
  readonly #waiting = new Fifo<Outgoing>();
  /** Handed over, with what each is worth in the connection's own count. */
  readonly #inside = new Fifo<{ readonly outgoing: Outgoing; readonly worth: Bytes }>();
  #worth: Bytes = 0;
  #watching = false;
  readonly #onFailure: (error: unknown) => void;

  constructor(connection: Connection, scope: Scope, onFailure: (error: unknown) => void) {
    this.#connection = connection;
    this.#scope = scope;
    this.#onFailure = onFailure;
  }

  /** To a host that is gone, messages vanish: its end is reported by who watches it. */
  send(outgoing: Outgoing): void {
    if (outgoing.parcel.queue === "control") {
      this.#hand(outgoing.parcel);
      return;
    }
    outgoing.backlog.grow(outgoing.bytes);
    this.#waiting.push(outgoing);
    this.#fill();
  }

  #fill(): void {
    while (this.#worth < WINDOW_BYTES) {
      const outgoing = this.#waiting.shift();
      if (!outgoing) break;
      const before = this.#connection.backlog();
      this.#hand(outgoing.parcel);
      const worth = Math.max(0, this.#connection.backlog() - before);
      this.#worth += worth;
      this.#inside.push({ outgoing, worth });
    }
    if (this.#watching || this.#inside.length === 0) return;
    this.#watching = true;
    this.#scope.spawn((scope) => this.#watch(scope));
  }

  #hand(parcel: Parcel): void {
    try {
      this.#connection.send(parcel);
    } catch (error) {
      if ((error as { code?: string }).code !== "PEER_GONE") throw error;
    }
  }

  async #watch(scope: Scope): Promise<void> {
    try {
      for (let first = this.#inside.peek(); first; first = this.#inside.peek()) {
        await this.#connection.drained(this.#worth - first.worth, scope);
        this.#inside.shift();
        this.#worth -= first.worth;
        first.outgoing.backlog.shrink(first.outgoing.bytes);
        this.#fill();
      }
    } catch (error) {
      const gone = (error as { code?: string }).code === "PEER_GONE";
      if (!gone && !(error instanceof CancelledError)) this.#onFailure(error);
      this.#forget();
    } finally {
      this.#watching = false;
    }
  }

  /** Nobody waits for a host that is gone. */
  #forget(): void {
    for (let first = this.#inside.shift(); first; first = this.#inside.shift())
      first.outgoing.backlog.shrink(first.outgoing.bytes);
    for (let first = this.#waiting.shift(); first; first = this.#waiting.shift())
      first.backlog.shrink(first.bytes);
    this.#worth = 0;
  }
}
