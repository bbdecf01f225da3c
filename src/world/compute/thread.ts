/**
 * A compute thread: does tasks in order and answers in groups, so that thousands of small steps do not pay
 * for a message each.
 */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../core/errors.ts";
import { createRuntime } from "../../model/onnx/run.ts";
import { Fifo } from "../fifo.ts";
import { type Answer, type Report, type Task, type ThreadData, toFailure } from "./task.ts";
import { Workbench } from "./workbench.ts";

/** Answers wait at most this long for company. */
const GROUP_MILLISECONDS = 2;

const port = parentPort;
invariant(port, "thread.ts runs as a worker thread");
const post = (report: Report): void => port.postMessage(report);
const runtime = createRuntime({ warn: (warning) => post({ warning }) });
const bench = new Workbench(workerData as ThreadData, runtime);
const tasks = new Fifo<Task>();
let busy = false;

async function answer(task: Task): Promise<Answer> {
  const { id } = task;
  try {
    return { id, result: task.kind === "step" ? await bench.step(task) : await bench.judge(task) };
  } catch (error) {
    return { id, failure: toFailure(error) };
  }
}

async function work(): Promise<void> {
  busy = true;
  let answers: Answer[] = [];
  let posted = performance.now();
  for (let task = tasks.shift(); task; task = tasks.shift()) {
    answers.push(await answer(task));
    const now = performance.now();
    if (tasks.length > 0 && now - posted < GROUP_MILLISECONDS) continue;
    post(answers);
    answers = [];
    posted = now;
  }
  busy = false;
}

port.on("message", (group: readonly Task[]) => {
  for (const task of group) tasks.push(task);
  if (busy) return;
  // Every failure of a task is an answer; anything else ends the thread, which the pool reports.
  work().catch((error: unknown) => {
    throw error;
  });
});
