/**
 * A run in the simulated world: virtual time passes, copies are judged outside it, the rules stop it. A run whose
 * arithmetic is known already (see recording.ts) is only timed.
 */

import { PangaeaError } from "../core/errors.ts";
import type { RunEnded, RunEvent } from "../core/events.ts";
import type { Kernels } from "../core/kernels/contract.ts";
import { createKernels } from "../core/kernels/create.ts";
import { createPhantomKernels } from "../core/kernels/phantom.ts";
import { memberRules } from "../sync/members.ts";
import { Finish } from "../sync/programs.ts";
import type { ComputePool } from "../world/compute/contract.ts";
import { createComputePool } from "../world/compute/pool.ts";
import type { MemberChange } from "../world/members.ts";
import { Simulation } from "../world/simulated/simulation.ts";
import { opening, outcomeOf } from "./ends.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { evaluation, Judging, verdictEnds } from "./judging.ts";
import { CopyObserver, type Sighting } from "./observer.ts";
import { type Ground, judgedCopies, LEARNER, planRun, type RunPlan, TEST, TRAIN } from "./plan.ts";
import { judgedBy, type Recording, recordingPool, replayPool } from "./recording.ts";
import { mayLeave, processorModel, type RunSpec } from "./spec.ts";

export interface Arithmetic {
  /** Write the arithmetic down here. */
  readonly recording?: Recording | undefined;
  /** Take the arithmetic from here. */
  readonly replay?: { readonly name: string; readonly recording: Recording } | undefined;
}

export class SimulatedRun {
  readonly #spec: RunSpec;
  readonly #host: RunHost;
  readonly #ground: Ground;
  readonly #arithmetic: Arithmetic;
  readonly #kernels: Kernels;
  readonly #plan: RunPlan;
  readonly #pool: ComputePool;
  readonly #judging: Judging;
  readonly #simulation: Simulation;
  /** Whose end is the end of the run, as members come and go. */
  readonly #ending: Finish;
  #observer!: CopyObserver;
  #reason: RunEnded["reason"] | undefined;

