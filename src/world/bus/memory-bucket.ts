/** A bucket in memory: the same revisions, expiry and watches as a NATS bucket with a history of one. */
import { SECOND } from "../../core/units.ts";
import type { BucketOptions, Change, Entry, KeyFilter, KeyValue, Revision } from "./contract.ts";
import { MAX_MESSAGE, type Subscription } from "./contract.ts";
import { bucketDiffers, conflict, tooLarge } from "./errors.ts";
import { checkKey, isBelow } from "./names.ts";
import type { Timers } from "./timers.ts";

interface Stored {
  readonly value: Uint8Array | undefined;
  readonly revision: Revision;
  /** Of `Timers.now()`. */
  readonly written: number;
}

/** What must hold for a write; the last revision of the key (0: none), or of the whole bucket. */
interface Expected {
  readonly key?: Revision;
  readonly bucket?: Revision;
}

export const matches = (key: string, filter: KeyFilter): boolean =>
  filter === "all" || ("key" in filter ? key === filter.key : isBelow(key, filter.below));

/** @throws InputError BUS_NAME */
export function checkFilter(filter: KeyFilter): KeyFilter {
  if (filter !== "all") checkKey("key" in filter ? filter.key : filter.below);
  return filter;
}

export function checkSize(data: Uint8Array, what: string): Uint8Array {
  if (data.byteLength > MAX_MESSAGE) {
    throw tooLarge(`${what}: ${data.byteLength} bytes, and a bus carries at most ${MAX_MESSAGE}`, {
      fix: "send tensors over connections, and larger metadata as a blob",
    });
  }
  return data;
}

export class MemoryBucket {
  readonly #name: string;
  readonly #timers: Timers;
  readonly #options: BucketOptions;
  readonly #entries = new Map<string, Stored>();
  readonly #watchers = new Set<(change: Change) => void>();
  #revision: Revision = 0;

  constructor(name: string, options: BucketOptions, timers: Timers) {
    this.#name = name;
    this.#options = options;
    this.#timers = timers;
  }

  /** @throws BusError BUS_BUCKET_DIFFERS */
  checkOptions({ ttlSeconds }: BucketOptions): void {
    const mine = this.#options.ttlSeconds;
    if (ttlSeconds !== mine) {
      throw bucketDiffers(
        `bucket ${this.#name} keeps keys for ${mine ?? "ever"} (s), not ${ttlSeconds ?? "ever"}`,
      );
    }
  }

  get revision(): Revision {
    return this.#revision;
  }

  #living(key: string): Stored | undefined {
    const stored = this.#entries.get(key);
    const { ttlSeconds } = this.#options;
    if (!stored || ttlSeconds === undefined) return stored;
    if (this.#timers.now() - stored.written < ttlSeconds * SECOND) return stored;
    this.#entries.delete(key);
    return undefined;
  }

  get(key: string): Entry | undefined {
    const stored = this.#living(key);
    return stored?.value && { key, value: stored.value, revision: stored.revision };
  }

  /** Living keys in the order of their last writes. */
  entries(filter: KeyFilter): readonly Entry[] {
    return [...this.#entries.keys()]
      .filter((key) => matches(key, filter))
      .flatMap((key) => this.get(key) ?? [])
      .sort((a, b) => a.revision - b.revision);
  }

  write(key: string, value: Uint8Array | undefined, expected: Expected): Revision {
    const stored = this.#living(key);
    const now = stored?.revision ?? 0;
    if (expected.bucket !== undefined && expected.bucket !== this.#revision) {
      throw conflict(`${this.#name} is at revision ${this.#revision}, not ${expected.bucket}`);
    }
    const wanted = expected.key === 0 && stored?.value === undefined ? now : expected.key;
    if (wanted !== undefined && wanted !== now) {
      throw conflict(`${this.#name}: ${key} is at revision ${now}, not ${wanted}`);
    }
    const revision = ++this.#revision;
    this.#entries.set(key, { value: value?.slice(), revision, written: this.#timers.now() });
    for (const tell of this.#watchers) tell({ key, value: value?.slice(), revision });
    return revision;
  }

  watch(tell: (change: Change) => void): () => void {
    this.#watchers.add(tell);
    return () => {
      this.#watchers.delete(tell);
    };
  }
}

/** A client's view of a bucket. `guard` throws once the client is closed; watches are handed to `own`. */
export function openMemoryBucket(
  bucket: MemoryBucket,
  guard: () => void,
  own: (subscription: Subscription) => Subscription,
): KeyValue {
  const write = async (
    key: string,
    value: Uint8Array | undefined,
    expected: Expected = {},
  ): Promise<Revision> => {
    guard();
    return bucket.write(checkKey(key), value && checkSize(value, key), expected);
  };
  return {
    get: async (key) => {
      guard();
      const entry = bucket.get(checkKey(key));
      return entry && { ...entry, value: entry.value.slice() };
    },
    keys: async (filter = "all") => {
      guard();
      return bucket
        .entries(checkFilter(filter))
        .map(({ key }) => key)
        .sort();
    },
    put: (key, value) => write(key, value),
    create: (key, value) => write(key, value, { key: 0 }),
    update: (key, value, revision) => write(key, value, { key: revision }),
    updateBucket: (key, value, revision) => write(key, value, { bucket: revision }),
    revision: async () => bucket.revision,
    delete: async (key, revision) => {
      await write(key, undefined, revision === undefined ? {} : { key: revision });
    },
    watch: async (filter, handler) => {
      guard();
      checkFilter(filter);
      const known = bucket.entries(filter);
      const queue: Change[] = known.map((entry) => ({ ...entry, value: entry.value.slice() }));
      let open = true;
      // Told in a later turn, as over a network, so that a handler never runs inside another's write.
      const tell = (change: Change): void => {
        if (matches(change.key, filter)) queueMicrotask(() => open && handler(change));
      };
      const stop = bucket.watch(tell);
      const subscription = own({
        close: () => {
          open = false;
          stop();
        },
      });
      for (const change of queue) handler(change);
      return subscription;
    },
  };
}
