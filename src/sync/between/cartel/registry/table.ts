/** Records as a registry keeps them: the newest of each node, gone when nobody told them again for `ttl`. */
import type { NodeId } from "../../../../core/ids.ts";
import type { Micros } from "../../../../core/units.ts";
import type { RegistryQuery, SiteRecord } from "./contract.ts";

interface Kept {
  readonly record: SiteRecord;
  readonly bytes: Uint8Array;
  readonly heard: Micros;
}

/** Records that one table holds at most; the one heard longest ago goes first. */
const CAPACITY = 4096;

/** How much a record promises for the classes: the sum of its accuracies on those that it knows; 0 is nothing. */
export function promise(record: SiteRecord, classes: readonly number[]): number {
  let sum = 0;
  for (const c of classes)
    if ((record.classCounts[c] ?? 0) > 0) sum += 1e-9 + 1 - record.classErrors[c]!;
  return sum;
}

const byNode = (a: SiteRecord, b: SiteRecord): number => (a.node < b.node ? -1 : 1);

/** Those of the records that fit, the most promising `limit` of them, sorted by node. */
function fitting<R extends { readonly record: SiteRecord }>(
  kept: Iterable<R>,
  { classes, limit }: RegistryQuery,
  asker: NodeId,
): R[] {
  const ranked: { readonly kept: R; readonly worth: number }[] = [];
  for (const one of kept) {
    const worth = one.record.node === asker ? 0 : promise(one.record, classes);
    if (worth > 0) ranked.push({ kept: one, worth });
  }
  return ranked
    .sort((a, b) => b.worth - a.worth || byNode(a.kept.record, b.kept.record))
    .slice(0, limit)
    .map(({ kept }) => kept)
    .sort((a, b) => byNode(a.record, b.record));
}

/** What a question is answered with, of all that was found: the newest record of each node, as far as it fits. */
export function answerOf(
  found: Iterable<SiteRecord>,
  query: RegistryQuery,
  asker: NodeId,
): readonly SiteRecord[] {
  const newest = new Map<NodeId, { readonly record: SiteRecord }>();
  for (const record of found) {
    const known = newest.get(record.node);
    if (!known || known.record.sequence < record.sequence) newest.set(record.node, { record });
  }
  return fitting(newest.values(), query, asker).map(({ record }) => record);
}

export class RecordTable {
  readonly #ttl: Micros;
  readonly #kept = new Map<NodeId, Kept>();

  constructor(ttl: Micros) {
    this.#ttl = ttl;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** False where a newer record of the node is known already; the same one told again lives on. */
  put(record: SiteRecord, bytes: Uint8Array, now: Micros): boolean {
    const known = this.#kept.get(record.node);
    if (known && known.record.sequence > record.sequence) return false;
    this.#kept.delete(record.node);
    this.#kept.set(record.node, { record, bytes, heard: now });
    if (this.#kept.size > CAPACITY) this.#kept.delete(this.#kept.keys().next().value!);
    return true;
  }

  /** Living records that fit, as bytes. */
  select(query: RegistryQuery, asker: NodeId, now: Micros): readonly Uint8Array[] {
    // In the order in which they were heard: the old ones stand first.
    for (const [node, { heard }] of this.#kept) {
      if (now - heard < this.#ttl) break;
      this.#kept.delete(node);
    }
    return fitting(this.#kept.values(), query, asker).map(({ bytes }) => bytes);
  }
}
