/**
 * A bus reached through a pipe: the hosts of the local world speak so with the supervisor's `MemoryBroker`. A pipe
 * keeps order and loses nothing until it ends (a message port, or a kind of parcel on a `Connection`); when it
 * ends, everything that waits on it fails, and the serving side forgets the client.
 */
import type { Micros } from "../../core/units.ts";
import { SECOND } from "../../core/units.ts";
import type { BucketOptions, Bus, KeyFilter, KeyValue, Subscription } from "./contract.ts";
import { closed, type ErrorData, errorFromData, errorToData, timedOut } from "./errors.ts";
import { decodeOwnFrame, encodeFrame } from "./frame.ts";
import { checkFilter, checkSize } from "./memory-bucket.ts";
import { checkBucket, checkDomain, checkKey, checkSubject } from "./names.ts";
import type { Timers } from "./timers.ts";
import { within } from "./wait.ts";

/** Ordered bytes between two ends. */
export interface Pipe {
  send(frame: Uint8Array): void;
  /** Calls `handler` for each frame; called once, before anything is sent. */
  receive(handler: (frame: Uint8Array) => void): void;
  /** Settles when the pipe has ended, however. */
  readonly ended: Promise<unknown>;
}

/** What a client asks, by name; `data` travels behind it. */
export type Call =
  | { readonly call: "publish"; readonly subject: string }
  | { readonly call: "subscribe"; readonly subject: string; readonly below: boolean }
  | { readonly call: "request"; readonly subject: string; readonly deadline: Micros }
  | { readonly call: "serve"; readonly subject: string }
  | { readonly call: "answer"; readonly ask: number; readonly error?: ErrorData }
  | { readonly call: "end"; readonly subscription: number }
  | { readonly call: "kv"; readonly bucket: string; readonly options: BucketOptions }
  | { readonly call: "watch"; readonly kv: number; readonly filter: KeyFilter }
  | { readonly call: "get"; readonly kv: number; readonly key: string }
  | { readonly call: "keys"; readonly kv: number; readonly filter: KeyFilter }
  | { readonly call: "revision"; readonly kv: number }
  | { readonly call: "put" | "create"; readonly kv: number; readonly key: string }
  | {
      readonly call: "update" | "updateBucket";
      readonly kv: number;
      readonly key: string;
      readonly revision: number;
    }
  | {
      readonly call: "delete";
      readonly kv: number;
      readonly key: string;
      readonly revision?: number | undefined;
    };

/** From the client: a call with its number, by which answers and events name it. */
export type Up = Call & { readonly id: number };

/** To the client: the outcome of a call, an event of a subscription, or a question to one who serves. */
export type Down =
  | { readonly type: "result"; readonly id: number; readonly value?: unknown }
  | { readonly type: "error"; readonly id: number; readonly error: ErrorData }
  | { readonly type: "heard"; readonly id: number; readonly subject: string }
  | {
      readonly type: "change";
      readonly id: number;
      readonly key: string;
      readonly revision: number;
      readonly deleted: boolean;
    }
  | { readonly type: "ask"; readonly id: number; readonly ask: number; readonly subject: string };

interface Result {
  readonly value: unknown;
  readonly data: Uint8Array;
}

/** Calls that are no request end within this, or the other side is stuck. */
const CALL_DEADLINE: Micros = 10 * SECOND;

class RemoteBus implements Bus {
  readonly id: string;
  readonly #pipe: Pipe;
  readonly #timers: Timers;
  readonly #calls = new Map<number, PromiseWithResolvers>();
  readonly #events = new Map<number, (event: Down, data: Uint8Array) => void>();
  #next = 1;
  #closed = false;

  constructor(id: string, pipe: Pipe, timers: Timers) {
    this.id = id;
    this.#pipe = pipe;
    this.#timers = timers;
    pipe.receive((frame) => {
      const { header, data } = decodeOwnFrame<Down>(frame);
      this.#hear(header, data);
    });
    const end = (): void => this.#end();
    pipe.ended.then(end, end);
  }

