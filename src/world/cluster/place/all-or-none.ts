/**
 * All or none: starts processes one after another, waits until every one runs, and takes back what was started as
 * soon as one cannot. What runs is owned by the scope until it has ended.
 */
import { PangaeaError } from "../../../core/errors.ts";
import type { Scope } from "../../../core/scope.ts";
import type { Placed, PlacedProcess, Placement } from "./contract.ts";

/** One process as its scheduler has it. */
export interface Started {
  readonly placement: Placement;
  /** Resolves when it runs; rejects when it never will. */
  readonly running: Promise<void>;
  /** Asks for its end; `placement.ended` says when it came. */
  cancel(): Promise<void>;
}

export async function allOrNone(
  processes: readonly PlacedProcess[],
  start: (process: PlacedProcess) => Promise<Started>,
  scope: Scope,
): Promise<Placed> {
  const started: Started[] = [];
  let ending: Promise<void> | undefined;
  const cancel = (): Promise<void> => (ending ??= cancelAll(started));
  try {
    for (const process of processes) {
      scope.throwIfCancelled();
      const one = await start(process);
      // Looked at below; until then its rejection is not unheard.
      one.running.catch(() => {});
      started.push(one);
    }
    await orCancelled(Promise.all(started.map(({ running }) => running)), scope);
  } catch (error) {
    await cancel();
    throw error;
  }
  const placements = started.map(({ placement }) => placement);
  scope.spawn(async (child) => {
    const ends = Promise.all(placements.map(({ ended }) => ended));
    await orCancelled(ends, child).catch(() => {});
    await cancel();
  });
  return { placements, cancel };
}

/** @throws PangaeaError PLACEMENT_LEFT with what could not be ended */
async function cancelAll(started: readonly Started[]): Promise<void> {
  const asked = await Promise.allSettled(started.map((one) => one.cancel()));
  const left = asked.flatMap((outcome, i) =>
    outcome.status === "fulfilled" ? [] : [{ one: started[i] as Started, cause: outcome.reason }],
  );
  await Promise.all(
    started
      .filter((one) => left.every((other) => other.one !== one))
      .map(({ placement }) => placement.ended),
  );
  const [first] = left;
  if (!first) return;
  const names = left.map(({ one }) => `${one.placement.name} (${one.placement.where})`);
  throw new PangaeaError("PLACEMENT_LEFT", `could not be ended: ${names.join(", ")}`, {
    fix: "end them with the scheduler's own command",
    cause: first.cause,
  });
}

/** The outcome of `task`, or the scope's cancellation when that comes first. */
export function orCancelled<T>(task: Promise<T>, scope: Scope): Promise<T> {
  return new Promise((resolve, reject) => {
    const release = scope.onCancel(reject);
    task.then(resolve, reject).finally(release);
  });
}
