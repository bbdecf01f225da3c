/** Registries as tests start them: peers of a simulated world, one at each site, that talk to a metadata service. */
import type { RunEvent } from "../../src/core/events.ts";
import { type NodeId, nodeId, siteId } from "../../src/core/ids.ts";
import { createPlainKernels } from "../../src/core/kernels/plain.ts";
import { createRandom } from "../../src/core/random.ts";
import type { Scope } from "../../src/core/scope.ts";
import { type Micros, SECOND } from "../../src/core/units.ts";
import type { Registry, SiteRecord } from "../../src/sync/between/cartel/registry/contract.ts";
import { overallError } from "../../src/sync/between/cartel/registry/record.ts";
import {
  RegistryOptions,
  registryService,
} from "../../src/sync/between/cartel/registry/service.ts";
import type { StreamRequest, StreamSite } from "../../src/sync/streams.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import type { NodeInfo, World } from "../../src/world/contract.ts";
import { Simulation, type SimulationOptions } from "../../src/world/simulated/simulation.ts";

export const CLASSES = 10;
export const TTL: Micros = 30 * SECOND;

export const peerId = (index: number): NodeId => nodeId(siteId(`s${index}`), "peer", 0);

export const peers = (count: number): NodeInfo[] =>
  Array.from({ length: count }, (_, i) => ({
    id: peerId(i),
    site: siteId(`s${i}`),
    role: "peer",
    index: 0,
  }));

/** A record of the peer that knows the classes, with this error on each. */
export function recordOf(
  index: number,
  sequence: Micros,
  classes: readonly number[],
  error = 0.1,
): SiteRecord {
  const classCounts = new Uint32Array(CLASSES);
  const classErrors = new Float32Array(CLASSES).fill(Number.NaN);
  for (const c of classes) {
    classCounts[c] = 100 + c;
    classErrors[c] = Math.round(error * 254) / 254;
  }
  return {
    site: siteId(`s${index}`),
    node: peerId(index),
    sequence,
    modelKind: "toy",
    modelVersion: 3,
    modelBytes: 1000,
    batches: 20,
    classCounts,
    classErrors,
    error: overallError(classCounts, classErrors),
    trainFlops: 1e6,
  };
}

/** What the peer with this index does with its registry. */
export type Part = (registry: Registry, world: World, scope: Scope) => Promise<void>;

export interface RegistryRun {
  readonly registry: { readonly kind: RegistryOptions["kind"]; readonly [key: string]: unknown };
  readonly peers: number;
  readonly part: (index: number) => Part;
  readonly simulation?: Partial<SimulationOptions>;
  readonly seed?: number;
  readonly oneWayMicros?: Micros;
}

const requestOf = (nodes: readonly NodeInfo[]) => ({
  sites: nodes.map((peer): StreamSite => {
    const stream = { rows: new Uint32Array(0), batchSize: 1, everyMicros: SECOND, shifts: [] };
    return { id: peer.site, peer, stream };
  }),
  network: {
    bandwidth: () => 1e8,
    roundTripMicros: () => 80_000,
    presetGroups: undefined,
  },
  classes: CLASSES,
});

/** Runs every peer's part; the run ends when all have ended. */
export async function runRegistry(run: RegistryRun) {
  const nodes = peers(run.peers);
  const events: RunEvent[] = [];
  let simulation: Simulation | undefined;
  const broker = new MemoryBroker({
    now: () => simulation?.now() ?? 0,
    after: () => () => {},
  });
  const request = {
    ...requestOf(nodes),
    random: createRandom(1),
    bus: (node: NodeInfo) => broker.connect(node.id),
  } as unknown as StreamRequest;
  const terms = { classes: CLASSES, nodes: new Set(nodes.map(({ id }) => id)), ttl: TTL };
  const service = registryService(RegistryOptions.parse(run.registry), request, terms);
  const link = {
    bandwidth: 1e8,
    oneWayMicros: run.oneWayMicros ?? 40_000,
    egressDollarsPerGB: 0,
    wan: true,
  };
  const made = new Simulation({
    seed: run.seed ?? 1,
    topology: {
      sites: nodes.map(({ site }) => ({ id: site, name: site })),
      link: () => link,
      node: { bandwidth: 1e10, oneWayMicros: 100 },
    },
    nodes: [...nodes, ...service.programs.map(({ node }) => node)],
    kernels: createPlainKernels(),
    compute: {
      step: () => Promise.reject(new Error("nothing computes here")),
      judge: () => Promise.reject(new Error("nothing computes here")),
      close: () => Promise.resolve(),
    },
    processor: () => ({ kind: "fixed", microsPerBatch: 1 }),
    onEvent: (event) => events.push(event),
    ...run.simulation,
  });
  simulation = made;
  for (const { node, program } of service.programs) made.start(node.id, program);
  const left = new Set(nodes.map(({ id }) => id));
  nodes.forEach((node, index) => {
    made.start(node.id, async (world, scope) => {
      await run.part(index)(service.open(world, scope), world, scope);
      left.delete(node.id);
      if (left.size === 0) made.stop();
      // Others may still want to ask this one.
      await world.condition().until(() => false, { what: "the others" }, scope);
    });
  });
  const result = await made.run();
  made.flushTraffic();
  return { events, result, traffic: made.traffic() };
}
