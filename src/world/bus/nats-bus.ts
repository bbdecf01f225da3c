/**
 * The bus on NATS (2.9.10 and later): plain messages for publish, requests through queue groups, buckets on
 * JetStream. A lost connection is made anew without end, and watches go on behind what they have told; calls in
 * between end at their deadlines. NATS is believed to lose and to repeat: see `contract.ts`.
 */
import {
  type ConnectionOptions,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  PermissionViolationError,
} from "@nats-io/nats-core";
import type { Scope } from "../../core/scope.ts";
import { type Micros, SECOND } from "../../core/units.ts";
import type { BucketOptions, Bus, Change, KeyFilter, KeyValue, Subscription } from "./contract.ts";
import {
  closed,
  type ErrorData,
  errorFromData,
  errorToData,
  handlerFailed,
  timedOut,
  unreachable,
} from "./errors.ts";
import { decodeJson, encodeJson } from "./frame.ts";
import { freshName } from "./fresh.ts";
import { checkSize } from "./memory-bucket.ts";
import { checkSubject } from "./names.ts";
import { type BucketApi, openNatsBucket } from "./nats-bucket.ts";
import { translate } from "./nats-errors.ts";
import { authenticatorOf, inboxOf, type NatsOptions } from "./nats-options.ts";
import { NatsWatch } from "./nats-watch.ts";
import { retrying, within } from "./wait.ts";

const CLOSE: Micros = 2 * SECOND;
const OPERATION: Micros = 10 * SECOND;
/** One attempt of an operation: the rest of the deadline is for further ones. */
const ATTEMPT: Micros = 2 * SECOND;
const RECONNECT_MILLIS = 100;

/** First byte of an answer. */
const OK = 0;
const FAILED = 1;

const millis = (micros: Micros): number => Math.max(1, Math.ceil(micros / 1_000));

/** The way to the servers: TCP in Node (nats.ts), WebSocket in a page (nats-websocket.ts). */
export interface Transport {
  connect(options: ConnectionOptions): Promise<NatsConnection>;
  /** Addresses as it takes them. */
  readonly servers: string[];
  /** What only it knows of. */
  readonly settings: Pick<ConnectionOptions, "tls" | "ignoreClusterUpdates">;
}

/** Connects within the deadline, trying again while nothing answers. Rejects as `connectNats` does. */
export async function connectBus(
  { connect, servers, settings }: Transport,
  options: NatsOptions,
  scope?: Scope,
): Promise<Bus> {
  const authenticator = options.auth && authenticatorOf(options.auth);
  const inboxPrefix = inboxOf(options.auth);
  const { timers } = options;
  const dial = async (left: Micros): Promise<NatsConnection> => {
    const dialled = connect({
      ...{ servers, name: options.id, inboxPrefix, timeout: millis(left) },
      ...{ maxReconnectAttempts: -1, reconnectTimeWait: RECONNECT_MILLIS },
      ...{ reconnectJitter: RECONNECT_MILLIS, ...settings },
      ...(authenticator && { authenticator }),
    });
    const late = (): Error => unreachable(`${servers.join(", ")}: no connection in time`);
    try {
      return await within(timers, left, dialled, late, scope);
    } catch (error) {
      // It may still come about.
      dialled.then(
        (connection) => connection.close(),
        () => {},
      );
      const what = `connecting to ${servers.join(", ")}`;
      const said = translate(error, what);
      throw said.code === "BUS_TIMEOUT" ? unreachable(`${what}: no connection in time`) : said;
    }
  };
  const connection = await retrying(timers, options.deadline, dial, scope);
  return new NatsBus(connection, options, inboxPrefix);
}

class NatsBus implements Bus {
  readonly id: string;
  readonly #connection: NatsConnection;
  readonly #options: NatsOptions;
  readonly #inbox: string;
  readonly #life = freshName();
  readonly #watches = new Set<NatsWatch>();
  #messages = 0;
  #closed = false;

  constructor(connection: NatsConnection, options: NatsOptions, inbox: string) {
    this.id = options.id;
    this.#connection = connection;
    this.#options = options;
    this.#inbox = inbox;
    this.#listen().catch(() => {});
  }

