/**
 * Where tasks are done, in a thread or on the caller's: learners are made when first needed and kept. They
 * work on the arrays as given: where ONNX Runtime refuses shared memory, the learner itself copies the
 * parameters in and the update out, once each.
 */
import type { Dataset } from "../../core/dataset.ts";
import { invariant } from "../../core/errors.ts";
import { createLearner } from "../../model/create.ts";
import type { Judgement, Learner, StepResult } from "../../model/learner.ts";
import type { Runtime } from "../../model/onnx/run.ts";
import type { Job, StepJob, ThreadData } from "./task.ts";

export class Workbench {
  readonly #data: ThreadData;
  readonly #runtime: Runtime;
  readonly #learners = new Map<string, Learner>();

  constructor(data: ThreadData, runtime: Runtime) {
    this.#data = data;
    this.#runtime = runtime;
  }

  step(job: StepJob): Promise<StepResult> {
    const draw = { worker: job.worker, clock: job.clock };
    const batch = { dataset: this.#dataset(job.dataset), rows: job.rows, draw };
    return this.#learner(job.learner).step(job.parameters, batch, job.out, job.own);
  }

  judge(job: Job): Promise<Judgement> {
    const batch = { dataset: this.#dataset(job.dataset), rows: job.rows };
    return this.#learner(job.learner).judge(job.parameters, batch, job.own);
  }

  async close(): Promise<void> {
    for (const learner of this.#learners.values()) await learner.close();
    this.#learners.clear();
  }

  #learner(id: string): Learner {
    let learner = this.#learners.get(id);
    if (!learner) {
      const spec = this.#data.learners[id];
      invariant(spec, `no learner "${id}" is registered with the compute pool`);
      learner = createLearner(spec, this.#runtime);
      this.#learners.set(id, learner);
    }
    return learner;
  }

  #dataset(id: string): Dataset {
    const dataset = this.#data.datasets[id];
    invariant(dataset, `no data set "${id}" is registered with the compute pool`);
    return dataset;
  }
}
