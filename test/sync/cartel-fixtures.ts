/** Runs of Cartel on toy streams in the simulated world, beside isolated learning of the same streams. */
import type { RunEvent, StreamEvent } from "../../src/core/events.ts";
import { type NodeId, nodeId, siteId } from "../../src/core/ids.ts";
import { createPlainKernels } from "../../src/core/kernels/plain.ts";
import { createRandom } from "../../src/core/random.ts";
import { SECOND } from "../../src/core/units.ts";
import type { Shift } from "../../src/data/streams/contract.ts";
import { createBetween } from "../../src/sync/algorithms.ts";
import { BetweenSpec } from "../../src/sync/options.ts";
import type { StreamSite } from "../../src/sync/streams.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import type { NodeProgram, World } from "../../src/world/contract.ts";
import type { MessageKind } from "../../src/world/message.ts";
import type { FaultSpec } from "../../src/world/simulated/faults.ts";
import { Simulation, type SimulationOptions } from "../../src/world/simulated/simulation.ts";
import { ToyModel, toyDataset } from "./cartel-toy.ts";

export const TOY_CLASSES = 10;
export const TOY_BATCH = 20;
/** The batch at which class 3 comes to site s0. */
export const SWITCH = 60;
export const BATCHES = 120;

export type Mixture = (batch: number) => readonly number[];

const constant =
  (classes: readonly number[]): Mixture =>
  () =>
    classes;

/**
 * Class 3 comes to s0, which had 0 to 2, at batch SWITCH (a quarter of its rows). s1 and s2 had all four from the start;
 * s3 sees other classes.
 */
export const INTRODUCTION: readonly Mixture[] = [
  (batch) => (batch < SWITCH ? [0, 1, 2] : [0, 1, 2, 3]),
  constant([0, 1, 2, 3]),
  constant([0, 1, 3]),
  constant([7, 8, 9]),
];

export interface CartelRun {
  readonly between?: { readonly kind: string; readonly [key: string]: unknown };
  readonly mixtures?: readonly Mixture[];
  readonly batches?: number;
  readonly faults?: readonly FaultSpec[];
  readonly simulation?: Partial<SimulationOptions>;
  readonly seed?: number;
  /** Of what the network does, where that is not `seed`'s. */
  readonly simulationSeed?: number;
  /** In place of a site's own program. */
  readonly programs?: Readonly<Record<string, NodeProgram>>;
  /** Sees every message that is sent. */
  readonly onSend?: (kind: MessageKind, from: NodeId, to: NodeId) => void;
  /** Makes something else of a site's model. */
  readonly model?: (site: string, model: ToyModel) => void;
  readonly bandwidth?: number;
}

const DATASET = toyDataset(TOY_CLASSES, 10_000);

function streamOf(mixture: Mixture, seed: number, batches: number) {
  const random = createRandom(seed, "stream");
  const rows = new Uint32Array(batches * TOY_BATCH);
  const shifts: Shift[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const classes = mixture(batch);
    const came = batch === 0 ? [] : classes.filter((c) => !mixture(batch - 1).includes(c));
    if (came.length > 0)
      shifts.push({ batch, what: `class ${came.join(", ")} comes`, classes: came });
    for (let i = 0; i < TOY_BATCH; i++) {
      const label = classes[i % classes.length]!;
      const row = random.integer(DATASET.rows / TOY_CLASSES) * TOY_CLASSES + label;
      rows[batch * TOY_BATCH + i] = row;
    }
  }
  return { rows, batchSize: TOY_BATCH, everyMicros: SECOND, shifts };
}

export interface CartelOutcome {
  readonly events: readonly RunEvent[];
  /** Errors of each batch of a site, 0..1; NaN where it did not come. */
  errors(site: string): Float64Array;
  marks(site: string): readonly string[];
  readonly models: ReadonlyMap<string, ToyModel>;
  readonly traffic: readonly { readonly kind: string; readonly bytes: number }[];
}