  get #operationDeadline(): Micros {
    return this.#options.operationDeadline ?? OPERATION;
  }

  async #listen(): Promise<void> {
    const notify = this.#options.notify ?? (() => {});
    for await (const status of this.#connection.status()) {
      if (status.type === "disconnect") notify({ type: "disconnected" });
      if (status.type === "reconnect") {
        for (const watch of this.#watches) watch.restart();
        notify({ type: "reconnected" });
      }
      if (status.type === "error" && status.error instanceof PermissionViolationError) {
        const { subject, operation } = status.error;
        notify({ type: "refused", subject, operation });
      }
    }
    const ended = await this.#connection.closed();
    this.#closed = true;
    notify({ type: "ended", reason: ended ? translate(ended, this.id).message : "closed" });
  }

  #guard(): void {
    if (this.#closed || this.#connection.isClosed())
      throw closed(`the bus of ${this.id} is closed`);
  }

  publish(subject: string, data: Uint8Array): void {
    this.#guard();
    checkSize(data, checkSubject(subject));
    try {
      // The client may keep the bytes until its next turn.
      this.#connection.publish(subject, data.slice());
    } catch (error) {
      throw translate(error, `publishing ${subject}`);
    }
  }

  async subscribe(
    subject: string,
    handler: (data: Uint8Array, subject: string) => void,
    options: { readonly below?: boolean } = {},
  ): Promise<Subscription> {
    checkSubject(subject);
    const heard = options.below ? `${subject}.>` : subject;
    return this.#hear(heard, undefined, (message) =>
      handler(message.data.slice(), message.subject),
    );
  }

  async serve(
    subject: string,
    handler: (data: Uint8Array, subject: string) => Uint8Array | Promise<Uint8Array>,
  ): Promise<Subscription> {
    const answer = async (message: Msg): Promise<void> => {
      try {
        const data = checkSize(await handler(message.data.slice(), message.subject), subject);
        message.respond(withStatus(OK, data));
      } catch (error) {
        message.respond(withStatus(FAILED, encodeJson(errorToData(error))));
      }
    };
    return this.#hear(checkSubject(subject), "serve", (message) => {
      // Fails only where the connection has gone: then nobody can be told.
      answer(message).catch(() => {});
    });
  }

  /** Subscribes and waits until the server knows, so that it can refuse. */
  async #hear(
    subject: string,
    queue: string | undefined,
    handler: (message: Msg) => void,
  ): Promise<Subscription> {
    this.#guard();
    let refused: unknown;
    let open = true;
    const subscription = this.#connection.subscribe(subject, {
      ...(queue !== undefined && { queue }),
      callback: (error, message) => {
        if (error) refused = error;
        else if (open) handler(message);
      },
    });
    const what = `subscribing to ${subject}`;
    const late = (): Error => timedOut(`${what}: the server does not answer`);
    try {
      await within(this.#options.timers, OPERATION, this.#connection.flush(), late);
      if (refused !== undefined) throw refused;
    } catch (error) {
      subscription.unsubscribe();
      throw translate(error, what);
    }
    return {
      close: () => {
        open = false;
        if (!this.#connection.isClosed()) subscription.unsubscribe();
      },
    };
  }

  async request(
    subject: string,
    data: Uint8Array,
    { deadline, scope }: Parameters<Bus["request"]>[2],
  ): Promise<Uint8Array> {
    this.#guard();
    checkSize(data, checkSubject(subject));
    const answer = await this.#ask(subject, data.slice(), deadline, undefined, scope);
    const rest = answer.subarray(1);
    if (answer[0] === OK) return rest.slice();
    const error = decodeJson(rest) as Partial<ErrorData> | undefined;
    if (typeof error?.code !== "string" || typeof error.message !== "string") {
      throw handlerFailed(`${subject}: an answer that is none`);
    }
    throw errorFromData({ retryable: false, ...error } as ErrorData);
  }

  async #ask(
    subject: string,
    data: Uint8Array,
    deadline: Micros,
    headers?: MsgHdrs,
    scope?: Scope,
  ): Promise<Uint8Array> {
    const what = `asking ${subject}`;
    try {
      this.#guard();
      const asked = this.#connection.request(subject, data, {
        timeout: millis(deadline),
        ...(headers && { headers }),
      });
      const late = (): Error => timedOut(`${what}: no answer in time`);
      return (await within(this.#options.timers, deadline, asked, late, scope)).data;
    } catch (error) {
      throw translate(error, what);
    }
  }

  async kv(bucket: string, options: BucketOptions = {}): Promise<KeyValue> {
    this.#guard();
    const { timers } = this.#options;
    const ask = (subject: string, data: Uint8Array, headers?: MsgHdrs): Promise<Uint8Array> =>
      retrying(timers, this.#operationDeadline, (left) =>
        this.#ask(subject, data, Math.min(left, ATTEMPT), headers),
      );
    const watch = (
      api: BucketApi,
      filter: KeyFilter,
      handler: (change: Change) => void,
    ): Promise<Subscription> => this.#watch(api, filter, handler);
    const messageId = (): string => `${this.#life}.${++this.#messages}`;
    return openNatsBucket({ ask, messageId, watch }, bucket, options);
  }

  async #watch(
    api: BucketApi,
    filter: KeyFilter,
    handler: (change: Change) => void,
  ): Promise<Subscription> {
    this.#guard();
    const context = {
      connection: this.#connection,
      inbox: this.#inbox,
      timers: this.#options.timers,
      deadline: this.#operationDeadline,
    };
    const watch = new NatsWatch(context, api, filter, handler);
    this.#watches.add(watch);
    try {
      await watch.start();
    } catch (error) {
      this.#watches.delete(watch);
      watch.close();
      throw translate(error, `watching ${api.bucket}`);
    }
    return {
      close: () => {
        this.#watches.delete(watch);
        watch.close();
      },
    };
  }

  async close(deadline: Micros = CLOSE): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
    if (this.#connection.isClosed()) return;
    const late = (): Error => timedOut("the last messages did not leave in time");
    await within(this.#options.timers, deadline, this.#connection.drain(), late).catch(() =>
      this.#connection.close(),
    );
  }
}

function withStatus(status: number, data: Uint8Array): Uint8Array {
  const answer = new Uint8Array(data.length + 1);
  answer[0] = status;
  answer.set(data, 1);
  return answer;
}
