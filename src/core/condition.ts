/**
 * A condition variable for node programs: wait until a predicate over the node's own state holds. The
 * world asks every condition for its waiters when nothing is left to run, and names them in the deadlock
 * report.
 */
import type { Scope } from "./scope.ts";

/** Why a program waits, and for whom (evaluated only when somebody asks). */
export interface WaitReason {
  readonly what: string;
  readonly whom?: (() => readonly string[]) | undefined;
}

interface Waiter {
  readonly holds: () => boolean;
  readonly resolve: () => void;
  readonly reason: WaitReason;
}

export class Condition {
  #waiters: Waiter[] = [];

  /** Resolves once `holds` is true; it is evaluated now and at every `notify`, in order of arrival. */
  until(holds: () => boolean, reason: WaitReason, scope: Scope): Promise<void> {
    scope.throwIfCancelled();
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        holds,
        reason,
        resolve: () => {
          release();
          resolve();
        },
      };
      const release = scope.onCancel((error) => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(error);
      });
      this.#waiters.push(waiter);
    });
  }

  /** Re-evaluates the waiting predicates after a change of state. */
  notify(): void {
    if (this.#waiters.length === 0) return;
    const waiting = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiting) {
      if (waiter.holds()) waiter.resolve();
      else this.#waiters.push(waiter);
    }
  }

  /** The reasons of those who wait now. */
  waiting(): readonly WaitReason[] {
    return this.#waiters.map((waiter) => waiter.reason);
  }
}
