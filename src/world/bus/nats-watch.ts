/**
 * A watch of a bucket: an ephemeral push consumer whose numbering is checked here. Messages carry two numbers: the
 * revision, and the consumer's own count. A gap in the count, a missing heartbeat or a reconnection starts a new
 * consumer behind the last revision told; what was told is not told again.
 */
import { createInbox, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { type Micros, SECOND } from "../../core/units.ts";
import type { Change, KeyFilter, Revision, Subscription } from "./contract.ts";
import { timedOut } from "./errors.ts";
import type { BucketApi } from "./nats-bucket.ts";
import type { Timers } from "./timers.ts";
import { retrying } from "./wait.ts";

const HEARTBEAT: Micros = 2 * SECOND;
const MISSED = 3;

interface ConsumerInfo {
  readonly name: string;
  readonly num_pending: number;
  readonly delivered: { readonly consumer_seq: number };
}

export interface WatchContext {
  readonly connection: NatsConnection;
  readonly inbox: string;
  readonly timers: Timers;
  /** How long a start is tried. */
  readonly deadline: Micros;
}

export class NatsWatch implements Subscription {
  readonly #context: WatchContext;
  readonly #bucket: BucketApi;
  readonly #filter: KeyFilter;
  readonly #tell: (change: Change) => void;
  /** The last revision told, and whether the living keys have been told. */
  #revision: Revision = 0;
  #current = false;
  /** Of the present consumer. */
  #consumer: string | undefined;
  #count = 0;
  #known: number | undefined;
  #stopHearing: () => void = () => {};
  #stopWatchdog: () => void = () => {};
  #onCurrent: () => void = () => {};
  #restarting = false;
  #again = false;
  #closed = false;

  constructor(
    context: WatchContext,
    bucket: BucketApi,
    filter: KeyFilter,
    tell: (change: Change) => void,
  ) {
    this.#context = context;
    this.#bucket = bucket;
    this.#filter = filter;
    this.#tell = tell;
  }

  /** Resolves when the living keys have been told. */
  async start(): Promise<void> {
    const { timers, deadline } = this.#context;
    const current = new Promise<void>((resolve) => {
      this.#onCurrent = resolve;
    });
    await this.#begin();
    let stop = (): void => {};
    const late = new Promise<never>((_, reject) => {
      stop = timers.after(deadline, () =>
        reject(timedOut(`bucket ${this.#bucket.bucket}: its keys did not come in time`)),
      );
    });
    try {
      await Promise.race([current, late]);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      stop();
    }
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  /** Starts a new consumer behind what was told: after a reconnection, a gap or a silence. */
  restart(): void {
    if (this.#closed) return;
    this.#again = true;
    if (this.#restarting) return;
    this.#restarting = true;
    this.#restart().then(
      () => {
        this.#restarting = false;
      },
      () => {
        // The watchdog tries again.
        this.#restarting = false;
        this.#watchdog();
      },
    );
  }

  async #restart(): Promise<void> {
    const { timers, deadline } = this.#context;
    while (this.#again && !this.#closed) {
      this.#again = false;
      this.#drop();
      await retrying(timers, deadline, () => this.#begin());
    }
  }

  #drop(): void {
    this.#stopHearing();
    this.#stopWatchdog();
    const consumer = this.#consumer;
    this.#consumer = undefined;
    if (consumer === undefined || this.#context.connection.isClosed()) return;
    // A courtesy: the server forgets consumers that nobody hears.
    this.#bucket.call(`CONSUMER.DELETE.${this.#bucket.stream}.${consumer}`, {}).catch(() => {});
  }

  async #begin(): Promise<void> {
    this.#stopHearing();
    const last = await this.#bucket.revision();
    // The stream was lost and made anew: everything is news.
    if (last < this.#revision) this.#revision = 0;
    const inbox = createInbox(this.#context.inbox);
    this.#count = 0;
    this.#known = undefined;
    let refused: Error | undefined;
    const subscription = this.#context.connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error) refused = error;
        else if (!this.#closed) this.#hear(message);
      },
    });
    this.#stopHearing = () => subscription.unsubscribe();
    const from =
      this.#revision === 0
        ? { deliver_policy: "last_per_subject" }
        : { deliver_policy: "by_start_sequence", opt_start_seq: this.#revision + 1 };
    const created = await this.#bucket.call<ConsumerInfo>(
      `CONSUMER.CREATE.${this.#bucket.stream}`,
      {
        stream_name: this.#bucket.stream,
        config: {
          ...{ deliver_subject: inbox, filter_subject: this.#bucket.subjects(this.#filter) },
          ...{ ack_policy: "none", replay_policy: "instant", max_deliver: 1 },
          ...{ idle_heartbeat: HEARTBEAT * 1_000, mem_storage: true, num_replicas: 1 },
          ...from,
        },
      },
    );
    if (refused) throw refused;
    if (!("name" in created)) return;
    this.#consumer = created.name;
    this.#known = created.delivered.consumer_seq + created.num_pending;
    this.#watchdog();
    this.#checkCurrent();
  }

  #checkCurrent(): void {
    if (this.#current || this.#known === undefined || this.#count < this.#known) return;
    this.#current = true;
    this.#onCurrent();
  }

  #watchdog(): void {
    this.#stopWatchdog();
    if (this.#closed) return;
    this.#stopWatchdog = this.#context.timers.after(MISSED * HEARTBEAT, () => this.restart());
  }

  #hear(message: Msg): void {
    this.#watchdog();
    if (message.headers?.code === 100) {
      const count = Number(message.headers.get("Nats-Last-Consumer") || "0");
      if (count > this.#count) this.restart();
      return;
    }
    const numbers = numbersOf(message.reply ?? "");
    if (!numbers || numbers.count !== this.#count + 1) {
      this.restart();
      return;
    }
    this.#count = numbers.count;
    if (numbers.revision > this.#revision) {
      this.#revision = numbers.revision;
      const operation = message.headers?.get("KV-Operation") ?? "";
      const deleted = operation === "DEL" || operation === "PURGE";
      const key = this.#bucket.keyOf(message.subject);
      // Keys that were deleted before the watch began are no news.
      if (!deleted || this.#current) {
        const value = deleted ? undefined : message.data.slice();
        this.#tell({ key, value, revision: numbers.revision });
      }
    }
    this.#checkCurrent();
  }
}

/** `$JS.ACK.[domain.account.]stream.consumer.delivered.revision.count.time.pending[.random]` */
function numbersOf(
  reply: string,
): { readonly revision: number; readonly count: number } | undefined {
  const words = reply.split(".");
  if (words[0] !== "$JS" || words[1] !== "ACK" || words.length < 9) return undefined;
  const first = words.length > 9 ? 7 : 5;
  return { revision: Number(words[first]), count: Number(words[first + 1]) };
}
