/**
 * Real time. The monotonic clock of a machine is the same in all its processes and threads, so that hosts which
 * start at one instant agree on the microsecond.
 */
import type { Scope } from "../../core/scope.ts";
import type { Micros } from "../../core/units.ts";
import type { Clock } from "../contract.ts";

/** Microseconds of the machine's monotonic clock, from an arbitrary zero; in a browser, of all its workers. */
export const machineMicros: () => Micros =
  typeof process === "object" && "hrtime" in process
    ? () => Number(process.hrtime.bigint() / 1000n)
    : () => Math.round((performance.timeOrigin + performance.now()) * 1000);

/** Longest delay that a timer of the platform takes. */
const LONGEST_MILLISECONDS = 2 ** 31 - 1;

/** Calls `then` at the instant or a little later, never before; the answer takes it back. */
export function callAt(instant: Micros, then: () => void): () => void {
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const milliseconds = Math.ceil((instant - machineMicros()) / 1000);
    timer = setTimeout(fire, Math.min(LONGEST_MILLISECONDS, Math.max(0, milliseconds)));
  };
  const fire = (): void => {
    if (machineMicros() >= instant) then();
    else arm();
  };
  arm();
  return () => clearTimeout(timer);
}

/** Counts from the start of a run. */
export class RunClock implements Clock {
  readonly startedAt: Micros;

  /** @param startedAt an instant of the machine's clock. */
  constructor(startedAt: Micros) {
    this.startedAt = startedAt;
  }

  now(): Micros {
    return Math.max(0, machineMicros() - this.startedAt);
  }

  sleep(micros: Micros, scope: Scope): Promise<void> {
    if (scope.cancelled) return Promise.reject(scope.cancelled);
    return new Promise((resolve, reject) => {
      // A microsecond more: both ends of the sleep are rounded down.
      const cancel = callAt(machineMicros() + micros + 1, () => {
        release();
        resolve();
      });
      const release = scope.onCancel((error) => {
        cancel();
        reject(error);
      });
    });
  }
}
