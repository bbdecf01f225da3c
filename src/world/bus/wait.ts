/** Waits that end: sleep, a deadline around a promise, and trying again while an error is retryable. */
import type { Scope } from "../../core/scope.ts";
import { MILLISECOND, type Micros, SECOND } from "../../core/units.ts";
import { isRetryable } from "./errors.ts";
import type { Timers } from "./timers.ts";

/** Resolves after the time; rejects with `CancelledError` when the scope is cancelled. */
export function sleep(timers: Timers, micros: Micros, scope?: Scope): Promise<void> {
  scope?.throwIfCancelled();
  return new Promise((resolve, reject) => {
    const stop = timers.after(micros, () => {
      release?.();
      resolve();
    });
    const release = scope?.onCancel((error) => {
      stop();
      reject(error);
    });
  });
}

/** The outcome of `task`, or `late()` thrown when it takes longer. The task's own late outcome is dropped. */
export function within<T>(
  timers: Timers,
  deadline: Micros,
  task: Promise<T>,
  late: () => Error,
  scope?: Scope,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const release = scope?.onCancel((error) => {
      stop();
      reject(error);
    });
    const stop = timers.after(deadline, () => {
      release?.();
      reject(late());
    });
    const ended = (): void => {
      stop();
      release?.();
    };
    task.then(
      (value) => {
        ended();
        resolve(value);
      },
      (error: unknown) => {
        ended();
        reject(error as Error);
      },
    );
  });
}

const FIRST_PAUSE: Micros = 20 * MILLISECOND;
const LONGEST_PAUSE: Micros = SECOND;

/**
 * Calls `attempt` with the time that is left until it succeeds, fails for good, or the deadline has passed (then
 * its last error is thrown). Pauses double from 20 ms to 1 s.
 */
export async function retrying<T>(
  timers: Timers,
  deadline: Micros,
  attempt: (left: Micros) => Promise<T>,
  scope?: Scope,
): Promise<T> {
  const end = timers.now() + deadline;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      return await attempt(Math.max(MILLISECOND, end - timers.now()));
    } catch (error) {
      if (!isRetryable(error) || timers.now() + pause >= end) throw error;
    }
    await sleep(timers, pause, scope);
  }
}
