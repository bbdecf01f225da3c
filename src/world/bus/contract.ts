/**
 * The control bus: membership, registry, leases, start and stop. Messages are bytes of at most 1 MB; tensors never
 * travel on it. Three backends pass one suite (`test/world/bus-contract.ts`): memory, memory reached from another
 * thread or process, and NATS.
 *
 * A bus may lose, repeat and reorder what is published or asked; handlers must bear that. Where something must
 * arrive once and in order, use `sequenced.ts`. Handlers must not throw, except those that serve. Names are checked (`names.ts`); waits are bounded; errors are
 * `BusError`s that say whether to try again.
 */
import type { Scope } from "../../core/scope.ts";
import type { Bytes, Micros } from "../../core/units.ts";

/** The longest message, answer or value. */
export const MAX_MESSAGE: Bytes = 1_000_000;

/** Counts the writes of a bucket, from 1. */
export type Revision = number;

export interface Subscription {
  /** After this no further call of the handler begins. */
  close(): void;
}

export interface Bus {
  /** Of this client: names it in logs. */
  readonly id: string;
  /** Sends without waiting. Throws BUS_TOO_LARGE, BUS_CLOSED. */
  publish(subject: string, data: Uint8Array): void;
  /** Hears the subject, or with `below` all subjects `subject.…`. In effect once resolved. */
  subscribe(
    subject: string,
    handler: (data: Uint8Array, subject: string) => void,
    options?: { readonly below?: boolean },
  ): Promise<Subscription>;
  /**
   * Asks whoever serves the subject. Rejects with BUS_NO_RESPONDERS or BUS_TIMEOUT (both retryable), with the
   * code that the handler threw, or BUS_HANDLER_FAILED.
   */
  request(
    subject: string,
    data: Uint8Array,
    options: { readonly deadline: Micros; readonly scope?: Scope | undefined },
  ): Promise<Uint8Array>;
  /** Answers requests; of several that serve a subject one is chosen. In effect once resolved. */
  serve(
    subject: string,
    handler: (data: Uint8Array, subject: string) => Uint8Array | Promise<Uint8Array>,
  ): Promise<Subscription>;
  /** Opens a bucket, creating it if need be. Rejects with BUS_BUCKET_DIFFERS if it has other settings. */
  kv(bucket: string, options?: BucketOptions): Promise<KeyValue>;
  /** Sends what was published, ends all subscriptions, closes; at the latest after `deadline`. */
  close(deadline?: Micros): Promise<void>;
}

export interface BucketOptions {
  /** Keys that nobody wrote for so long are gone; whole seconds. Watchers hear nothing of it. */
  readonly ttlSeconds?: number | undefined;
  /** Copies in a cluster of servers; 1 by default. */
  readonly replicas?: number | undefined;
  /** Whose bucket: a site's domain other than this client's own. */
  readonly domain?: string | undefined;
  /** A copy at this client's domain of that other domain's bucket: reads are local and late, writes go there. */
  readonly mirrorOf?: string | undefined;
  /** Only one that is there: rejects with BUS_NO_BUCKET (retryable) instead of making it. */
  readonly existing?: boolean | undefined;
}

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: Revision;
}

/** What a watcher hears: `value` is undefined when the key was deleted. */
export interface Change {
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly revision: Revision;
}

/** Which keys: one, those `below.…`, or all. */
export type KeyFilter = { readonly key: string } | { readonly below: string } | "all";

export interface KeyValue {
  get(key: string): Promise<Entry | undefined>;
  /** Living keys, sorted. */
  keys(filter?: KeyFilter): Promise<readonly string[]>;
  put(key: string, value: Uint8Array): Promise<Revision>;
  /** Writes a key that does not exist. Rejects with BUS_CONFLICT. */
  create(key: string, value: Uint8Array): Promise<Revision>;
  /** Writes a key that is still at `revision`. Rejects with BUS_CONFLICT. */
  update(key: string, value: Uint8Array, revision: Revision): Promise<Revision>;
  /** Writes a key if the whole bucket is still at `revision`: what a fence is made of. BUS_CONFLICT otherwise. */
  updateBucket(key: string, value: Uint8Array, revision: Revision): Promise<Revision>;
  /** The revision of the bucket's last write; 0 before the first. */
  revision(): Promise<Revision>;
  /** Deletes the key, if it is still at `revision` where one is given. */
  delete(key: string, revision?: Revision): Promise<void>;
  /**
   * Tells the living keys in the order of their last writes, resolves, and then tells every key's later changes:
   * in order, each at most once. Of several changes in quick succession (or while the connection was lost) only
   * the last may be told.
   */
  watch(filter: KeyFilter, handler: (change: Change) => void): Promise<Subscription>;
}
