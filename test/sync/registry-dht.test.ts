/** The parts of the distributed hash table after Kademlia's paper: metric (2.1), buckets (2.2, 4.1), lookup (2.3). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../src/core/ids.ts";
import { createRandom } from "../../src/core/random.ts";
import {
  bucketOf,
  type Contact,
  compareDistance,
  contactOf,
  type Key,
  keyOf,
} from "../../src/sync/between/cartel/registry/dht/key.ts";
import { RoutingTable } from "../../src/sync/between/cartel/registry/dht/routing.ts";
import { Shortlist } from "../../src/sync/between/cartel/registry/dht/shortlist.ts";

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const key = fc.record({ high: word, low: word });
const big = ({ high, low }: Key): bigint => (BigInt(high) << 32n) | BigInt(low);
const contacts = (count: number, prefix = "n"): Contact[] =>
  Array.from({ length: count }, (_, i) => contactOf(`${prefix}${i}` as NodeId));

describe("the metric", () => {
  test("is XOR read as a number", () => {
    fc.assert(
      fc.property(key, key, key, (target, a, b) => {
        const [da, db] = [big(a) ^ big(target), big(b) ^ big(target)];
        expect(Math.sign(compareDistance(target, a, b))).toBe(da < db ? -1 : da > db ? 1 : 0);
        if (da > 0n) expect(bucketOf(target, a)).toBe(da.toString(2).length - 1);
        expect(bucketOf(target, target)).toBe(-1);
      }),
    );
  });

  test("names are spread evenly over the first bits", () => {
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 16_000; i++) counts[keyOf(`site-${i}/peer-0`).high >>> 28]!++;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(160);
  });
});

describe("a routing table", () => {
  test("keeps at most k a bucket, those that lived longest, and knows the closest of them", () => {
    const table = new RoutingTable(keyOf("self"), 4);
    const all = contacts(200);
    for (const contact of all) table.heard(contact);
    const kept = table.closest(keyOf("self"), 1000);
    for (let index = 0; index < 64; index++) {
      const within = (one: Contact): boolean => bucketOf(keyOf("self"), one.key) === index;
      expect(new Set(kept.filter(within))).toEqual(new Set(all.filter(within).slice(0, 4)));
    }
    const target = keyOf("target");
    const dumb = [...kept].sort((a, b) => compareDistance(target, a.key, b.key)).slice(0, 5);
    expect(table.closest(target, 5)).toEqual(dumb);
  });

  test("puts the newcomer heard last in the place of one that failed", () => {
    const self = keyOf("self");
    const far = contacts(100).filter((contact) => bucketOf(self, contact.key) === 63);
    const table = new RoutingTable(self, 2);
    for (const contact of far.slice(0, 4)) table.heard(contact);
    table.failed(far[0]!);
    expect(new Set(table.closest(self, 9))).toEqual(new Set([far[1], far[3]]));
    table.failed(far[3]!);
    expect(new Set(table.closest(self, 9))).toEqual(new Set([far[1], far[2]]));
  });
});

describe("a lookup", () => {
  /** Nodes that know only `known` others each; answers in random order; some never answer. */
  function converge(seed: number, silent: number) {
    const random = createRandom(seed);
    const all = contacts(300);
    const dead = new Set(random.shuffle([...all]).slice(0, silent));
    const tables = new Map(
      all.map((contact) => {
        const table = new RoutingTable(contact.key, 8);
        for (const other of random.shuffle([...all])) table.heard(other);
        return [contact, table];
      }),
    );
    const target = keyOf(`target ${seed}`);
    const list = new Shortlist(target, 8, 3, random.shuffle([...all]).slice(0, 8));
    const asked: Contact[] = [];
    let [turns, flying] = [0, [] as Contact[]];
    while (!list.done && turns++ < 1000) {
      const next = list.next();
      asked.push(...next);
      flying = random.shuffle([...flying, ...next]);
      expect(flying.length).toBeLessThanOrEqual(3);
      const one = flying.pop();
      if (!one) break;
      if (dead.has(one)) list.failed(one);
      else {
        list.answered(one);
        list.learn(tables.get(one)!.closest(target, 8));
      }
    }
    const living = all.filter((contact) => !dead.has(contact));
    const wanted = living.sort((a, b) => compareDistance(target, a.key, b.key)).slice(0, 8);
    return { found: list.closest(), wanted, asked };
  }

  test("finds the k closest of 300 nodes and asks few, nobody twice", () => {
    for (let seed = 0; seed < 20; seed++) {
      const { found, wanted, asked } = converge(seed, 0);
      expect(found).toEqual(wanted);
      expect(new Set(asked).size).toBe(asked.length);
      expect(asked.length).toBeLessThan(40);
    }
  });

  test("finds nearly all of them while a quarter of the nodes are silent", () => {
    let hits = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { found, wanted } = converge(seed, 75);
      hits += wanted.filter((contact) => found.includes(contact)).length;
    }
    expect(hits).toBeGreaterThan(0.95 * 20 * 8);
  });
});
