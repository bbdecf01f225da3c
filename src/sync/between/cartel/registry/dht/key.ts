/**
 * Keys of the distributed hash table: 64 bits, and the XOR metric over them (Maymounkov and Mazières, "Kademlia",
 * IPTPS 2002, section 2.1). The hash spreads names evenly; it hides nothing and does not stop somebody who picks his name.
 */
import type { NodeId } from "../../../../../core/ids.ts";

export interface Key {
  /** Unsigned 32 bits each. */
  readonly high: number;
  readonly low: number;
}

export const KEY_BITS = 64;

/** A node and its place in the key space. */
export interface Contact {
  readonly node: NodeId;
  readonly key: Key;
}

function hash32(text: string, seed: number): number {
  let h = seed >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
  return (h ^ (h >>> 16)) >>> 0;
}

export const keyOf = (name: string): Key => ({
  high: hash32(name, 0x811c9dc5),
  low: hash32(name, 0x9e3779b9),
});

export const contactOf = (node: NodeId): Contact => ({ node, key: keyOf(node) });

/** Below 0 where `a` is closer to the target than `b`, by d(x, y) = x XOR y read as a number. */
export function compareDistance(target: Key, a: Key, b: Key): number {
  const high = ((a.high ^ target.high) >>> 0) - ((b.high ^ target.high) >>> 0);
  return high !== 0 ? high : ((a.low ^ target.low) >>> 0) - ((b.low ^ target.low) >>> 0);
}

/** floor(log2(distance)), 0..63: the bucket in which `self` keeps `other`; -1 where they are equal. */
export function bucketOf(self: Key, other: Key): number {
  const high = (self.high ^ other.high) >>> 0;
  if (high !== 0) return 63 - Math.clz32(high);
  return 31 - Math.clz32((self.low ^ other.low) >>> 0);
}
