/**
 * What the programs of a run may use of a control bus: buckets. In a cluster, runs share one bucket whose name the roles'
 * permissions bear (accounts.ts), and each has its keys below its own name. A bucket has one time to live for everybody:
 * who wants a shorter one looks at the age of what it reads.
 */
import type { Bus, Change, KeyFilter, KeyValue } from "./contract.ts";

export type Buckets = Pick<Bus, "kv">;

/** The bucket in which sites tell of their models. */
export const REGISTRY = "cartel";

/** Agents give a run up before that which nobody leads. */
export const SHARED_SECONDS = 3600;

/** Whoever leads runs makes it; nodes may only write. */
export const openRegistry = (bus: Buckets, domain?: string): Promise<KeyValue> =>
  bus.kv(REGISTRY, { ttlSeconds: SHARED_SECONDS, domain });

/** @param run a word of keys. */
export const bucketsOfRun = (bus: Buckets, run: string): Buckets => ({
  kv: async (bucket, { domain } = {}) =>
    belowRun(await bus.kv(bucket, { ttlSeconds: SHARED_SECONDS, domain }), run),
});

function belowRun(kv: KeyValue, run: string): KeyValue {
  const full = (key: string): string => `${run}.${key}`;
  const own = (key: string): string => key.slice(run.length + 1);
  const filterOf = (filter: KeyFilter): KeyFilter => {
    if (filter === "all") return { below: run };
    return "key" in filter ? { key: full(filter.key) } : { below: full(filter.below) };
  };
  return {
    get: async (key) => {
      const entry = await kv.get(full(key));
      return entry && { ...entry, key };
    },
    keys: async (filter = "all") => (await kv.keys(filterOf(filter))).map(own),
    put: (key, value) => kv.put(full(key), value),
    create: (key, value) => kv.create(full(key), value),
    update: (key, value, revision) => kv.update(full(key), value, revision),
    updateBucket: (key, value, revision) => kv.updateBucket(full(key), value, revision),
    revision: () => kv.revision(),
    delete: (key, revision) => kv.delete(full(key), revision),
    watch: (filter, handler) =>
      kv.watch(filterOf(filter), (change: Change) => handler({ ...change, key: own(change.key) })),
  };
}
