/**
 * A run in real time, as its supervisor sees it, on this machine or on many. Hosts tell of their copies,
 * which are judged here and stop the run by the same rules as in the simulated world. An evaluation bears the time
 * at which the copies were so; the run goes on while they are judged.
 */
import { InputError } from "../core/errors.ts";
import type { RunEnded, RunEvent } from "../core/events.ts";
import type { Kernels } from "../core/kernels/contract.ts";
import { createKernels } from "../core/kernels/create.ts";
import type { ComputePool } from "../world/compute/contract.ts";
import { createComputePool } from "../world/compute/pool.ts";
import { Supervisor } from "../world/live/supervisor.ts";
import { opening, outcomeOf } from "./ends.ts";
import { FailedRun } from "./failed.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { evaluation, Judging, verdictEnds } from "./judging.ts";
import { assembled, CopyMirror, type TimedSighting, type Told } from "./live-copies.ts";
import type { LiveTask } from "./live-host.ts";
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
  readonly #stage: Stage;
  readonly #host: RunHost;
  readonly #ground: Ground;
  readonly #plan: RunPlan;
  readonly #pool: ComputePool;
  readonly #judging: Judging;
  readonly #mirror: CopyMirror;
  readonly #supervisor: Supervisor;
  readonly #slots: Slots;
  readonly #over: Promise<void>;
  #finish!: () => void;
  #reason: RunEnded["reason"] | undefined;
  #failure: Error | undefined;
  /** Judgements one after another, and the times of those that are not done. */
  #judged: Promise<void> = Promise.resolve();
  readonly #pending: number[] = [];

  constructor(planned: Planned, host: RunHost, stage: Stage) {
    const { spec, ground, plan, kernels } = planned;
    this.#spec = spec;
    this.#stage = stage;
    this.#host = host;
    this.#ground = ground;
    this.#plan = plan;
    const { data, model } = ground;
    this.#pool = createComputePool({
      threads: host.threads,
      learners: { [LEARNER]: model },
      datasets: { [TRAIN]: data.train, [TEST]: data.test },
      warn: (text) => host.warn?.(text),
    });
    this.#judging = new Judging(spec, ground, this.#plan, { pool: this.#pool, kernels });
    const shape = { length: this.#plan.learner.layout.length, every: spec.evaluate.every };
    this.#mirror = new CopyMirror(this.#plan.deployment, shape, (s) => this.#sighted(s));
    this.#slots = new Slots(
      plan,
      stage.hostOf,
      (copy, present) => this.#mirror.changed(copy, present),
      stage.begun?.members,
    );
    this.#over = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#supervisor = this.#supervise();
    stage.lost?.then(
      (error) => this.#supervisor.abandon(error),
      () => {},
    );
  }

  async execute(): Promise<RunOutcome> {
    const { signal } = this.#host;
    const interrupt = (): void => this.#stop("interrupted");
    signal.addEventListener("abort", interrupt, { once: true });
    try {
      const { begun, note, record } = this.#stage;
      if (begun) await this.#supervisor.attach(begun.goAt);
      else await this.#supervisor.join();
      const notes = [note];
      for (const event of opening(this.#spec, this.#ground, this.#plan, notes))
        this.#host.onEvent(event);
      if (signal.aborted) interrupt();
      if (!begun) {
        const goAt = this.#supervisor.go();
        record?.({ goAt });
      }
      await this.#over;
      return await this.#end();
    } finally {
      signal.removeEventListener("abort", interrupt);
      await this.#supervisor.close();
      await this.#stage.close();
      await this.#pool.close();
    }
  }

  #supervise(): Supervisor {
    const { fleet, names } = this.#stage;
    const maxMicros = (this.#spec.stop.maxSeconds ?? Number.POSITIVE_INFINITY) * 1e6;
    return new Supervisor({
      fleet,
      names,
      taskOf: () => this.#task(),
      onEvent: (event: RunEvent) => {
        this.#host.onEvent(event);
        if (event.t >= maxMicros) this.#stop("maxSeconds");
      },
      onEnded: (node) => {
        this.#slots.finish.ended(node);
        if (this.#slots.finish.reached) this.#stop("maxClocks");
      },
      withdraw: (index) => this.#slots.withdraw(index),
      admit: (index) => this.#slots.admit(index),
      changes: () => this.#slots.changes(),
      onChanged: (type, target, text) => this.#changed(type, target, text),
      onSaid: (_, what) => this.#mirror.take(what as Told),
      onFailed: (error) => this.#fail(error),
      warn: (text) => this.#host.warn?.(text),
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#stop("failed");
  }

  #changed(fault: "left" | "joined", target: string, text: string): void {
    const t = this.#supervisor.now();
    this.#supervisor.emit({ type: "fault", t, fault, target });
    this.#supervisor.emit({ type: "note", t, text });
    this.#stage.record?.({ members: this.#slots.changes() });
    if (this.#slots.finish.reached) this.#stop("maxClocks");
  }

  #task(): LiveTask {
    const { links, hostOf, shared } = this.#stage;
    return { spec: this.#spec, links, hostOf, ...(shared && { shared }) };
  }

  #sighted(sighting: TimedSighting): void {
    // Copies of before the end are judged, those of after a stop are not.
    if (this.#reason !== undefined && this.#reason !== "maxClocks") return;
    this.#pending.push(sighting.t);
    this.#supervisor.holdEvents(Math.min(...this.#pending));
    this.#judged = this.#judged.then(() => this.#judge(sighting));
  }

  async #judge(sighting: TimedSighting): Promise<void> {
    try {
      const judged = await this.#judging.at(sighting);
      this.#mirror.release(sighting);
      this.#supervisor.emit(evaluation(sighting.t, sighting.clock, judged));
      const reason = verdictEnds(this.#spec, judged);
      if (reason) this.#stop(reason);
    } catch (error) {
      this.#fail(error as Error);
    } finally {
      this.#pending.splice(this.#pending.indexOf(sighting.t), 1);
      this.#supervisor.holdEvents(Math.min(...this.#pending));
    }
  }

  /** The first reason counts; but what is judged late may still say that the target was met before the end. */
  #stop(reason: RunEnded["reason"]): void {
    if (this.#reason !== undefined && (this.#reason !== "maxClocks" || reason === "interrupted"))
      return;
    this.#reason = reason;
    this.#finish();
  }

  async #end(): Promise<RunOutcome> {
    await this.#supervisor.stop("the run is over");
    await this.#judged;
    const answers = (await this.#supervisor.askAll("copies")) as readonly (readonly Told[])[];
    // Of a host that took its parts with it, what was last told is what there is.
    const told = this.#failure ? this.#mirror.completed(answers.flat()) : answers.flat();
    const { deployment, learner } = this.#plan;
    const sighting = assembled(deployment, learner.layout.length, told);
    await this.#judgeLast(sighting);
    const reason = this.#failure ? "failed" : (this.#reason ?? "finished");
    const message = this.#failure?.message;
    const t = this.#supervisor.now();
    this.#supervisor.emit({ type: "end", t, reason, ...(message ? { message } : {}) });
    this.#supervisor.holdEvents(Number.POSITIVE_INFINITY);
    const { snapshots } = sighting;
    const outcome = outcomeOf(this.#spec, this.#ground, this.#plan, reason, snapshots);
    if (!this.#failure) return outcome;
    const kept = snapshots.length > 0 && !(this.#failure instanceof InputError);
    throw kept ? new FailedRun(this.#failure, outcome) : this.#failure;
  }

  /** On all test rows; after a failure, the copies that are left. */
  async #judgeLast(sighting: Sighting): Promise<void> {
    if (sighting.snapshots.length === 0) return;
    const t = this.#supervisor.now();
    const verdict = await this.#judging.last(sighting);
    this.#supervisor.emit(evaluation(t, sighting.clock, verdict, true));
  }
}
