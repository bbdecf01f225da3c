/**
 * Runs one experiment in the simulated world: builds sites, nodes, programs and the observer from the
 * specification, lets virtual time pass, judges and stops by the rules.
 */
import type { Dataset } from "../core/dataset.ts";
import { InputError } from "../core/errors.ts";
import type { RunEnded, RunEvent } from "../core/events.ts";
import type { Kernels } from "../core/kernels/contract.ts";
import { createKernels } from "../core/kernels/create.ts";
import { createPhantomKernels } from "../core/kernels/phantom.ts";
import { createRandom, type Random } from "../core/random.ts";
import type { LoadedData } from "../data/load.ts";
import { createLearner, graphOf } from "../model/create.ts";
import type { Learner } from "../model/learner.ts";
import type { ModelSpec } from "../model/spec.ts";
import { createBetween, createWithin } from "../sync/algorithms.ts";
import type { Deployment, SitePlan, Training } from "../sync/contract.ts";
import { programsOf } from "../sync/programs.ts";
import type { ComputePool } from "../world/compute/contract.ts";
import { createComputePool } from "../world/compute/pool.ts";
import type { NodeInfo, NodeProgram } from "../world/contract.ts";
import { Simulation } from "../world/simulated/simulation.ts";
import { loadRunData } from "./data.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { loadRunModel } from "./model.ts";
import { CopyObserver, type Judge, judgeAll, type Sighting } from "./observer.ts";
import { networkFacts, planSites } from "./plan.ts";
import type { Grid } from "./presets/grid.ts";
import { loadGrid } from "./presets/load.ts";
import {
  arithmeticKey,
  judgedBy,
  newRecording,
  type Recording,
  recordingPool,
  replayPool,
} from "./recording.ts";
import type { RunSpec } from "./spec.ts";
import { ChangeWindow, meetsTarget } from "./stop.ts";

const LEARNER = "model";
const TRAIN = "train";
const TEST = "test";

/** Things that runs of one comparison share. */
export interface Shared {
  /** Loaded data by its specification and seed. */
  readonly data: Map<string, LoadedData>;
  /** Recorded arithmetic, with the name of the run that was recorded. */
  readonly recordings: Map<string, { readonly name: string; readonly recording: Recording }>;
}

export const newShared = (): Shared => ({ data: new Map(), recordings: new Map() });

export async function executeRun(
  spec: RunSpec,
  host: RunHost,
  shared: Shared = newShared(),
  title = spec.name,
): Promise<RunOutcome> {
  const grid = await loadGrid(spec.sites, host);
  const data = await loadRunData(spec, host, shared.data);
  const model = await loadRunModel(spec, data, host);
  const key = arithmeticKey(
    spec,
    grid.topology.sites.map((site) => site.id),
  );
  const known = key === undefined ? undefined : shared.recordings.get(key);
  if (!known) {
    const recording = key === undefined ? undefined : newRecording();
    const outcome = await new SimulatedRun(spec, host, { grid, data, model, recording }).execute();
    if (key !== undefined && recording?.final && outcome.reason !== "interrupted") {
      shared.recordings.set(key, { name: title, recording });
    }
    return outcome;
  }
  return new SimulatedRun(spec, host, { grid, data, model, replay: known }).execute();
}

interface Ground {
  readonly grid: Grid;
  readonly data: LoadedData;
  readonly model: ModelSpec;
  /** Write the arithmetic down here. */
  readonly recording?: Recording | undefined;
  /** Take the arithmetic from here. */
  readonly replay?: { readonly name: string; readonly recording: Recording } | undefined;
}

/** A run that is being built and executed. */
class SimulatedRun {
  readonly #spec: RunSpec;
  readonly #host: RunHost;
  readonly #ground: Ground;
  readonly #random: Random;
  readonly #kernels: Kernels;
  readonly #model: ModelSpec;
  readonly #learner: Learner;
  readonly #sites: readonly SitePlan[];
  readonly #testRows: Uint32Array;
  readonly #change: ChangeWindow | undefined;
  #reason: RunEnded["reason"] | undefined;
  #simulation!: Simulation;
  #pool!: ComputePool;
  #observer!: CopyObserver;

