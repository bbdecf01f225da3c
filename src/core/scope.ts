/**
 * Structured concurrency. Every started task is awaited or owned by a scope. Leaving a scope cancels its
 * children in reverse order, waits for them, and rethrows the first failure that is no cancellation.
 */
import { CancelledError } from "./errors.ts";

type Cleanup = (error: CancelledError) => void;

export class Scope {
  #reason: CancelledError | undefined;
  #failure: unknown;
  #cleanups = new Set<Cleanup>();
  readonly #children = new Set<{ readonly scope: Scope; readonly done: Promise<void> }>();

  /** The reason of the cancellation, once it happened. */
  get cancelled(): CancelledError | undefined {
    return this.#reason;
  }

  throwIfCancelled(): void {
    if (this.#reason) throw this.#reason;
  }

  /** Cancels this scope and everything in it; waits inside reject with a `CancelledError`. */
  cancel(reason: string): void {
    if (this.#reason) return;
    this.#reason = new CancelledError(reason);
    for (const child of [...this.#children].reverse()) child.scope.cancel(reason);
    const cleanups = [...this.#cleanups];
    this.#cleanups.clear();
    for (const cleanup of cleanups) cleanup(this.#reason);
  }

  /** Calls `cleanup` once when the scope is cancelled; the answer takes it back. */
  onCancel(cleanup: Cleanup): () => void {
    if (this.#reason) {
      cleanup(this.#reason);
      return () => {};
    }
    this.#cleanups.add(cleanup);
    return () => {
      this.#cleanups.delete(cleanup);
    };
  }

  /** Starts a task that this scope owns. Its failure cancels the scope. */
  spawn(task: (scope: Scope) => Promise<void>): void {
    const scope = new Scope();
    if (this.#reason) scope.cancel(this.#reason.message);
    const child = { scope, done: Promise.resolve() };
    child.done = task(scope)
      .catch((error: unknown) => {
        if (error instanceof CancelledError) return;
        if (this.#failure === undefined) this.#failure = error;
        this.cancel(`a sibling task failed: ${String(error)}`);
      })
      .finally(() => {
        this.#children.delete(child);
      });
    this.#children.add(child);
  }

  /** Waits for every child, then rethrows the first failure. */
  async join(): Promise<void> {
    for (const child of this.#children) await child.done;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Runs `body` in a new scope; when it returns or throws, what it started is cancelled and awaited. */
  static async run<T>(body: (scope: Scope) => Promise<T>, parent?: Scope): Promise<T> {
    const scope = new Scope();
    const release = parent?.onCancel((error) => scope.cancel(error.message));
    try {
      return await body(scope);
    } finally {
      release?.();
      scope.cancel("the scope was left");
      await scope.join();
    }
  }
}
