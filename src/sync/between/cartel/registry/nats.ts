/**
 * The metadata service as a bucket of the control bus: NATS key-value in the cluster world, memory in tests. A record
 * stands under `class-<c>.<node>` for each class that the node knows; keys that nobody writes again go with the bucket's
 * time to live. Who may write a key is the server's matter (src/world/bus/accounts.ts); here a value whose node is not
 * the key's is refused.
 */
import type { Scope } from "../../../../core/scope.ts";
import { SECOND } from "../../../../core/units.ts";
import type { Buckets } from "../../../../world/bus/buckets.ts";
import type { KeyValue } from "../../../../world/bus/contract.ts";
import type { World } from "../../../../world/contract.ts";
import { holdsWithin } from "../wait.ts";
import { refusals } from "./central.ts";
import type { Registry, RegistryTerms, SiteRecord } from "./contract.ts";
import { decodeRecord, encodeRecord } from "./record.ts";
import { answerOf } from "./table.ts";

export interface NatsTerms extends RegistryTerms {
  /** Letters, digits, _ and -. */
  readonly bucket: string;
}

const above = (c: number): string => `class-${c}`;

/** A node's name as one word of a key: what a key does not bear is written =XX. */
export const wordOf = (node: string): string =>
  node.replace(/[^\w/-]/gu, (char) =>
    [...new TextEncoder().encode(char)]
      .map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join(""),
  );

/** What the bus could not do, it will do with the next record. */
const quietly = <T>(work: Promise<T>): Promise<T | undefined> => work.catch(() => undefined);

/** @param scope owns what is asked of the bus; each call there ends by the bus's own deadline at the latest. */
export function natsRegistry(world: World, bus: Buckets, terms: NatsTerms, scope: Scope): Registry {
  const { clock, node } = world;
  const changed = world.condition();
  const refuse = refusals(world);
  const ttlSeconds = Math.max(1, Math.ceil(terms.ttl / SECOND));
  let opening: Promise<KeyValue> | undefined;
  /** Opened when first needed, and anew after a failure: the server may come later than the sites. */
  const open = (): Promise<KeyValue> =>
    (opening ??= bus.kv(terms.bucket, { ttlSeconds }).catch((error: unknown) => {
      opening = undefined;
      throw error;
    }));
  let [latest, told]: (SiteRecord | undefined)[] = [];
  scope.spawn(async (task) => {
    for (;;) {
      await changed.until(() => latest !== told, { what: "a record to tell" }, task);
      told = latest;
      if (told) await quietly(open().then((kv) => write(kv, told!)));
    }
  });

  const read = async (c: number, found: SiteRecord[]): Promise<void> => {
    const kv = await open();
    const watch = await kv.watch({ below: above(c) }, ({ key, value }) => {
      if (!value) return;
      try {
        const now = clock.now();
        const record = decodeRecord(value, { ...terms, now });
        // The bucket of several runs keeps what is older.
        if (record.sequence + terms.ttl < now) return;
        if (key === `${above(c)}.${wordOf(record.node)}`) found.push(record);
        else refuse();
      } catch {
        refuse();
      }
    });
    watch.close();
  };

  return {
    publish: (record) => {
      if (latest && latest.sequence > record.sequence) return;
      latest = record;
      changed.notify();
    },
    query: async (query, deadline, asking) => {
      const found: SiteRecord[] = [];
      let left = query.classes.length;
      for (const c of query.classes)
        scope.spawn(async () => {
          await quietly(read(c, found));
          left--;
          changed.notify();
        });
      const reason = { what: "the registry's bucket" };
      await holdsWithin(world, changed, () => left === 0, deadline, reason, asking);
      return answerOf(found, query, node.id);
    },
  };
}

async function write(kv: KeyValue, record: SiteRecord): Promise<void> {
  const bytes = encodeRecord(record);
  const word = wordOf(record.node);
  for (let c = 0; c < record.classCounts.length; c++)
    if (record.classCounts[c]! > 0) await kv.put(`${above(c)}.${word}`, bytes);
}
