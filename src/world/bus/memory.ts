/**
 * The bus inside one process: the supervisor of the local world keeps a `MemoryBroker`, and every host is a client
 * of it (over `remote.ts` from other threads and processes). Messages are copied, and delivered in a later turn.
 */
import type { Micros } from "../../core/units.ts";
import type { BucketOptions, Bus, KeyValue, Subscription } from "./contract.ts";
import { closed, errorFromData, errorToData, noBucket, noResponders, timedOut } from "./errors.ts";
import { checkSize, MemoryBucket, openMemoryBucket } from "./memory-bucket.ts";
import { checkBucket, checkDomain, checkSubject, isBelow } from "./names.ts";
import type { Timers } from "./timers.ts";
import { within } from "./wait.ts";

type Hear = (data: Uint8Array, subject: string) => void;
type Answer = (data: Uint8Array, subject: string) => Uint8Array | Promise<Uint8Array>;

interface Listener {
  readonly subject: string;
  readonly below: boolean;
  readonly hear: Hear;
}

export class MemoryBroker {
  readonly timers: Timers;
  readonly #listeners = new Set<Listener>();
  readonly #servers = new Map<string, Answer[]>();
  readonly #buckets = new Map<string, MemoryBucket>();

  constructor(timers: Timers) {
    this.timers = timers;
  }

  /** A client of this broker, at a domain of its own where one is named. */
  connect(id: string, domain = ""): Bus {
    return new MemoryBus(this, id, domain);
  }

  publish(subject: string, data: Uint8Array): void {
    for (const listener of this.#listeners) {
      const heard = listener.below
        ? isBelow(subject, listener.subject)
        : listener.subject === subject;
      if (!heard) continue;
      const copy = data.slice();
      queueMicrotask(() => this.#listeners.has(listener) && listener.hear(copy, subject));
    }
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  serve(subject: string, answer: Answer): () => void {
    const servers = this.#servers.get(subject) ?? [];
    servers.push(answer);
    this.#servers.set(subject, servers);
    return () => {
      const left = (this.#servers.get(subject) ?? []).filter((other) => other !== answer);
      if (left.length > 0) this.#servers.set(subject, left);
      else this.#servers.delete(subject);
    };
  }

  /** Asks the servers of a subject in turns. */
  async request(subject: string, data: Uint8Array): Promise<Uint8Array> {
    const servers = this.#servers.get(subject);
    const answer = servers?.shift();
    if (!servers || !answer) throw noResponders(`nobody serves ${subject}`);
    servers.push(answer);
    await Promise.resolve();
    return (await answer(data.slice(), subject)).slice();
  }

  bucket(name: string, options: BucketOptions, own: string): MemoryBucket {
    const named = options.mirrorOf ?? options.domain;
    const domain = named === undefined ? own : checkDomain(named);
    const place = `${domain}.${checkBucket(name)}`;
    let bucket = this.#buckets.get(place);
    if (!bucket && options.existing) throw noBucket(`there is no bucket ${name}`);
    if (!bucket) {
      bucket = new MemoryBucket(name, options, this.timers);
      this.#buckets.set(place, bucket);
    }
    bucket.checkOptions(options);
    return bucket;
  }
}

class MemoryBus implements Bus {
  readonly id: string;
  readonly #broker: MemoryBroker;
  readonly #domain: string;
  readonly #subscriptions = new Set<Subscription>();
  #closed = false;

  constructor(broker: MemoryBroker, id: string, domain: string) {
    this.#broker = broker;
    this.#domain = domain;
    this.id = id;
  }

  readonly #guard = (): void => {
    if (this.#closed) throw closed(`the bus of ${this.id} is closed`);
  };

  readonly #own = (subscription: Subscription): Subscription => {
    const owned = {
      close: () => {
        this.#subscriptions.delete(owned);
        subscription.close();
      },
    };
    this.#subscriptions.add(owned);
    return owned;
  };

  publish(subject: string, data: Uint8Array): void {
    this.#guard();
    this.#broker.publish(checkSubject(subject), checkSize(data, subject));
  }

  async subscribe(
    subject: string,
    handler: Hear,
    options: { readonly below?: boolean } = {},
  ): Promise<Subscription> {
    this.#guard();
    const below = options.below ?? false;
    const stop = this.#broker.listen({ subject: checkSubject(subject), below, hear: handler });
    return this.#own({ close: stop });
  }

  async request(
    subject: string,
    data: Uint8Array,
    { deadline, scope }: Parameters<Bus["request"]>[2],
  ): Promise<Uint8Array> {
    this.#guard();
    const asked = this.#broker.request(checkSubject(subject), checkSize(data, subject));
    const late = (): Error => timedOut(`no answer from ${subject} within ${deadline} us`);
    return checkSize(await within(this.#broker.timers, deadline, asked, late, scope), subject);
  }

  async serve(subject: string, handler: Answer): Promise<Subscription> {
    this.#guard();
    const answer: Answer = async (data, asked) => {
      try {
        return checkSize(await handler(data, asked), asked);
      } catch (error) {
        throw errorFromData(errorToData(error));
      }
    };
    return this.#own({ close: this.#broker.serve(checkSubject(subject), answer) });
  }

  async kv(bucket: string, options: BucketOptions = {}): Promise<KeyValue> {
    this.#guard();
    const opened = this.#broker.bucket(bucket, options, this.#domain);
    return openMemoryBucket(opened, this.#guard, this.#own);
  }

  async close(_deadline?: Micros): Promise<void> {
    this.#closed = true;
    for (const subscription of [...this.#subscriptions].reverse()) subscription.close();
  }
}
