/**
 * Worker threads that do steps and judgements. A task goes to the thread with the least work outstanding.
 * A thread with little to do gets its tasks as soon as the caller's promises have run dry; a busy one gets
 * them in groups.
 */
import { Worker } from "node:worker_threads";
import { invariant, PangaeaError } from "../../core/errors.ts";
import type { Judgement, StepResult } from "../../model/learner.ts";
import type { Work } from "../contract.ts";
import type { ComputePool, ComputePoolOptions, JudgeWork } from "./contract.ts";
import type { Answer, Failure, Job, Report, Task, ThreadData } from "./task.ts";

/** A thread with fewer tasks than this is about to run dry. */
const FEW_TASKS = 4;
const GROUP_TASKS = 64;
/** Judging is the forward pass only: about a third of a step. */
const JUDGE_SHARE = 1 / 3;

/** From source (tests, tsx) the compiled thread is used: workers do not inherit a TypeScript loader. */
const THREAD_FILE = import.meta.url.endsWith(".ts")
  ? new URL("../../../dist/world/compute/thread.js", import.meta.url)
  : new URL("./thread.js", import.meta.url);

interface Pending {
  readonly task: Task;
  readonly cost: number;
  readonly resolve: (result: StepResult & Judgement) => void;
  readonly reject: (error: unknown) => void;
}

class Thread {
  readonly worker: Worker;
  /** Flops of tasks that were given to this thread and are not answered. */
  outstanding = 0;
  readonly pending = new Map<number, Pending>();
  outbox: Task[] = [];

  constructor(worker: Worker) {
    this.worker = worker;
  }

  /** Tasks that the thread has got and not answered. */
  get inside(): number {
    return this.pending.size - this.outbox.length;
  }

  post(): void {
    if (this.outbox.length === 0) return;
    const group = this.outbox;
    this.outbox = [];
    this.worker.postMessage(group);
  }
}

export class ThreadPool implements ComputePool {
  readonly #threads: readonly Thread[];
  /** Flops of a row, from the last step of each learner. */
  readonly #rowCost = new Map<string, number>();
  readonly #tell: (message: string) => void;
  #warned = false;
  #nextId = 0;
  #flushing = false;
  #failure: PangaeaError | undefined;

  constructor(options: ComputePoolOptions) {
    this.#tell = options.warn ?? (() => {});
    const { learners, datasets } = options;
    const workerData: ThreadData = { learners, datasets };
    this.#threads = Array.from({ length: options.threads }, () => {
      const worker = new Worker(THREAD_FILE, { workerData, execArgv: [] });
      const thread = new Thread(worker);
      worker.on("message", (report: Report) => {
        if ("warning" in report) this.#warn(report.warning);
        else this.#answered(thread, report);
      });
      worker.on("error", (error) => this.#fail(error));
      worker.on("exit", (code) => this.#fail(new Error(`the thread ended with code ${code}`)));
      // A pool that nobody waits for does not keep the process alive.
      worker.unref();
      return thread;
    });
  }

  step(work: Work): Promise<StepResult> {
    invariant(
      work.out.buffer instanceof SharedArrayBuffer,
      "the update of a step must lie in shared memory: take `out` from kernels.allocate",
    );
    this.#rowCost.set(work.learner, work.flops / Math.max(1, work.rows.length));
    const { worker, clock, out } = work;
    return this.#submit({ ...this.#job(work), kind: "step", out, worker, clock }, work.flops);
  }

  judge(work: JudgeWork): Promise<Judgement> {
    const cost = (this.#rowCost.get(work.learner) ?? 1) * work.rows.length * JUDGE_SHARE;
    return this.#submit({ ...this.#job(work), kind: "judge" }, cost);
  }

  flush(): void {
    for (const thread of this.#threads) thread.post();
  }

  async close(): Promise<void> {
    this.#end(new PangaeaError("POOL_CLOSED", "the compute pool was closed"));
    for (const thread of this.#threads) thread.worker.ref();
    await Promise.all(this.#threads.map((thread) => thread.worker.terminate()));
  }

  #job({ learner, dataset, rows, parameters, own }: Job) {
    return {
      id: this.#nextId++,
      learner,
      dataset,
      rows: portable(rows),
      parameters: portable(parameters),
      own: own && portable(own),
    };
  }

  #submit(task: Task, cost: number): Promise<StepResult & Judgement> {
    if (this.#failure) return Promise.reject(this.#failure);
    const thread = this.#leastBusy();
    return new Promise((resolve, reject) => {
      if (thread.pending.size === 0) thread.worker.ref();
      thread.outstanding += cost;
      thread.pending.set(task.id, { task, cost, resolve, reject });
      const few = thread.inside < FEW_TASKS;
      thread.outbox.push(task);
      if (thread.outbox.length >= GROUP_TASKS) thread.post();
      else this.#flushSoon(few);
    });
  }

  #leastBusy(): Thread {
    let best = this.#threads[0]!;
    for (const thread of this.#threads) if (thread.outstanding < best.outstanding) best = thread;
    return best;
  }

  /** Posts when the caller's promises have run dry if a thread may starve, else at leisure. */
  #flushSoon(starving: boolean): void {
    if (starving) queueMicrotask(() => this.flush());
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.flush();
    });
  }

  #answered(thread: Thread, answers: readonly Answer[]): void {
    // The pool has ended: an answer that was on its way must not let the process fall asleep before it is closed.
    if (this.#failure) return;
    for (const answer of answers) {
      const pending = thread.pending.get(answer.id);
      if (!pending) continue;
      thread.pending.delete(answer.id);
      thread.outstanding -= pending.cost;
      if ("result" in answer) pending.resolve(answer.result as StepResult & Judgement);
      else pending.reject(failed(pending.task, answer.failure));
    }
    if (thread.inside < FEW_TASKS) thread.post();
    if (thread.pending.size === 0) {
      thread.outstanding = 0;
      thread.worker.unref();
    }
  }

  /** Every thread finds the same fault; the user reads it once. */
  #warn(message: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#tell(message);
  }

  #fail(cause: Error): void {
    const missing = (cause as { code?: string }).code === "ERR_MODULE_NOT_FOUND";
    this.#end(
      new PangaeaError("COMPUTE_THREAD_FAILED", `a compute thread failed: ${cause.message}`, {
        cause,
        fix: missing ? "npm run build" : undefined,
      }),
    );
  }

  /** The first reason stays; everything pending rejects with it. */
  #end(reason: PangaeaError): void {
    this.#failure ??= reason;
    for (const thread of this.#threads) {
      const pending = [...thread.pending.values()];
      thread.pending.clear();
      thread.outbox = [];
      for (const { reject } of pending) reject(this.#failure);
    }
  }
}

/** Crossing to a thread clones the whole buffer of an ordinary view, so a part of one is cut out first. */
function portable<A extends Float32Array | Uint32Array>(view: A): A {
  const whole = view.byteLength === view.buffer.byteLength;
  return whole || view.buffer instanceof SharedArrayBuffer ? view : (view.slice() as A);
}

function failed(task: Task, failure: Failure): PangaeaError {
  const cause = new Error(failure.message);
  if (failure.stack) cause.stack = failure.stack;
  return new PangaeaError(
    failure.code ?? "COMPUTE_FAILED",
    `a ${task.kind} of learner "${task.learner}" on "${task.dataset}" failed: ${failure.message}`,
    { cause },
  );
}
