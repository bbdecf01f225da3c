/** A run on streams in the simulated world: the streams end it, or `stop.maxSeconds`. Nothing is judged beside them. */
import { invariant } from "../core/errors.ts";
import type { RunEnded, RunEvent } from "../core/events.ts";
import { createPlainKernels } from "../core/kernels/plain.ts";
import type { ComputePool } from "../world/compute/contract.ts";
import { Simulation } from "../world/simulated/simulation.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { mayLeave, processorModel, type RunSpec } from "./spec.ts";
import { streamOpening, streamOutcome } from "./stream-ends.ts";
import { keptModels, type ModelKeeper } from "./stream-models.ts";
import { planStreamRun, type StreamGround, type StreamPlan } from "./stream-plan.ts";

/** Batches of the first site between two looks at the bytes. */
export const FLUSH_BATCHES = 5;

/** Models of streams learn where they are, not in a pool. */
export const NO_POOL: ComputePool = {
  step: () => Promise.reject(new Error("a run on streams has no pool")),
  judge: () => Promise.reject(new Error("a run on streams has no pool")),
  close: () => Promise.resolve(),
};

export class SimulatedStreamRun {
  readonly #spec: RunSpec;
  readonly #host: RunHost;
  readonly #ground: StreamGround;
  readonly #models: ModelKeeper = keptModels();
  readonly #plan: StreamPlan;
  readonly #simulation: Simulation;
  #reason: RunEnded["reason"] | undefined;

  constructor(spec: RunSpec, host: RunHost, ground: StreamGround) {
    this.#spec = spec;
    this.#host = host;
    this.#ground = ground;
    this.#plan = planStreamRun(spec, ground, this.#models);
    this.#simulation = this.#createSimulation();
  }

  async execute(): Promise<RunOutcome> {
    const { programs, enders } = this.#plan;
    const simulation = this.#simulation;
    for (const event of streamOpening(this.#spec, this.#ground)) this.#host.onEvent(event);
    for (const [node, program] of programs) {
      simulation.start(node.id, async (world, scope) => {
        await program(world, scope);
        enders.delete(node);
        if (enders.size === 0) this.#stop("finished");
      });
    }
    const interrupt = (): void => this.#stop("interrupted");
    this.#host.signal.addEventListener("abort", interrupt, { once: true });
    if (this.#host.signal.aborted) interrupt();
    try {
      await simulation.run();
      const reason = this.#reason ?? "finished";
      const outcome = streamOutcome(this.#spec, reason, this.#models.saved());
      this.#end(reason);
      return outcome;
    } catch (error) {
      this.#end("failed", error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      this.#host.signal.removeEventListener("abort", interrupt);
      await this.#plan.closeModels();
    }
  }

  #createSimulation(): Simulation {
    const spec = this.#spec;
    const processor = processorModel(spec);
    const maxMicros = (spec.stop.maxSeconds ?? Number.POSITIVE_INFINITY) * 1e6;
    const [first] = this.#plan.sites;
    invariant(first, "a run on streams has a site");
    return new Simulation({
      seed: spec.seed,
      topology: this.#ground.grid.topology,
      nodes: [...this.#plan.programs.keys()],
      kernels: createPlainKernels(),
      compute: NO_POOL,
      processor: () => processor,
      jitterMicros: spec.network.jitterMs * 1000,
      lossRate: spec.network.loss,
      duplicationRate: spec.network.duplication,
      faults: spec.faults,
      recordsMayLeave: (site) => mayLeave(spec, site),
      onEvent: (event: RunEvent) => {
        this.#host.onEvent(event);
        if (event.type === "stream" && event.site === first.id && event.batch % FLUSH_BATCHES === 0)
          this.#simulation.flushTraffic();
        if (event.t >= maxMicros) this.#stop("maxSeconds");
      },
    });
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
}
