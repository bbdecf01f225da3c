/**
 * A step's batch says whose step it is and of which clock, on the caller's thread and across the message to
 * another: what it draws may depend on that alone.
 */
import { afterEach, expect, test, vi } from "vitest";
import type { Batch } from "../../src/core/dataset.ts";
import type { ModelSpec } from "../../src/model/spec.ts";
import type { Answer, Task, ThreadData } from "../../src/world/compute/task.ts";
import { makeDigits } from "./fixtures.ts";

/** A learner that answers with what its batch says of the draw. */
vi.mock("../../src/model/create.ts", () => ({
  createLearner: () => ({
    step: async (_: unknown, { draw, rows }: Batch) => ({
      loss: draw ? draw.worker * 1000 + draw.clock : Number.NaN,
      examples: rows.length,
    }),
    judge: async (_: unknown, { draw, rows }: Batch) => ({
      examples: rows.length,
      lossSum: draw ? 1 : 0,
    }),
    close: async () => {},
  }),
}));

/** A thread in this one: every task is cloned as on its way to a thread, and done by a workbench there. */
vi.mock("node:worker_threads", async () => {
  const { Workbench } = await import("../../src/world/compute/workbench.ts");
  const { createRuntime } = await import("../../src/model/onnx/run.ts");
  class FakeWorker {
    readonly #bench;
    #listener: (answers: readonly Answer[]) => void = () => {};
    constructor(_: URL, { workerData }: { readonly workerData: ThreadData }) {
      this.#bench = new Workbench(structuredClone(workerData), createRuntime());
    }
    on(event: string, listener: (answers: readonly Answer[]) => void): void {
      if (event === "message") this.#listener = listener;
    }
    async postMessage(tasks: readonly Task[]): Promise<void> {
      for (const task of structuredClone(tasks)) {
        const work = task.kind === "step" ? this.#bench.step(task) : this.#bench.judge(task);
        const result = await work;
        this.#listener([{ id: task.id, result }]);
      }
    }
    ref(): void {}
    unref(): void {}
    async terminate(): Promise<void> {}
  }
  return { Worker: FakeWorker };
});

const { createComputePool } = await import("../../src/world/compute/pool.ts");
let close: () => Promise<void> = async () => {};
afterEach(() => close());

test.each([0, 1, 2])("worker and clock reach the learner's step, %i threads", async (threads) => {
  const digits = makeDigits(8);
  const pool = createComputePool({
    threads,
    learners: { asked: {} as ModelSpec },
    datasets: { digits },
  });
  close = () => pool.close();
  const floats = (): Float32Array => new Float32Array(new SharedArrayBuffer(16));
  const job = {
    learner: "asked",
    dataset: "digits",
    parameters: floats(),
    rows: Uint32Array.of(3),
  };
  const losses = [0, 1, 2].flatMap((worker) =>
    [0, 5].map((clock) => pool.step({ ...job, out: floats(), flops: 1, worker, clock })),
  );
  const drawn = (await Promise.all(losses)).map(({ loss }) => loss);
  expect(drawn).toEqual([0, 5, 1000, 1005, 2000, 2005]);
  expect(await pool.judge(job)).toEqual({ examples: 1, lossSum: 0 });
});
