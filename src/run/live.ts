/**
 * A training run in real time, on this machine or on many: its course (live-course.ts), and its copies. Hosts tell of
 * them; they are judged here and stop the run by the same rules as in the simulated world. An evaluation bears the time
 * at which the copies were so; the run goes on while they are judged.
 */
import { InputError } from "../core/errors.ts";
import type { Kernels } from "../core/kernels/contract.ts";
import { createKernels } from "../core/kernels/create.ts";
import type { ComputePool } from "../world/compute/contract.ts";
import { createComputePool } from "../world/compute/pool.ts";
import { opening, outcomeOf } from "./ends.ts";
import { FailedRun } from "./failed.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { evaluation, Judging, verdictEnds } from "./judging.ts";
import { assembled, CopyMirror, type TimedSighting, type Told } from "./live-copies.ts";
import { Course } from "./live-course.ts";
import { Slots } from "./live-slots.ts";
import type { Stage } from "./live-stage.ts";
import type { Sighting } from "./observer.ts";
import { type Ground, LEARNER, planRun, type RunPlan, TEST, TRAIN } from "./plan.ts";
import type { RunSpec } from "./spec.ts";

/** A run before it is known where its nodes run. */
export interface Planned {
  readonly spec: RunSpec;
  readonly ground: Ground;
  readonly plan: RunPlan;
  readonly kernels: Kernels;
}

export function planned(spec: RunSpec, ground: Ground): Planned {
  const kernels = createKernels();
  return { spec, ground, kernels, plan: planRun(spec, ground, kernels, () => nobody) };
}

const nobody = { attach: () => {}, attachPrivate: () => {}, reached: () => {} };

export class LiveRun {
  readonly #spec: RunSpec;
  readonly #ground: Ground;
  readonly #plan: RunPlan;
  readonly #pool: ComputePool;
  readonly #judging: Judging;
  readonly #mirror: CopyMirror;
  readonly #course: Course;
  /** Judgements one after another, and the times of those that are not done. */
  #judged: Promise<void> = Promise.resolve();
  readonly #pending: number[] = [];

  constructor({ spec, ground, plan, kernels }: Planned, host: RunHost, stage: Stage) {
    this.#spec = spec;
    this.#ground = ground;
    this.#plan = plan;
    const { data, model } = ground;
    this.#pool = createComputePool({
      threads: host.threads,
      learners: { [LEARNER]: model },
      datasets: { [TRAIN]: data.train, [TEST]: data.test },
      warn: (text) => host.warn?.(text),
    });
    this.#judging = new Judging(spec, ground, plan, { pool: this.#pool, kernels });
    const shape = { length: plan.learner.layout.length, every: spec.evaluate.every };
    this.#mirror = new CopyMirror(plan.deployment, shape, (s) => this.#sighted(s));
    const { hostOf, begun } = stage;
    const onCopy = (copy: string, there: boolean): void => this.#mirror.changed(copy, there);
    this.#course = new Course(spec, host, stage, {
      slots: new Slots(plan, hostOf, onCopy, begun?.members),
      complete: "maxClocks",
      // Clocks without end: a log of them all would fill the hosts.
      keepsEvents: false,
      opening: (notes) =>
        opening(spec, ground, plan, notes, begun && this.#course.supervisor.now()),
      onSaid: (_, what) => this.#mirror.take(what as Told),
    });
  }

  async execute(): Promise<RunOutcome> {
    try {
      return await this.#course.run(() => this.#end());
    } finally {
      await this.#pool.close();
    }
  }

  #sighted(sighting: TimedSighting): void {
    // Copies of before the end are judged, those of after a stop are not.
    if (!this.#course.counts) return;
    this.#pending.push(sighting.t);
    this.#holdEvents();
    this.#judged = this.#judged.then(() => this.#judge(sighting));
  }

  async #judge(sighting: TimedSighting): Promise<void> {
    try {
      const judged = await this.#judging.at(sighting);
      this.#mirror.release(sighting);
      this.#course.supervisor.emit(evaluation(sighting.t, sighting.clock, judged));
      const reason = verdictEnds(this.#spec, judged);
      if (reason) this.#course.stop(reason);
    } catch (error) {
      this.#course.fail(error as Error);
    } finally {
      this.#pending.splice(this.#pending.indexOf(sighting.t), 1);
      this.#holdEvents();
    }
  }

  /** What is not judged yet has its place in the log. */
  #holdEvents(): void {
    this.#course.supervisor.holdEvents(Math.min(...this.#pending));
  }

  async #end(): Promise<RunOutcome> {
    const course = this.#course;
    await course.supervisor.stop("the run is over");
    await this.#judged;
    const answers = (await course.supervisor.askAll("copies")) as readonly (readonly Told[])[];
    // Of a host that took its parts with it, what was last told is what there is.
    const told = course.failure ? this.#mirror.completed(answers.flat()) : answers.flat();
    const { deployment, learner } = this.#plan;
    const sighting = assembled(deployment, learner.layout.length, told);
    await this.#judgeLast(sighting);
    const reason = course.conclude();
    const { snapshots } = sighting;
    const outcome = outcomeOf(this.#spec, this.#ground, this.#plan, reason, snapshots);
    const { failure } = course;
    if (!failure) return outcome;
    const kept = snapshots.length > 0 && !(failure instanceof InputError);
    throw kept ? new FailedRun(failure, outcome) : failure;
  }

  /** On all test rows; after a failure, the copies that are left. */
  async #judgeLast(sighting: Sighting): Promise<void> {
    if (sighting.snapshots.length === 0) return;
    const { supervisor } = this.#course;
    const t = supervisor.now();
    const verdict = await this.#judging.last(sighting);
    supervisor.emit(evaluation(t, sighting.clock, verdict, true));
  }
}