  constructor(spec: RunSpec, host: RunHost, ground: Ground) {
    this.#spec = spec;
    this.#host = host;
    this.#ground = ground;
    this.#random = createRandom(spec.seed, "run");
    this.#kernels = ground.replay ? createPhantomKernels() : createKernels();
    const { train, test } = ground.data;
    this.#model = ground.model;
    this.#learner = createLearner(this.#model);
    const random = this.#random.stream("split");
    this.#sites = planSites(spec, ground.grid, train, ground.data.natural, random);
    this.#testRows = this.#random
      .stream("test")
      .shuffle(Uint32Array.from({ length: test.rows }, (_, i) => i));
    const { change, changeWindow } = spec.stop;
    this.#change = change === undefined ? undefined : new ChangeWindow(changeWindow, this.#kernels);
  }

  async execute(): Promise<RunOutcome> {
    const between = createBetween(this.#spec.between);
    const initial = this.#kernels.allocate(this.#learner.layout.length);
    this.#kernels.copy(initial, this.#learner.initialise(this.#random.stream("initial")));
    const training = this.#training(initial);
    const deployment = between.deploy({
      sites: this.#sites,
      training,
      network: networkFacts(this.#ground.grid),
      random: this.#random.stream("between"),
    });
    this.#observer = this.#observe(deployment);
    const within = createWithin(
      this.#spec.within,
      {
        ...training,
        observer: this.#observer,
        maxClocks: deployment.maxClocks ?? training.maxClocks,
      },
      between,
      deployment,
    );
    const { programs, enders } = programsOf(deployment, within);
    return this.#run(programs, enders, deployment);
  }

  /** The observer is set after deployment: programs reach it through this object. */
  #training(initial: Float32Array): Training {
    const observer = () => this.#observer;
    return {
      learnerId: LEARNER,
      datasetId: TRAIN,
      learner: this.#learner,
      dataset: this.#ground.data.train,
      initial,
      optimizer: this.#spec.optimizer,
      batch: this.#spec.batch,
      maxClocks: this.#spec.stop.maxClocks,
      observer: {
        attach: (...args) => observer().attach(...args),
        attachPrivate: (...args) => observer().attachPrivate(...args),
        reached: (...args) => observer().reached(...args),
      },
    };
  }

  #observe({ judged, domains }: Deployment): CopyObserver {
    return new CopyObserver({
      copies: judged === "extra" ? ["global"] : domains.map((domain) => domain.id),
      length: this.#learner.layout.length,
      every: this.#spec.evaluate.every,
      onSighting: (sighting) => this.#sighted(sighting),
    });
  }

