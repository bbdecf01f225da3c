/** The serving end of a remote bus: does for a client at the other end of a pipe what it asks of a bus. */
import { invariant } from "../../core/errors.ts";
import type { Bus, KeyValue, Subscription } from "./contract.ts";
import { errorFromData, errorToData, timedOut } from "./errors.ts";
import { decodeOwnFrame, encodeFrame } from "./frame.ts";
import type { Down, Pipe, Up } from "./remote.ts";

interface Asked {
  readonly resolve: (data: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Serves `bus` to the other end of the pipe and closes it when the pipe ends or the client says so. Resolves
 * then.
 */
export async function serveBus(bus: Bus, pipe: Pipe): Promise<void> {
  const client = new Client(bus, pipe);
  pipe.receive((frame) => {
    const { header, data } = decodeOwnFrame<Up>(frame);
    client.hear(header, data);
  });
  await Promise.race([pipe.ended.catch(() => {}), client.left]);
  client.end();
  await bus.close();
}

class Client {
  readonly #bus: Bus;
  readonly #pipe: Pipe;
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #buckets = new Map<number, KeyValue>();
  readonly #asked = new Map<number, Asked>();
  readonly left: Promise<void>;
  #leave: () => void = () => {};
  #asks = 0;
  #open = true;

  constructor(bus: Bus, pipe: Pipe) {
    this.#bus = bus;
    this.#pipe = pipe;
    this.left = new Promise((resolve) => {
      this.#leave = resolve;
    });
  }

  /** The client is gone: nothing more is sent to it, and who waits for its answers is told. */
  end(): void {
    this.#open = false;
    for (const { reject } of this.#asked.values()) reject(timedOut("whoever served this has left"));
    this.#asked.clear();
  }

  #send(down: Down, data?: Uint8Array): void {
    if (this.#open) this.#pipe.send(encodeFrame(down, data));
  }

  hear(up: Up, data: Uint8Array): void {
    this.#do(up, data).then(
      (result) => {
        if (up.id !== 0) {
          this.#send({ type: "result", id: up.id, value: result?.value }, result?.data);
        }
      },
      (error: unknown) => this.#send({ type: "error", id: up.id, error: errorToData(error) }),
    );
  }

  async #do(
    up: Up,
    data: Uint8Array,
  ): Promise<{ readonly value?: unknown; readonly data?: Uint8Array } | undefined> {
    const { id } = up;
    switch (up.call) {
      case "publish":
        this.#bus.publish(up.subject, data);
        return undefined;
      case "request":
        return { data: await this.#bus.request(up.subject, data, { deadline: up.deadline }) };
      case "answer":
        this.#answered(up.ask, data, up.error);
        return undefined;
      case "end":
        if (up.subscription === 0) this.#leave();
        this.#subscriptions.get(up.subscription)?.close();
        this.#subscriptions.delete(up.subscription);
        return undefined;
      case "subscribe":
      case "serve":
      case "watch":
        this.#subscriptions.set(id, await this.#subscribe(up));
        return undefined;
      case "kv":
        this.#buckets.set(id, await this.#bus.kv(up.bucket, up.options));
        return undefined;
      default:
        return keyCall(this.#bucket(up.kv), up, data);
    }
  }

  #bucket(id: number): KeyValue {
    const bucket = this.#buckets.get(id);
    invariant(bucket, "a client names only buckets that it opened");
    return bucket;
  }

  #subscribe(up: Up & { call: "subscribe" | "serve" | "watch" }): Promise<Subscription> {
    const { id } = up;
    if (up.call === "watch") {
      return this.#bucket(up.kv).watch(up.filter, ({ key, revision, value }) =>
        this.#send({ type: "change", id, key, revision, deleted: value === undefined }, value),
      );
    }
    if (up.call === "subscribe") {
      const hear = (data: Uint8Array, subject: string): void =>
        this.#send({ type: "heard", id, subject }, data);
      return this.#bus.subscribe(up.subject, hear, { below: up.below });
    }
    return this.#bus.serve(up.subject, (data, subject) => this.#ask(id, subject, data));
  }

  #ask(id: number, subject: string, data: Uint8Array): Promise<Uint8Array> {
    const ask = ++this.#asks;
    return new Promise((resolve, reject) => {
      this.#asked.set(ask, { resolve, reject });
      this.#send({ type: "ask", id, ask, subject }, data);
    });
  }

  #answered(ask: number, data: Uint8Array, error: (Up & { call: "answer" })["error"]): void {
    const asked = this.#asked.get(ask);
    this.#asked.delete(ask);
    if (error) asked?.reject(errorFromData(error));
    else asked?.resolve(data);
  }
}

type KeyCall = Extract<Up, { kv: number }>;

async function keyCall(
  kv: KeyValue,
  up: Exclude<KeyCall, { call: "watch" }>,
  data: Uint8Array,
): Promise<{ readonly value?: unknown; readonly data?: Uint8Array } | undefined> {
  switch (up.call) {
    case "get": {
      const entry = await kv.get(up.key);
      return entry && { value: entry.revision, data: entry.value };
    }
    case "keys":
      return { value: await kv.keys(up.filter) };
    case "revision":
      return { value: await kv.revision() };
    case "put":
      return { value: await kv.put(up.key, data) };
    case "create":
      return { value: await kv.create(up.key, data) };
    case "update":
      return { value: await kv.update(up.key, data, up.revision) };
    case "updateBucket":
      return { value: await kv.updateBucket(up.key, data, up.revision) };
    case "delete":
      await kv.delete(up.key, up.revision);
      return undefined;
    default:
      return up satisfies never;
  }
}
