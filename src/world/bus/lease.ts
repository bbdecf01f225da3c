/**
 * A lease in a bucket: at most one holder by everybody's clock, and an epoch that grows with every holder. The
 * lease is a hint (a paused holder does not know that it has lost it); what makes writes safe is the epoch, which
 * `fence.ts` checks. On the wire stand durations only: a holder counts from when it sent its renewal, the others
 * from when they saw it, which is later.
 */
import { z } from "zod";
import type { Scope } from "../../core/scope.ts";
import type { Micros } from "../../core/units.ts";
import type { KeyValue, Revision, Subscription } from "./contract.ts";
import { BusError, isRetryable } from "./errors.ts";
import { decodeJson, encodeJson } from "./frame.ts";
import type { Timers } from "./timers.ts";

const LeaseState = z.object({
  epoch: z.int().positive(),
  /** Empty once released. */
  holder: z.string(),
  /** Of the holder: counts its renewals. */
  beat: z.int().nonnegative(),
  durationMicros: z.int().positive(),
});
type LeaseState = z.infer<typeof LeaseState>;

export interface LeaseOptions {
  readonly timers: Timers;
  /** Who wants it; unique in each of its lives. */
  readonly holder: string;
  /** A lease that was not renewed for so long may be taken. */
  readonly durationMicros: Micros;
}

export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Greater than that of every earlier holder. */
  readonly epoch: number;
  /** False as soon as it may belong to somebody else. */
  held(): boolean;
  /** Settles when it is no longer held: undefined after `release`, else LEASE_LOST. */
  readonly ended: Promise<BusError | undefined>;
  release(): Promise<void>;
}

/** Renewals in a duration: two may fail. */
const RENEWALS = 3;

/** Waits until the lease is free, or its holder silent for its duration, and takes it. */
export async function acquireLease(
  kv: KeyValue,
  name: string,
  options: LeaseOptions,
  scope: Scope,
): Promise<Lease> {
  for (;;) {
    const found = await waitUntilFree(kv, name, options, scope);
    const state: LeaseState = {
      epoch: found.epoch + 1,
      holder: options.holder,
      beat: 0,
      durationMicros: options.durationMicros,
    };
    const sent = options.timers.now();
    const revision = await write(kv, name, state, found.revision);
    if (revision !== undefined) return new HeldLease(kv, name, state, { revision, sent }, options);
    scope.throwIfCancelled();
  }
}

/** Writes against a revision; undefined if somebody else was faster. */
async function write(
  kv: KeyValue,
  name: string,
  state: LeaseState,
  revision: Revision,
): Promise<Revision | undefined> {
  const value = encodeJson(state);
  try {
    return revision === 0 ? await kv.create(name, value) : await kv.update(name, value, revision);
  } catch (error) {
    const lost = error instanceof BusError && error.code === "BUS_CONFLICT";
    if (!lost && !isRetryable(error)) throw error;
  }
  // Perhaps it was our own write, of which only the answer was lost.
  const read = await kv.get(name).catch(() => undefined);
  const found = read && LeaseState.safeParse(decodeJson(read.value)).data;
  const ours =
    found?.epoch === state.epoch && found.holder === state.holder && found.beat === state.beat;
  return ours ? read?.revision : undefined;
}

interface Found {
  readonly epoch: number;
  readonly revision: Revision;
}

function waitUntilFree(
  kv: KeyValue,
  name: string,
  { timers }: LeaseOptions,
  scope: Scope,
): Promise<Found> {
  return new Promise((resolve, reject) => {
    let watch: Subscription | undefined;
    let heard = false;
    let done = false;
    let stop = (): void => {};
    const end = (finish: () => void): void => {
      if (done) return;
      done = true;
      stop();
      watch?.close();
      release();
      finish();
    };
    const release = scope.onCancel((error) => end(() => reject(error)));
    const hear = (revision: Revision, value: Uint8Array | undefined): void => {
      heard = true;
      stop();
      const state = value && LeaseState.safeParse(decodeJson(value)).data;
      const free = (): void => end(() => resolve({ epoch: state?.epoch ?? 0, revision }));
      if (!state || state.holder === "") free();
      else stop = timers.after(state.durationMicros, free);
    };
    kv.watch({ key: name }, (change) => !done && hear(change.revision, change.value)).then(
      (subscription) => {
        watch = subscription;
        if (done) subscription.close();
        else if (!heard) end(() => resolve({ epoch: 0, revision: 0 }));
      },
      (error: unknown) => end(() => reject(error as Error)),
    );
  });
}

class HeldLease implements Lease {
  readonly name: string;
  readonly ended: Promise<BusError | undefined>;
  readonly #kv: KeyValue;
  readonly #timers: Timers;
  #state: LeaseState;
  #revision: Revision;
  #validUntil: Micros;
  #finish: ((error: BusError | undefined) => void) | undefined;
  #stopRenewal: () => void = () => {};
  #stopExpiry: () => void = () => {};
  #renewal: Promise<void> = Promise.resolve();

  constructor(
    kv: KeyValue,
    name: string,
    state: LeaseState,
    { revision, sent }: { readonly revision: Revision; readonly sent: Micros },
    options: LeaseOptions,
  ) {
    this.#kv = kv;
    this.name = name;
    this.#timers = options.timers;
    this.#state = state;
    this.#revision = revision;
    this.#validUntil = sent + state.durationMicros;
    this.ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#schedule();
  }

  get holder(): string {
    return this.#state.holder;
  }

  get epoch(): number {
    return this.#state.epoch;
  }

  held(): boolean {
    return this.#finish !== undefined && this.#timers.now() < this.#validUntil;
  }

  #end(error: BusError | undefined): void {
    this.#stopRenewal();
    this.#stopExpiry();
    this.#finish?.(error);
    this.#finish = undefined;
  }

  #schedule(): void {
    if (!this.#finish) return;
    this.#stopExpiry();
    const left = Math.max(0, this.#validUntil - this.#timers.now());
    this.#stopExpiry = this.#timers.after(left, () => this.#end(lost(this, "not renewed in time")));
    const pause = Math.round(this.#state.durationMicros / RENEWALS);
    this.#stopRenewal = this.#timers.after(pause, () => {
      this.#renewal = this.#renew();
    });
  }

  async #renew(): Promise<void> {
    const sent = this.#timers.now();
    const next = { ...this.#state, beat: this.#state.beat + 1 };
    try {
      const revision = await write(this.#kv, this.name, next, this.#revision);
      if (revision === undefined) {
        const now = await this.#kv.get(this.name);
        if (now?.revision !== this.#revision) this.#end(lost(this, "taken by another holder"));
      } else {
        this.#state = next;
        this.#revision = revision;
        this.#validUntil = sent + next.durationMicros;
      }
    } catch (error) {
      if (!isRetryable(error)) this.#end(lost(this, "could not be renewed", error));
    }
    this.#schedule();
  }

  async release(): Promise<void> {
    if (!this.#finish) return;
    this.#end(undefined);
    await this.#renewal;
    // The epoch stays in the bucket: the next holder's must be greater.
    await write(this.#kv, this.name, { ...this.#state, holder: "" }, this.#revision);
  }
}

const lost = (lease: Lease, why: string, cause?: unknown): BusError =>
  new BusError("LEASE_LOST", `${lease.holder} lost ${lease.name} (epoch ${lease.epoch}): ${why}`, {
    cause,
  });
