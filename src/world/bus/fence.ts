/**
 * Fencing by epochs: what makes a lease safe. A bucket that only the holder of a lease writes is opened with the
 * holder's epoch, which is stored in it. Every write is made against the revision of the whole bucket, so once a
 * later holder has stored its epoch, no write of an earlier one succeeds, whatever key it names and however long
 * it was paused (Kleppmann 2016, "How to do distributed locking"; here the store checks by compare-and-set).
 */
import { z } from "zod";
import { invariant } from "../../core/errors.ts";
import type { KeyValue, Revision } from "./contract.ts";
import { BusError, isRetryable, staleEpoch } from "./errors.ts";
import { decodeFrame, decodeJson, encodeFrame, encodeJson } from "./frame.ts";

/** The key of the bucket's epoch. */
const FENCE = "fence";
const Fence = z.object({ epoch: z.int().positive(), holder: z.string() });

export interface FencedEntry {
  readonly value: Uint8Array;
  /** Of the holder that wrote it. */
  readonly epoch: number;
}

export interface FencedBucket {
  readonly epoch: number;
  /** Rejects with STALE_EPOCH once a later holder has opened the bucket. Writes go one after another. */
  put(key: string, value: Uint8Array): Promise<void>;
}

/** Opens a bucket for writing as the holder of `epoch`. Rejects with STALE_EPOCH if a later one has. */
export async function fenced(
  kv: KeyValue,
  { epoch, holder }: { readonly epoch: number; readonly holder: string },
): Promise<FencedBucket> {
  let revision = await claim(kv, epoch, holder);
  let last: Promise<unknown> = Promise.resolve();
  return {
    epoch,
    put: (key, value) => {
      invariant(key !== FENCE, "the fence's own key is not for others");
      const write = async (): Promise<void> => {
        revision = await writeFenced(kv, epoch, revision, key, encodeFrame({ epoch }, value));
      };
      const written = last.then(write);
      last = written.catch(() => {});
      return written;
    },
  };
}

/** What a holder wrote, with its epoch; for readers. */
export async function readFenced(kv: KeyValue, key: string): Promise<FencedEntry | undefined> {
  const entry = await kv.get(key);
  const decoded = entry && decodeFrame<{ epoch: number }>(entry.value);
  return decoded && { value: decoded.data, epoch: decoded.header.epoch };
}

const ATTEMPTS = 8;

const mayRepeat = (error: unknown): boolean =>
  isRetryable(error) || (error instanceof BusError && error.code === "BUS_CONFLICT");

/**
 * Stores the epoch, against the revision of its own key alone: an earlier holder that still writes cannot keep it
 * out, and any write moves the bucket's revision on, which ends the earlier holder's.
 */
async function claim(kv: KeyValue, epoch: number, holder: string): Promise<Revision> {
  const value = encodeJson({ epoch, holder });
  for (let attempt = 1; ; attempt++) {
    const known = await checkEpoch(kv, epoch);
    try {
      return known === 0 ? await kv.create(FENCE, value) : await kv.update(FENCE, value, known);
    } catch (error) {
      if (!mayRepeat(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Writes at the bucket's revision, as long as the stored epoch allows. @returns the new revision */
async function writeFenced(
  kv: KeyValue,
  epoch: number,
  known: Revision,
  key: string,
  value: Uint8Array,
): Promise<Revision> {
  let revision = known;
  for (let attempt = 1; ; attempt++) {
    try {
      return await kv.updateBucket(key, value, revision);
    } catch (error) {
      if (!mayRepeat(error) || attempt === ATTEMPTS) throw error;
    }
    // The order matters: a claim after the first read moves the revision, and one before the second is seen.
    revision = await kv.revision();
    await checkEpoch(kv, epoch);
  }
}

/** The revision of the stored epoch, 0 if there is none. Rejects with STALE_EPOCH if it is a later one. */
async function checkEpoch(kv: KeyValue, epoch: number): Promise<Revision> {
  const entry = await kv.get(FENCE);
  const fence = entry && Fence.safeParse(decodeJson(entry.value)).data;
  if (fence && fence.epoch > epoch) {
    throw staleEpoch(`epoch ${epoch} is over: ${fence.holder} holds epoch ${fence.epoch}`);
  }
  return entry?.revision ?? 0;
}

/** Refuses commands of earlier holders: for nodes that are told what to do by messages. */
export class EpochGate {
  #epoch = 0;

  /** @throws BusError STALE_EPOCH */
  accept(epoch: number): void {
    if (!Number.isSafeInteger(epoch) || epoch < this.#epoch) {
      throw staleEpoch(`epoch ${epoch} is over: this node has heard of ${this.#epoch}`);
    }
    this.#epoch = epoch;
  }
}
