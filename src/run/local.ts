/**
 * A run in the local world, as its supervisor sees it: one host a site, in real time. Hosts tell of their copies,
 * which are judged here and stop the run by the same rules as in the simulated world. An evaluation bears the time
 * at which the copies were so; the run goes on while they are judged.
 */
import type { RunEnded, RunEvent } from "../core/events.ts";
import { createKernels } from "../core/kernels/create.ts";
import type { ComputePool } from "../world/compute/contract.ts";
import { createComputePool } from "../world/compute/pool.ts";
import { Supervisor } from "../world/live/supervisor.ts";
import { localFleet } from "../world/local/fleet.ts";
import { opening, outcomeOf } from "./ends.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { evaluation, Judging, verdictEnds } from "./judging.ts";
import { assembled, CopyMirror, type TimedSighting, type Told } from "./local-copies.ts";
import type { LocalTask } from "./local-host.ts";
import type { Sighting } from "./observer.ts";
import { type Ground, LEARNER, planRun, type RunPlan, TEST, TRAIN } from "./plan.ts";
import type { LocalWorldSpec, RunSpec } from "./spec.ts";

const nobody = { attach: () => {}, attachPrivate: () => {}, reached: () => {} };

export class LocalRun {
  readonly #spec: RunSpec;
  readonly #world: LocalWorldSpec;
  readonly #host: RunHost;
  readonly #ground: Ground;
  readonly #plan: RunPlan;
  readonly #pool: ComputePool;
  readonly #judging: Judging;
  readonly #mirror: CopyMirror;
  readonly #supervisor: Supervisor;
  readonly #over: Promise<void>;
  #finish!: () => void;
  #reason: RunEnded["reason"] | undefined;
  #failure: Error | undefined;
  /** Judgements one after another, and the times of those that are not done. */
  #judged: Promise<void> = Promise.resolve();
  readonly #pending: number[] = [];

  constructor(spec: RunSpec, world: LocalWorldSpec, host: RunHost, ground: Ground) {
    this.#spec = spec;
    this.#world = world;
    this.#host = host;
    this.#ground = ground;
    const kernels = createKernels();
    this.#plan = planRun(spec, ground, kernels, () => nobody);
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
    this.#over = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#supervisor = this.#supervise();
  }

  async execute(): Promise<RunOutcome> {
    const { signal } = this.#host;
    const interrupt = (): void => this.#stop("interrupted");
    signal.addEventListener("abort", interrupt, { once: true });
    try {
      await this.#supervisor.join();
      const notes = [this.#note()];
      for (const event of opening(this.#spec, this.#ground, this.#plan, notes))
        this.#host.onEvent(event);
      if (signal.aborted) interrupt();
      this.#supervisor.go();
      await this.#over;
      return await this.#end();
    } finally {
      signal.removeEventListener("abort", interrupt);
      await this.#supervisor.close();
      await this.#pool.close();
    }
  }

  #supervise(): Supervisor {
    const { programs, enders } = this.#plan;
    const names = [...new Set([...programs.keys()].map((node) => node.site as string))];
    const maxMicros = (this.#spec.stop.maxSeconds ?? Number.POSITIVE_INFINITY) * 1e6;
    const running = new Set([...enders].map((node) => node.id));
    return new Supervisor({
      fleet: localFleet(this.#world.hosts, names),
      names,
      taskOf: () => this.#task(),
      onEvent: (event: RunEvent) => {
        this.#host.onEvent(event);
        if (event.t >= maxMicros) this.#stop("maxSeconds");
      },
      onEnded: (node) => {
        running.delete(node);
        if (running.size === 0) this.#stop("maxClocks");
      },
      onSaid: (_, what) => this.#mirror.take(what as Told),
      onFailed: (error) => {
        this.#failure ??= error;
        this.#stop("failed");
      },
      warn: (text) => this.#host.warn?.(text),
    });
  }

  #task(): LocalTask {
    const { data, model } = this.#ground;
    return {
      spec: this.#spec,
      world: this.#world,
      roots: this.#host.roots,
      threads: Math.min(1, this.#host.threads),
      shared: this.#world.hosts === "threads" ? { data, model } : undefined,
    };
  }

  #note(): string {
    const { hosts, pace, links } = this.#world;
    const { processor } = this.#spec.sites;
    const declared =
      processor.msPerBatch === undefined
        ? `${processor.gflops} GFLOP/s`
        : `${processor.msPerBatch} ms a batch`;
    const steps =
      pace === "declared"
        ? `steps last at least as long as at ${declared}`
        : "steps last as long as they take here";
    return `local world: times are real; each site is one of this machine's ${hosts}, ${steps}, links are ${links}`;
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
      this.#failure ??= error as Error;
      this.#stop("failed");
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
    const told = (await this.#supervisor.askAll("copies")) as readonly (readonly Told[])[];
    const { deployment, learner } = this.#plan;
    const sighting = assembled(deployment, learner.layout.length, told.flat());
    await this.#judgeLast(sighting);
    const reason = this.#failure ? "failed" : (this.#reason ?? "finished");
    const message = this.#failure?.message;
    const t = this.#supervisor.now();
    this.#supervisor.emit({ type: "end", t, reason, ...(message ? { message } : {}) });
    this.#supervisor.holdEvents(Number.POSITIVE_INFINITY);
    if (this.#failure) throw this.#failure;
    const { snapshots } = sighting;
    return outcomeOf(
      this.#spec,
      this.#ground,
      this.#plan,
      reason as RunOutcome["reason"],
      snapshots,
    );
  }

  /** On all test rows; after a failure, the copies that are left. */
  async #judgeLast(sighting: Sighting): Promise<void> {
    if (sighting.snapshots.length === 0) return;
    const t = this.#supervisor.now();
    const verdict = await this.#judging.last(sighting);
    this.#supervisor.emit(evaluation(t, sighting.clock, verdict, true));
  }
}
