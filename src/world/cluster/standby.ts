/**
 * A standby: goes on with runs whose coordinator has gone. It watches the records of runs, waits for the lease of
 * each that is not over, and has whoever gets it first (of several standbys one: the lease is written against its
 * revision) lead the run to its end. One that leaves in the middle hands the lease on.
 */
import { PangaeaError } from "../../core/errors.ts";
import type { Bus } from "../bus/contract.ts";
import { openMembers } from "../bus/membership.ts";
import { type Place, type Taken, takeRun } from "./coordinator.ts";
import { recordIn } from "./record.ts";
import { RUNS } from "./subjects.ts";

export interface StandbyOptions {
  /** Hears of runs; each run that is waited for has a connection of its own. */
  readonly bus: Bus;
  /** Its signal ends the standing by. */
  readonly place: Place;
  /** Leads a run that is under way, and finishes it. */
  readonly lead: (taken: Taken) => Promise<void>;
}

/** Stands by until the signal; then waits until what it led is handed on. */
export async function standBy(options: StandbyOptions): Promise<void> {
  const { bus, place } = options;
  const { domain, signal, tell } = place;
  const watched = new Map<string, Promise<void>>();
  const left = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  // Agents with keys wait until a coordinator has made it.
  await openMembers(bus, domain);
  const runs = await bus.kv(RUNS, { domain });
  const watch = await runs.watch("all", ({ key: run, value }) => {
    if (!value || watched.has(run) || signal.aborted || recordIn(value).phase === "over") return;
    const over = watchOver(run, options)
      .catch((error: unknown) => {
        if (!signal.aborted) tell(`run ${run}: ${String((error as Error).message)}`);
      })
      .finally(() => watched.delete(run));
    watched.set(run, over);
  });
  await left;
  watch.close();
  await Promise.all(watched.values());
}

/** Until the run is over, here or elsewhere. */
async function watchOver(run: string, { place, lead }: StandbyOptions): Promise<void> {
  const { signal, tell } = place;
  tell(`run ${run}: stands by for its coordinator`);
  for (;;) {
    const taken = await takeRun(run, place);
    if (!taken) {
      tell(`run ${run}: is over`);
      return;
    }
    const leave = (): void => taken.leave();
    signal.addEventListener("abort", leave, { once: true });
    try {
      if (signal.aborted) return;
      if (taken.record.phase !== "running") {
        tell(`run ${run}: its coordinator went before it began; its agents are given back`);
        await taken.giveUp();
      } else {
        tell(`run ${run}: is led from here`);
        await lead(taken);
      }
    } catch (error) {
      if (signal.aborted || !isLedElsewhere(error)) throw error;
    } finally {
      signal.removeEventListener("abort", leave);
      await taken.close();
    }
  }
}

const ELSEWHERE = ["LEASE_LOST", "STALE_EPOCH"];
const isLedElsewhere = (error: unknown): boolean =>
  error instanceof PangaeaError && ELSEWHERE.includes(error.code);
