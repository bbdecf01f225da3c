/**
 * A node's routing table: for each distance 2^i..2^(i+1) a bucket of at most k contacts, those heard longest ago first
 * (Kademlia, section 2.2). As in section 4.1 nobody is pinged for a newcomer: it waits in the bucket's replacement
 * cache until one of the bucket has failed to answer. Those that live long are thus kept.
 */
import { bucketOf, type Contact, compareDistance, KEY_BITS, type Key } from "./key.ts";

interface Bucket {
  readonly live: Contact[];
  readonly waiting: Contact[];
}

export class RoutingTable {
  readonly #self: Key;
  readonly #k: number;
  readonly #buckets: (Bucket | undefined)[] = new Array(KEY_BITS);

  constructor(self: Key, k: number) {
    this.#self = self;
    this.#k = k;
  }

  get size(): number {
    return this.#buckets.reduce((sum, bucket) => sum + (bucket?.live.length ?? 0), 0);
  }

  /** The contact has just said something. */
  heard(contact: Contact): void {
    const index = bucketOf(this.#self, contact.key);
    if (index < 0) return;
    const bucket = (this.#buckets[index] ??= { live: [], waiting: [] });
    if (remove(bucket.live, contact) || bucket.live.length < this.#k) {
      bucket.live.push(contact);
      remove(bucket.waiting, contact);
      return;
    }
    remove(bucket.waiting, contact);
    bucket.waiting.push(contact);
    if (bucket.waiting.length > this.#k) bucket.waiting.shift();
  }

  /** The contact did not answer: the newcomer heard last takes its place, if there is one. */
  failed(contact: Contact): void {
    const bucket = this.#buckets[bucketOf(this.#self, contact.key)];
    if (!bucket) return;
    remove(bucket.waiting, contact);
    const next = bucket.waiting.pop();
    if (remove(bucket.live, contact)) {
      if (next) bucket.live.push(next);
    } else if (next) bucket.waiting.push(next);
  }

  /** The `count` known contacts closest to the target, closest first. */
  closest(target: Key, count: number): Contact[] {
    return this.#buckets
      .flatMap((bucket) => bucket?.live ?? [])
      .sort((a, b) => compareDistance(target, a.key, b.key))
      .slice(0, count);
  }
}

function remove(contacts: Contact[], { node }: Contact): boolean {
  const at = contacts.findIndex((contact) => contact.node === node);
  if (at < 0) return false;
  contacts.splice(at, 1);
  return true;
}