  #end(): void {
    this.#closed = true;
    this.#events.clear();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { reject } of calls) reject(closed(`the bus of ${this.id} is closed`));
  }

  #hear(down: Down, data: Uint8Array): void {
    if (down.type !== "result" && down.type !== "error") {
      this.#events.get(down.id)?.(down, data);
      return;
    }
    const call = this.#calls.get(down.id);
    this.#calls.delete(down.id);
    if (down.type === "error") call?.reject(errorFromData(down.error));
    else call?.resolve({ value: down.value, data });
  }

  #send(call: Call, data?: Uint8Array, id = 0): void {
    if (this.#closed) throw closed(`the bus of ${this.id} is closed`);
    this.#pipe.send(encodeFrame({ ...call, id } satisfies Up, data));
  }

  async #call(
    call: Call,
    data?: Uint8Array,
    wait: Partial<Parameters<Bus["request"]>[2]> = {},
    hear?: (event: Down, data: Uint8Array) => void,
  ): Promise<Result & { readonly id: number }> {
    const id = this.#next++;
    const outcome = withResolvers();
    this.#calls.set(id, outcome);
    if (hear) this.#events.set(id, hear);
    const deadline = wait.deadline ?? CALL_DEADLINE;
    const late = (): Error => timedOut(`no answer to ${call.call} within ${deadline} us`);
    try {
      this.#send(call, data, id);
      const result = await within(this.#timers, deadline, outcome.promise, late, wait.scope);
      return { ...result, id };
    } catch (error) {
      this.#events.delete(id);
      throw error;
    } finally {
      this.#calls.delete(id);
    }
  }

  async #subscription(
    call: Call,
    hear: (event: Down, data: Uint8Array) => void,
  ): Promise<Subscription> {
    const { id } = await this.#call(call, undefined, {}, hear);
    return {
      close: () => {
        const open = this.#events.delete(id);
        if (open && !this.#closed) this.#send({ call: "end", subscription: id });
      },
    };
  }

  publish(subject: string, data: Uint8Array): void {
    this.#send({ call: "publish", subject: checkSubject(subject) }, checkSize(data, subject));
  }

  async subscribe(
    subject: string,
    handler: (data: Uint8Array, subject: string) => void,
    options: { readonly below?: boolean } = {},
  ): Promise<Subscription> {
    const below = options.below ?? false;
    return this.#subscription(
      { call: "subscribe", subject: checkSubject(subject), below },
      (event, data) => {
        if (event.type === "heard") handler(data, event.subject);
      },
    );
  }

  async request(
    subject: string,
    data: Uint8Array,
    options: Parameters<Bus["request"]>[2],
  ): Promise<Uint8Array> {
    const { deadline } = options;
    const call: Call = { call: "request", subject: checkSubject(subject), deadline };
    return (await this.#call(call, checkSize(data, subject), options)).data;
  }

  async serve(
    subject: string,
    handler: (data: Uint8Array, subject: string) => Uint8Array | Promise<Uint8Array>,
  ): Promise<Subscription> {
    const answer = async (event: Down, data: Uint8Array): Promise<void> => {
      if (event.type !== "ask") return;
      const { ask } = event;
      let reply: { readonly error?: ErrorData; readonly data?: Uint8Array };
      try {
        reply = { data: checkSize(await handler(data, event.subject), subject) };
      } catch (error) {
        reply = { error: errorToData(error) };
      }
      const error = reply.error && { error: reply.error };
      if (!this.#closed) this.#send({ call: "answer", ask, ...error }, reply.data);
    };
    return this.#subscription({ call: "serve", subject: checkSubject(subject) }, (event, data) => {
      answer(event, data).catch(() => this.#end());
    });
  }

  async kv(bucket: string, options: BucketOptions = {}): Promise<KeyValue> {
    checkBucket(bucket);
    for (const name of [options.domain, options.mirrorOf]) name !== undefined && checkDomain(name);
    const { id: kv } = await this.#call({ call: "kv", bucket, options });
    const write = async (call: Call & { readonly key: string }, value?: Uint8Array) => {
      checkKey(call.key);
      return (await this.#call(call, value && checkSize(value, call.key))).value as number;
    };
    return {
      get: async (key) => {
        const { value, data } = await this.#call({ call: "get", kv, key: checkKey(key) });
        return typeof value === "number"
          ? { key, value: data.slice(), revision: value }
          : undefined;
      },
      keys: async (filter = "all") =>
        (await this.#call({ call: "keys", kv, filter: checkFilter(filter) }))
          .value as readonly string[],
      put: (key, value) => write({ call: "put", kv, key }, value),
      create: (key, value) => write({ call: "create", kv, key }, value),
      update: (key, value, revision) => write({ call: "update", kv, key, revision }, value),
      updateBucket: (key, value, revision) =>
        write({ call: "updateBucket", kv, key, revision }, value),
      revision: async () => (await this.#call({ call: "revision", kv })).value as number,
      delete: async (key, revision) => {
        await write({ call: "delete", kv, key, revision });
      },
      watch: async (filter, handler) =>
        this.#subscription({ call: "watch", kv, filter: checkFilter(filter) }, (event, data) => {
          if (event.type !== "change") return;
          const { key, revision, deleted } = event;
          handler({ key, revision, value: deleted ? undefined : data.slice() });
        }),
    };
  }

  async close(_deadline?: Micros): Promise<void> {
    if (this.#closed) return;
    this.#send({ call: "end", subscription: 0 });
    this.#end();
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<Result>;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve: PromiseWithResolvers["resolve"] = () => {};
  let reject: PromiseWithResolvers["reject"] = () => {};
  const promise = new Promise<Result>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/** The bus at the other end of a pipe (`serveBus`). */
export const remoteBus = (id: string, pipe: Pipe, timers: Timers): Bus =>
  new RemoteBus(id, pipe, timers);
