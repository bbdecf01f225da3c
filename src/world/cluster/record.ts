/**
 * The record of a run in the bucket of runs: what another coordinator needs to go on with it. Every write is against
 * the revision that was last seen and bears the epoch of who wrote it: once a later holder of the lease has written,
 * no write of an earlier one succeeds.
 */
import type { NodeId } from "../../core/ids.ts";
import type { Micros } from "../../core/units.ts";
import type { Bus, KeyValue, Revision } from "../bus/contract.ts";
import { BusError, isRetryable, staleEpoch } from "../bus/errors.ts";
import { decodeJson, encodeJson } from "../bus/frame.ts";
import type { Member } from "../bus/membership.ts";
import type { RunFile } from "../bus/run-files.ts";
import type { MemberChange } from "../members.ts";
import { RUNS } from "./subjects.ts";

export interface RunRecord {
  readonly run: string;
  /** The resolved experiment. */
  readonly spec: unknown;
  readonly phase: "starting" | "running" | "over";
  /** In the order of the hosts. */
  readonly agents: readonly Member[];
  readonly hostOf: Readonly<Record<NodeId, number>>;
  /** Of the data plane. */
  readonly token: string;
  /** The signing key of a cluster without keys. */
  readonly seed: string | undefined;
  /** The start, on the clock of each host's machine. */
  readonly goAt: readonly Micros[];
  /** Who has come and gone. */
  readonly members: readonly MemberChange[];
  /** What the hosts were told before they joined, where they were. */
  readonly facts?: unknown;
  /** What the experiment names that is no data; they are kept in the bucket of runs' files. */
  readonly files?: readonly RunFile[] | undefined;
  /** Without a renewal for so long, another may lead the run. */
  readonly leaseMicros: Micros;
}

interface Stored {
  readonly epoch: number;
  readonly record: RunRecord;
}

const ATTEMPTS = 8;

export class RunRecords {
  readonly #kv: KeyValue;
  readonly #epoch: number;
  #record: RunRecord;
  #revision: Revision = 0;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(kv: KeyValue, epoch: number, record: RunRecord) {
    this.#kv = kv;
    this.#epoch = epoch;
    this.#record = record;
  }

  /** Writes a record as the holder of an epoch. */
  static async open(
    bus: Bus,
    domain: string | undefined,
    epoch: number,
    record: RunRecord,
  ): Promise<RunRecords> {
    const records = new RunRecords(await bus.kv(RUNS, { domain }), epoch, record);
    await records.change({});
    return records;
  }

  static async read(
    bus: Bus,
    domain: string | undefined,
    run: string,
  ): Promise<RunRecord | undefined> {
    const kv = await bus.kv(RUNS, { domain });
    return (await stored(kv, run))?.record;
  }

  get record(): RunRecord {
    return this.#record;
  }

  /** @throws BusError STALE_EPOCH once a later holder has written. */
  change(changes: Partial<RunRecord>): Promise<void> {
    this.#record = { ...this.#record, ...changes };
    const written = this.#last.then(() => this.#write());
    this.#last = written.catch(() => {});
    return written;
  }

  async #write(): Promise<void> {
    const value = encodeJson({ epoch: this.#epoch, record: this.#record } satisfies Stored);
    const { run } = this.#record;
    for (let attempt = 1; ; attempt++) {
      try {
        this.#revision =
          this.#revision === 0
            ? await this.#kv.create(run, value)
            : await this.#kv.update(run, value, this.#revision);
        return;
      } catch (error) {
        const moved = error instanceof BusError && error.code === "BUS_CONFLICT";
        if ((!moved && !isRetryable(error)) || attempt === ATTEMPTS) throw error;
      }
      const found = await stored(this.#kv, run);
      if (found && found.epoch > this.#epoch)
        throw staleEpoch(`epoch ${this.#epoch} of run ${run} is over: it is ${found.epoch}`);
      this.#revision = found?.revision ?? 0;
    }
  }
}

/** The record in what a watcher of the bucket hears. */
export const recordIn = (value: Uint8Array): RunRecord => (decodeJson(value) as Stored).record;

async function stored(
  kv: KeyValue,
  run: string,
): Promise<(Stored & { readonly revision: Revision }) | undefined> {
  const entry = await kv.get(run);
  return entry && { ...(decodeJson(entry.value) as Stored), revision: entry.revision };
}
