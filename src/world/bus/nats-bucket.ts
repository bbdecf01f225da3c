/**
 * Buckets as NATS keeps them (ADR-8 of nats-io/nats-architecture-and-design): a stream `KV_bucket` with the subjects
 * `$KV.bucket.key` and a history of one; other NATS clients read them as such. JetStream's API is requests with
 * JSON, so this file asks them itself: with our deadlines, and with a message id on every write, by which the
 * server knows a repeated one. What the server made of a bucket's settings is read back.
 */
import { headers, type MsgHdrs } from "@nats-io/nats-core";
import { fromBase64 } from "./base64.ts";
import type {
  BucketOptions,
  Change,
  Entry,
  KeyFilter,
  KeyValue,
  Revision,
  Subscription,
} from "./contract.ts";
import { BusError, bucketDiffers, noBucket, unavailable } from "./errors.ts";
import { decodeJson, decodeText, encodeJson } from "./frame.ts";
import { checkFilter, checkSize } from "./memory-bucket.ts";
import { checkBucket, checkDomain, checkKey } from "./names.ts";
import { API, type ApiError, translateApi } from "./nats-errors.ts";

/** What a bucket needs of the connection. */
export interface NatsRequests {
  /** Asks once, retrying while that may help; translated errors. */
  ask(subject: string, data: Uint8Array, headers?: MsgHdrs): Promise<Uint8Array>;
  /** Unique in the life of the server. */
  messageId(): string;
  watch(
    bucket: BucketApi,
    filter: KeyFilter,
    handler: (change: Change) => void,
  ): Promise<Subscription>;
}

interface StreamInfo {
  readonly config: { readonly max_age?: number; readonly num_replicas?: number };
  readonly state: { readonly last_seq: number };
}

interface StoredMessage {
  readonly message: {
    readonly subject: string;
    readonly seq: number;
    readonly hdrs?: string;
    readonly data?: string;
  };
}

const NANOS = 1e9;
const DUPLICATE_SECONDS = 120;
const NOTHING = new Uint8Array(0);

/** The requests of one bucket. */
export class BucketApi {
  readonly bucket: string;
  readonly stream: string;
  readonly #requests: NatsRequests;
  readonly #options: BucketOptions;
  readonly #api: string;
  readonly #writes: string;

  constructor(requests: NatsRequests, bucket: string, options: BucketOptions) {
    this.bucket = checkBucket(bucket);
    this.stream = `KV_${bucket}`;
    this.#requests = requests;
    this.#options = options;
    const { domain, mirrorOf } = options;
    for (const name of [domain, mirrorOf]) if (name !== undefined) checkDomain(name);
    this.#api = domain === undefined ? "$JS.API" : `$JS.${domain}.API`;
    const writer = mirrorOf ?? domain;
    this.#writes = `${writer === undefined ? "" : `$JS.${writer}.API.`}$KV.${bucket}`;
  }

  subjects(filter: KeyFilter): string {
    const top = `$KV.${this.bucket}`;
    if (filter === "all") return `${top}.>`;
    return "key" in filter ? `${top}.${filter.key}` : `${top}.${filter.below}.>`;
  }

  keyOf(subject: string): string {
    return subject.slice(`$KV.${this.bucket}.`.length);
  }