  async #run(
    programs: ReadonlyMap<NodeInfo, NodeProgram>,
    enders: Set<NodeInfo>,
    deployment: Deployment,
  ): Promise<RunOutcome> {
    const pool = this.#createPool();
    this.#pool = pool;
    const simulation = this.#createSimulation([...programs.keys()]);
    this.#simulation = simulation;
    this.#started(deployment);
    for (const [node, program] of programs) {
      simulation.start(node.id, async (world, scope) => {
        await program(world, scope);
        enders.delete(node);
        if (enders.size === 0) this.#stop("maxClocks");
      });
    }
    const interrupt = (): void => this.#stop("interrupted");
    this.#host.signal.addEventListener("abort", interrupt, { once: true });
    if (this.#host.signal.aborted) interrupt();
    try {
      await simulation.run();
      return await this.#finish();
    } catch (error) {
      this.#end("failed", error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      this.#host.signal.removeEventListener("abort", interrupt);
      await pool.close();
    }
  }

  #createPool(): ComputePool {
    const { replay, recording, data } = this.#ground;
    if (replay) return replayPool(replay.recording);
    const pool = createComputePool({
      threads: this.#host.threads,
      learners: { [LEARNER]: this.#model },
      datasets: { [TRAIN]: data.train, [TEST]: data.test },
      warn: (text) => this.#host.warn?.(text),
    });
    return recording ? recordingPool(pool, recording) : pool;
  }

  #createSimulation(nodes: readonly NodeInfo[]): Simulation {
    const spec = this.#spec;
    const { processor } = spec.sites;
    const straggler = processor.straggler;
    const speed =
      processor.msPerBatch === undefined
        ? { kind: "speed" as const, flopsPerSecond: processor.gflops * 1e9 }
        : { kind: "fixed" as const, microsPerBatch: processor.msPerBatch * 1000 };
    const maxMicros = (spec.stop.maxSeconds ?? Number.POSITIVE_INFINITY) * 1e6;
    return new Simulation({
      seed: spec.seed,
      topology: this.#ground.grid.topology,
      nodes,
      kernels: this.#kernels,
      compute: this.#pool,
      processor: () => (straggler ? { ...speed, straggler } : speed),
      jitterMicros: spec.network.jitterMs * 1000,
      lossRate: spec.network.loss,
      duplicationRate: spec.network.duplication,
      faults: spec.faults,
      recordsMayLeave: (site) =>
        (spec.policy.sites[site] ?? spec.policy.default).records === "may-move",
      onEvent: (event: RunEvent) => {
        this.#host.onEvent(event);
        if (event.t >= maxMicros) this.#stop("maxSeconds");
      },
    });
  }

  #started(deployment: Deployment): void {
    const { data, replay } = this.#ground;
    const { sites } = this.#ground.grid.topology;
    this.#host.onEvent({
      type: "run",
      t: 0,
      name: this.#spec.name,
      spec: this.#spec,
      sites: sites.map(({ id, name, latitude, longitude }) => ({ id, name, latitude, longitude })),
      parameters: this.#learner.layout.length,
      workers: deployment.domains.reduce((sum, domain) => sum + domain.workers.length, 0),
    });
    const path = "path" in this.#spec.data ? String(this.#spec.data.path) : this.#spec.data.kind;
    const { train, test } = data;
    const source = data.origin === "generated" ? "generated digits" : path;
    this.#note(`data: ${source}, ${train.rows} training rows, ${test.rows} test rows`);
    if (data.note) this.#note(data.note);
    if (replay) {
      this.#note(
        `the arithmetic is that of "${replay.name}" (same data, model and seed, bulk-synchronous): timed again, not computed again`,
      );
    }
  }

  #note(text: string): void {
    this.#host.onEvent({ type: "note", t: this.#simulation.now(), text });
  }

  /** Every copy has reached a multiple of `evaluate.every` clocks. */
  #sighted(sighting: Sighting): void {
    const { replay, recording } = this.#ground;
    if (this.#reason !== undefined) return;
    const recorded = replay?.recording.judged.get(sighting.clock);
    const judging = recorded
      ? Promise.resolve(recorded)
      : judgeAll(sighting, this.#judge, this.#tests, "share").then((verdict) => {
          const change = this.#change?.measure(sighting);
          const judged = { ...verdict, change };
          recording?.judged.set(sighting.clock, judged);
          return judged;
        });
    this.#simulation.hold(judging, ({ metrics, sites, change }) => {
      this.#observer.release(sighting);
      this.#simulation.flushTraffic();
      this.#host.onEvent({
        type: "evaluation",
        t: this.#simulation.now(),
        clock: sighting.clock,
        metrics,
        ...(sites ? { sites } : {}),
        ...(change === undefined ? {} : { change }),
      });
      const { stop } = this.#spec;
      if (stop.atTarget === "stop" && meetsTarget(stop, metrics)) this.#stop("target");
      else if (stop.change !== undefined && change !== undefined && change < stop.change) {
        this.#stop("change");
      }
    });
  }

  readonly #judge: Judge = (parameters, rows, own) =>
    this.#pool.judge({ learner: LEARNER, dataset: TEST, rows, parameters, own });

  /** Test rows, and those whose private parameters lie at a worker. */
  get #tests() {
    return { rows: this.#testRows, ofWorker: (worker: number) => this.#testsOfWorkers.get(worker) };
  }

  #testsByWorker: ReadonlyMap<number, Uint32Array> | undefined;
  get #testsOfWorkers(): ReadonlyMap<number, Uint32Array> {
    this.#testsByWorker ??= testRowsOfWorkers(this.#sites, this.#ground.data);
    return this.#testsByWorker;
  }

  #stop(reason: RunEnded["reason"]): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#simulation.stop();
  }

  #end(reason: RunEnded["reason"], message?: string): void {
    this.#simulation.flushTraffic();
    const t = this.#simulation.now();
    this.#host.onEvent({ type: "end", t, reason, ...(message ? { message } : {}) });
  }

  /** The last judgement, on all test rows by every copy, and the models. */
  async #finish(): Promise<RunOutcome> {
    const { replay, recording } = this.#ground;
    const reason = this.#reason ?? "finished";
    const sighting = this.#observer.now();
    const coverage = sighting.snapshots.length > 64 ? "share" : "all";
    const judged = replay
      ? judgedBy(replay.recording, sighting.clock)
      : {
          clock: sighting.clock,
          verdict: await judgeAll(sighting, this.#judge, this.#tests, coverage),
        };
    if (recording) {
      recording.final = judged;
      recording.model = sighting.snapshots[0]?.parameters;
    }
    this.#simulation.flushTraffic();
    // A run that is timed again and was interrupted before its first judgement knows nothing of its model.
    if (judged) {
      const { metrics, sites } = judged.verdict;
      this.#host.onEvent({
        type: "evaluation",
        t: this.#simulation.now(),
        clock: judged.clock,
        final: true,
        metrics,
        ...(sites ? { sites } : {}),
      });
    }
    this.#end(reason);
    return this.#outcome(reason, sighting);
  }

  #outcome(reason: RunEnded["reason"], { snapshots }: Sighting): RunOutcome {
    const { replay } = this.#ground;
    const base = {
      spec: this.#spec,
      reason: reason as RunOutcome["reason"],
      layout: this.#learner.layout,
      graph: graphOf(this.#model),
    };
    // What a run that is timed again had reached when it was interrupted was never computed.
    if (replay && reason === "interrupted") return { ...base, models: [], global: undefined };
    const first = replay?.recording.model ?? (snapshots[0]?.parameters as Float32Array);
    if (snapshots.length === 1) {
      const origin =
        this.#spec.between.kind === "federated" ? "the coordinator's model" : "the one copy";
      return { ...base, models: [], global: { parameters: first, origin } };
    }
    const models = snapshots.map(({ copy, parameters }) => ({
      site: copy as SitePlan["id"],
      parameters,
    }));
    if (this.#spec.between.kind !== "gaia") return { ...base, models, global: undefined };
    const average = new Float32Array(first.length);
    for (const { parameters } of models) this.#kernels.axpy(average, 1 / models.length, parameters);
    return {
      ...base,
      models,
      global: { parameters: average, origin: "the mean of the sites' copies" },
    };
  }
}

/** Which test ratings belong to the users whose factors lie at a worker. */
function testRowsOfWorkers(
  sites: readonly SitePlan[],
  { train, test }: { readonly train: Dataset; readonly test: Dataset },
): ReadonlyMap<number, Uint32Array> {
  if (train.kind !== "ratings" || test.kind !== "ratings") return new Map();
  const workerOf = new Int32Array(train.userCount).fill(-1);
  for (const { workers } of sites) {
    for (const { number, rows } of workers) {
      for (const row of rows) {
        const user = train.users[row] as number;
        const before = workerOf[user] as number;
        if (before !== -1 && before !== number) {
          const message = "a user's ratings lie at more than one worker";
          throw new InputError([{ code: "SPLIT_USERS", message, fix: "split: { by: user }" }]);
        }
        workerOf[user] = number;
      }
    }
  }
  const rows = new Map<number, number[]>();
  for (let row = 0; row < test.rows; row++) {
    const worker = workerOf[test.users[row] as number] as number;
    if (worker < 0) continue;
    const list = rows.get(worker);
    if (list) list.push(row);
    else rows.set(worker, [row]);
  }
  return new Map([...rows].map(([worker, list]) => [worker, Uint32Array.from(list)] as const));
}
