/** Small topologies, nodes and pools for tests of worlds. */
import type { DenseDataset } from "../../src/core/dataset.ts";
import type { RunEvent } from "../../src/core/events.ts";
import { nodeId, type Role, siteId } from "../../src/core/ids.ts";
import { createPlainKernels } from "../../src/core/kernels/plain.ts";
import { createRandom } from "../../src/core/random.ts";
import type { StepResult } from "../../src/model/learner.ts";
import type { ComputePool } from "../../src/world/compute/contract.ts";
import type { NodeInfo, Work } from "../../src/world/contract.ts";
import { Simulation, type SimulationOptions } from "../../src/world/simulated/simulation.ts";
import type { Link, Topology } from "../../src/world/topology.ts";

export const sites = ["alpha", "beta", "gamma"] as const;

/** 8 Mbit/s (one byte a microsecond) and 10 ms between sites; 8 Gbit/s and 50 us inside. */
export function makeTopology(
  link: Partial<Link> = {},
  node: Partial<Topology["node"]> = {},
): Topology {
  return {
    sites: sites.map((name) => ({ id: siteId(name), name })),
    link: () => ({
      bandwidth: 8e6,
      oneWayMicros: 10_000,
      egressDollarsPerGB: 0.1,
      wan: true,
      ...link,
    }),
    node: { bandwidth: 8e9, oneWayMicros: 50, ...node },
  };
}

export const makeNode = (site: string, role: Role, index: number): NodeInfo => ({
  id: nodeId(siteId(site), role, index),
  site: siteId(site),
  role,
  index,
});

/** A pool that answers at once; `delays` (of real time, in turns of the event loop) shuffles the answers. */
export function fakePool(delays: () => number = () => 0): ComputePool {
  const step = async (work: Work): Promise<StepResult> => {
    for (let i = delays(); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
    work.out.fill(work.parameters[0]! + work.rows.length);
    return { loss: work.rows[0] ?? 0, examples: work.rows.length };
  };
  return {
    step,
    judge: async (work) => ({ examples: work.rows.length, lossSum: 0 }),
    close: async () => {},
  };
}

export interface Bench {
  readonly simulation: Simulation;
  readonly events: RunEvent[];
}

export function simulate(
  nodes: readonly NodeInfo[],
  options: Partial<SimulationOptions> = {},
): Bench {
  const events: RunEvent[] = [];
  const simulation = new Simulation({
    seed: 1,
    topology: makeTopology(),
    nodes,
    kernels: createPlainKernels(),
    compute: fakePool(),
    processor: () => ({ kind: "fixed", microsPerBatch: 1000 }),
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { simulation, events };
}

/** Three well separated classes of 4x4 pictures, in shared memory. */
export function makeDigits(rows: number): DenseDataset {
  const random = createRandom(7);
  const features = new Float32Array(new SharedArrayBuffer(4 * 16 * rows));
  const labels = new Int32Array(new SharedArrayBuffer(4 * rows));
  for (let row = 0; row < rows; row++) {
    labels[row] = row % 3;
    for (let i = 0; i < 16; i++)
      features[16 * row + i] = random.normal() + (i % 3 === row % 3 ? 2 : 0);
  }
  const shape = [1, 4, 4];
  return { kind: "dense", rows, shape, features, scale: 1, offset: 0, labels, classes: 3 };
}