  constructor(spec: RunSpec, host: RunHost, ground: Ground, arithmetic: Arithmetic) {
    this.#spec = spec;
    this.#host = host;
    this.#ground = ground;
    this.#arithmetic = arithmetic;
    const kernels = arithmetic.replay ? createPhantomKernels() : createKernels();
    this.#kernels = kernels;
    this.#plan = planRun(spec, ground, kernels, (deployment, learner) => {
      this.#observer = new CopyObserver({
        copies: judgedCopies(deployment),
        length: learner.layout.length,
        every: spec.evaluate.every,
        onSighting: (sighting) => this.#sighted(sighting),
      });
      return this.#observer;
    });
    this.#pool = this.#createPool();
    this.#judging = new Judging(spec, ground, this.#plan, { pool: this.#pool, kernels });
    this.#ending = new Finish(this.#plan.enders);
    this.#simulation = this.#createSimulation();
  }

  async execute(): Promise<RunOutcome> {
    const { programs } = this.#plan;
    const simulation = this.#simulation;
    const { replay } = this.#arithmetic;
    const note = `the arithmetic of "${this.#spec.name}" is that of "${replay?.name}" (same data, model and seed, bulk-synchronous): timed again, not computed again`;
    const started = opening(this.#spec, this.#ground, this.#plan, replay ? [note] : []);
    for (const event of started) this.#host.onEvent(event);
    for (const [node, program] of programs) {
      simulation.start(node.id, async (world, scope) => {
        await program(world, scope);
        this.#ending.ended(node.id);
        if (this.#ending.reached) this.#stop("maxClocks");
      });
    }
    const interrupt = (): void => this.#stop("interrupted");
    this.#host.signal.addEventListener("abort", interrupt, { once: true });
    if (this.#host.signal.aborted) interrupt();
    try {
      await simulation.run();
      return await this.#finish();
    } catch (error) {
      // Without a member that it stands on, the run ends with what there is.
      if (error instanceof PangaeaError && error.code === "MEMBER_LOST") await this.#judgeLast();
      this.#end("failed", error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      this.#host.signal.removeEventListener("abort", interrupt);
      await this.#pool.close();
    }
  }

  #createPool(): ComputePool {
    const { replay, recording } = this.#arithmetic;
    const { data, model } = this.#ground;
    if (replay) return replayPool(replay.recording);
    const pool = createComputePool({
      threads: this.#host.threads,
      learners: { [LEARNER]: model },
      datasets: { [TRAIN]: data.train, [TEST]: data.test },
      warn: (text) => this.#host.warn?.(text),
    });
    return recording ? recordingPool(pool, recording) : pool;
  }

  #createSimulation(): Simulation {
    const spec = this.#spec;
    const processor = processorModel(spec);
    const maxMicros = (spec.stop.maxSeconds ?? Number.POSITIVE_INFINITY) * 1e6;
    return new Simulation({
      seed: spec.seed,
      topology: this.#ground.grid.topology,
      nodes: [...this.#plan.programs.keys()],
      kernels: this.#kernels,
      compute: this.#pool,
      processor: () => processor,
      jitterMicros: spec.network.jitterMs * 1000,
      lossRate: spec.network.loss,
      duplicationRate: spec.network.duplication,
      faults: spec.faults,
      rules: memberRules(this.#plan.deployment),
      onMembers: (changes) => this.#members(changes),
      recordsMayLeave: (site) => mayLeave(spec, site),
      onEvent: (event: RunEvent) => {
        this.#host.onEvent(event);
        if (event.t >= maxMicros) this.#stop("maxSeconds");
      },
    });
  }

  /** Every copy has reached a multiple of `evaluate.every` clocks. */
  #sighted(sighting: Sighting): void {
    const { replay, recording } = this.#arithmetic;
    if (this.#reason !== undefined) return;
    const recorded = replay?.recording.judged.get(sighting.clock);
    const judging = recorded ? Promise.resolve(recorded) : this.#judging.at(sighting);
    this.#simulation.hold(judging, (judged) => {
      recording?.judged.set(sighting.clock, judged);
      this.#observer.release(sighting);
      this.#simulation.flushTraffic();
      this.#host.onEvent(evaluation(this.#simulation.now(), sighting.clock, judged));
      const reason = verdictEnds(this.#spec, judged);
      if (reason) this.#stop(reason);
    });
  }

  /** Slots were left or filled: who is waited for, and which copies are judged. */
  #members(changes: readonly MemberChange[]): void {
    this.#ending.changed(changes);
    const { domains, judged } = this.#plan.deployment;
    const present = new Map(changes.map((change) => [change.node, change.present]));
    for (const change of changes) if (!change.present) this.#observer.workerLeft(change.node);
    for (const { id, owners } of judged === "domains" ? domains : []) {
      const there = owners[0] && present.get(owners[0].node.id);
      if (there === true) this.#observer.returned(id);
      if (there === false) this.#left(id);
    }
    if (this.#ending.reached) this.#stop("maxClocks");
  }

  #left(copy: string): void {
    this.#observer.left(copy);
    const t = this.#simulation?.now() ?? 0;
    const vacant = `${copy} is vacant at the start: its copy is judged once it has joined`;
    const gone = `${copy} has left: its copy is judged no longer, and what it had not sent is lost`;
    this.#host.onEvent({ type: "note", t, text: t === 0 ? vacant : gone });
  }

  #stop(reason: RunEnded["reason"]): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#simulation.stop();
  }

  #end(reason: RunEnded["reason"], message?: string): void {
    this.#simulation.flushTraffic();
    this.#simulation.reportLinks();
    const t = this.#simulation.now();
    this.#host.onEvent({ type: "end", t, reason, ...(message ? { message } : {}) });
  }

  /** What the copies that are left are worth, where the run cannot go on. */
  async #judgeLast(): Promise<void> {
    const sighting = this.#observer.now();
    if (this.#arithmetic.replay || sighting.snapshots.length === 0) return;
    const verdict = await this.#judging.last(sighting);
    this.#simulation.flushTraffic();
    this.#host.onEvent(evaluation(this.#simulation.now(), sighting.clock, verdict, true));
  }

  /** The last judgement, on all test rows by every copy, and the models. */
  async #finish(): Promise<RunOutcome> {
    const { replay, recording } = this.#arithmetic;
    const reason = (this.#reason ?? "finished") as RunOutcome["reason"];
    const sighting = this.#observer.now();
    const { clock, snapshots } = sighting;
    const judged = replay
      ? judgedBy(replay.recording, clock)
      : { clock, verdict: await this.#judging.last(sighting) };
    if (recording) {
      recording.final = judged;
      recording.model = snapshots[0]?.parameters;
    }
    this.#simulation.flushTraffic();
    // A run that is timed again and was interrupted before its first judgement knows nothing of its model.
    if (judged) {
      const t = this.#simulation.now();
      this.#host.onEvent(evaluation(t, judged.clock, judged.verdict, true));
    }
    this.#end(reason);
    const models = replay ? recorded(replay.recording, reason) : snapshots;
    return outcomeOf(this.#spec, this.#ground, this.#plan, reason, models);
  }
}

/** What a run that is timed again had reached when it was interrupted was never computed. */
const recorded = ({ model }: Recording, reason: RunOutcome["reason"]) =>
  reason === "interrupted" || !model ? [] : [{ copy: "global", parameters: model }];