export async function runCartel(run: CartelRun = {}): Promise<CartelOutcome> {
  const { seed = 1, batches = BATCHES, mixtures = INTRODUCTION } = run;
  const events: RunEvent[] = [];
  const models = new Map<string, ToyModel>();
  const sites = mixtures.map((mixture, i): StreamSite => {
    const id = siteId(`s${i}`);
    const peer = { id: nodeId(id, "peer", 0), site: id, role: "peer", index: 0 } as const;
    return { id, peer, stream: streamOf(mixture, seed + i, batches) };
  });
  const made: { simulation?: Simulation } = {};
  const broker = new MemoryBroker({
    now: () => made.simulation?.now() ?? 0,
    after: () => () => {},
  });
  const spec = BetweenSpec.parse(run.between ?? { kind: "cartel" });
  const { programs, enders } = createBetween(spec).stream!({
    sites,
    dataset: DATASET,
    classes: TOY_CLASSES,
    recordBytes: 8,
    createModel: () => new ToyModel(TOY_CLASSES),
    network: { bandwidth: () => 1e8, roundTripMicros: () => 80_000, presetGroups: undefined },
    random: createRandom(seed, "between"),
    observer: {
      attach: (site, model) => {
        models.set(site, model() as ToyModel);
        run.model?.(site, model() as ToyModel);
      },
    },
    bus: (node) => broker.connect(node.id),
  });
  const { bandwidth = 1e7 } = run;
  const link = { bandwidth, oneWayMicros: 40_000, egressDollarsPerGB: 0.1, wan: true };
  const simulation = new Simulation({
    seed: run.simulationSeed ?? seed,
    topology: {
      sites: sites.map(({ id }) => ({ id, name: id })),
      link: () => link,
      node: { bandwidth: 1e10, oneWayMicros: 100 },
    },
    nodes: programs.map(({ node }) => node),
    kernels: createPlainKernels(),
    compute: {
      step: () => Promise.reject(new Error("nothing computes here")),
      judge: () => Promise.reject(new Error("nothing computes here")),
      close: () => Promise.resolve(),
    },
    processor: () => ({ kind: "speed", flopsPerSecond: 1e6 }),
    onEvent: (event) => events.push(event),
    faults: run.faults ?? [],
    ...run.simulation,
  });
  made.simulation = simulation;
  const left = new Set(enders.map(({ id }) => id));
  for (const { node, program } of programs) {
    const own = run.programs?.[node.id] ?? program;
    simulation.start(node.id, async (world, scope) => {
      await own(run.onSend ? watched(world, run.onSend) : world, scope);
      left.delete(node.id);
      if (left.size === 0) simulation.stop();
    });
  }
  for (const fault of run.faults ?? [])
    if (fault.kind === "crash" && fault.restartAfter === undefined)
      left.delete(fault.node as NodeId);
  await simulation.run();
  simulation.flushTraffic();
  return {
    events,
    models,
    traffic: simulation.traffic(),
    errors: (site) => {
      const errors = new Float64Array(batches).fill(Number.NaN);
      for (const event of events)
        if (event.type === "stream" && event.site === site) errors[event.batch] = share(event);
      return errors;
    },
    marks: (site) =>
      events.flatMap((event) =>
        event.type === "mark" && event.site === site
          ? [
              `${event.batch} ${event.mark}${event.peer ? ` ${event.peer}` : ""}${event.text ? `: ${event.text}` : ""}`,
            ]
          : [],
      ),
  };
}

const share = ({ errors, examples }: StreamEvent): number => errors / examples;

function watched(world: World, onSend: NonNullable<CartelRun["onSend"]>): World {
  const { network } = world;
  const spied: World["network"] = {
    send: (to, kind, header, payload) => {
      onSend(kind, world.node.id, to);
      network.send(to, kind, header, payload);
    },
    handle: (kind, handler) => network.handle(kind, handler),
    backlog: (to) => network.backlog(to),
    estimate: (to) => network.estimate(to),
    drained: (to, bytes, scope) => network.drained(to, bytes, scope),
  };
  return new Proxy(world, {
    get: (target, key) => {
      if (key === "network") return spied;
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Mean of the batches [from, to). */
export function mean(errors: Float64Array, from: number, to: number): number {
  const part = [...errors.slice(from, to)].filter((error) => !Number.isNaN(error));
  return part.reduce((sum, error) => sum + error, 0) / part.length;
}

/** Portions of so many bytes that say the same again and again. */
export function enlarge(
  model: { pack: (request: never) => Uint8Array | undefined },
  bytes: number,
): void {
  const pack = model.pack.bind(model);
  model.pack = (request) => {
    const small = pack(request);
    if (!small) return undefined;
    const large = new Uint8Array(Math.ceil(bytes / small.length) * small.length);
    for (let at = 0; at < large.length; at += small.length) large.set(small, at);
    return large;
  };
}