  /** An answer of JetStream's API; `ApiError` codes in `expected` are given back instead of thrown. */
  async call<T>(
    method: string,
    body: object,
    expected: readonly number[] = [],
  ): Promise<T | ApiError> {
    const what = `bucket ${this.bucket}`;
    let answer: Uint8Array;
    try {
      answer = await this.#requests.ask(`${this.#api}.${method}`, encodeJson(body));
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== "BUS_NO_RESPONDERS") throw error;
      throw unavailable(`${what}: JetStream does not answer`, { cause: error });
    }
    const decoded = decodeJson(answer) as { readonly error?: ApiError } & T;
    if (decoded?.error === undefined) return decoded;
    if (expected.includes(decoded.error.err_code ?? 0)) return decoded.error;
    throw translateApi(decoded.error, what);
  }

  async info(): Promise<StreamInfo | undefined> {
    const info = await this.call<StreamInfo>(`STREAM.INFO.${this.stream}`, {}, [
      API.streamNotFound,
    ]);
    return "config" in info ? info : undefined;
  }

  /** Creates the bucket if need be, and compares what the server made of it. */
  async open(): Promise<void> {
    const { ttlSeconds = 0, replicas = 1, mirrorOf, existing } = this.#options;
    let info = await this.info();
    if (!info && existing) throw noBucket(`there is no bucket ${this.bucket}`);
    if (!info) {
      const window = Math.min(DUPLICATE_SECONDS, ttlSeconds || DUPLICATE_SECONDS);
      const source =
        mirrorOf === undefined
          ? { subjects: [this.subjects("all")], duplicate_window: window * NANOS }
          : {
              mirror: { name: this.stream, external: { api: `$JS.${mirrorOf}.API`, deliver: "" } },
            };
      await this.call(
        `STREAM.CREATE.${this.stream}`,
        {
          ...{ name: this.stream, retention: "limits", storage: "file", discard: "new" },
          ...{ max_msgs_per_subject: 1, max_msgs: -1, max_bytes: -1, max_consumers: -1 },
          ...{ max_age: ttlSeconds * NANOS, num_replicas: replicas },
          ...{ deny_delete: true, deny_purge: false, allow_rollup_hdrs: true },
          ...source,
        },
        [API.streamNameInUse],
      );
      info = await this.info();
    }
    const { max_age = 0, num_replicas = 1 } = info?.config ?? {};
    if (max_age !== ttlSeconds * NANOS || num_replicas !== replicas) {
      throw bucketDiffers(
        `bucket ${this.bucket} keeps keys for ${max_age / NANOS} s (0: for ever) in ${num_replicas} copies; ` +
          `asked for were ${ttlSeconds} s in ${replicas}`,
      );
    }
  }

  async revision(): Promise<Revision> {
    return (await this.info())?.state.last_seq ?? 0;
  }

  /** The last message of a key, deletions included (`value` undefined). */
  async last(key: string): Promise<Change | undefined> {
    const found = await this.call<StoredMessage>(
      `STREAM.MSG.GET.${this.stream}`,
      { last_by_subj: this.subjects({ key }) },
      [API.noMessage],
    );
    if (!("message" in found)) return undefined;
    const { seq, hdrs = "", data = "" } = found.message;
    const deleted = /^KV-Operation: *(DEL|PURGE)/im.test(decodeText(fromBase64(hdrs) ?? NOTHING));
    const value = deleted ? undefined : (fromBase64(data) ?? NOTHING);
    return { key, value, revision: seq };
  }

  async write(
    key: string,
    value: Uint8Array | undefined,
    expected: readonly [header: string, revision: Revision] | undefined,
  ): Promise<Revision> {
    const head = headers();
    head.set("Nats-Msg-Id", this.#requests.messageId());
    if (value === undefined) head.set("KV-Operation", "DEL");
    if (expected) head.set(expected[0], String(expected[1]));
    const what = `${this.bucket}: ${key}`;
    let answer: Uint8Array;
    try {
      answer = await this.#requests.ask(`${this.#writes}.${key}`, value ?? NOTHING, head);
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== "BUS_NO_RESPONDERS") throw error;
      throw unavailable(`${what}: no stream takes it`, { cause: error });
    }
    const ack = decodeJson(answer) as { readonly seq?: number; readonly error?: ApiError };
    if (ack?.error) throw translateApi(ack.error, what);
    return ack?.seq ?? 0;
  }
}

const OF_KEY = "Nats-Expected-Last-Subject-Sequence";
const OF_BUCKET = "Nats-Expected-Last-Sequence";

export async function openNatsBucket(
  requests: NatsRequests,
  bucket: string,
  options: BucketOptions,
): Promise<KeyValue> {
  const api = new BucketApi(requests, bucket, options);
  await api.open();
  const write = async (
    key: string,
    value: Uint8Array | undefined,
    expected?: readonly [header: string, revision: Revision],
  ): Promise<Revision> => api.write(checkKey(key), value && checkSize(value, key), expected);
  const watch: KeyValue["watch"] = async (filter, handler) =>
    requests.watch(api, checkFilter(filter), handler);
  return {
    get: async (key) => {
      const last = await api.last(checkKey(key));
      return last?.value && ({ ...last, value: last.value } satisfies Entry);
    },
    keys: async (filter = "all") => {
      const found: string[] = [];
      (await watch(filter, ({ key, value }) => value && found.push(key))).close();
      return [...new Set(found)].sort();
    },
    put: (key, value) => write(key, value),
    create: async (key, value) => {
      try {
        return await write(key, value, [OF_KEY, 0]);
      } catch (error) {
        if (!(error instanceof BusError) || error.code !== "BUS_CONFLICT") throw error;
        // A deleted key has a last message, too.
        const last = await api.last(key);
        if (!last || last.value) throw error;
        return write(key, value, [OF_KEY, last.revision]);
      }
    },
    update: (key, value, revision) => write(key, value, [OF_KEY, revision]),
    updateBucket: (key, value, revision) => write(key, value, [OF_BUCKET, revision]),
    revision: () => api.revision(),
    delete: async (key, revision) => {
      await write(key, undefined, revision === undefined ? undefined : [OF_KEY, revision]);
    },
    watch,
  };
}
