/** What a restarted worker says twice is taken once, and its private parameters survive. */
import { expect, test } from "vitest";
import { nodeId, type Role } from "../../src/core/ids.ts";
import { createPlainKernels } from "../../src/core/kernels/plain.ts";
import { createLayout } from "../../src/model/layout.ts";
import { createWithin } from "../../src/sync/algorithms.ts";
import type { Between, Deployment, Domain, Training } from "../../src/sync/contract.ts";
import { PUSH } from "../../src/sync/within/parameter-server/messages.ts";
import type { ComputePool } from "../../src/world/compute/contract.ts";
import type { NodeInfo } from "../../src/world/contract.ts";
import { Simulation } from "../../src/world/simulated/simulation.ts";
import { SGD, siteName, type Toy, topologyOf } from "./harness.ts";
import { evaluations, execute, ratings } from "./real.ts";

test("private factors: a crash changes neither the model nor its judgement", async () => {
  const spec = (more: object) =>
    ratings({ sites: { count: 2, workers: 2, servers: 2 }, stop: { maxClocks: 20 }, ...more });
  const whole = await execute(spec({}));
  const end = whole.events.at(-1)?.t ?? 0;
  let crashes = 0;
  for (let k = 1; k <= 12; k++) {
    const at = (end * k) / 13e6;
    const node = `site-${k % 2}/worker-${k % 3 === 0 ? 1 : 0}`;
    const run = await execute(spec({ faults: [{ kind: "crash", node, at, restartAfter: 0.05 }] }));
    crashes += run.events.filter((event) => event.type === "fault").length / 2;
    expect(run.outcome.global).toEqual(whole.outcome.global);
    expect(evaluations(run).at(-1)?.metrics).toEqual(evaluations(whole).at(-1)?.metrics);
  }
  expect(crashes).toBe(12);
});

test("a push that is already in is dropped, and pushes may come ahead of others' clocks", async () => {
  const toy: Toy = { length: 4, gradient: () => {} };
  for (const consistency of ["bsp", "ssp"] as const) {
    const topology = topologyOf({ toy, clocks: 1, between: { kind: "stretched" } });
    const site = siteName(0);
    const node = (role: Role, index: number): NodeInfo => ({
      id: nodeId(site, role, index),
      site,
      role,
      index,
    });
    const workers = [0, 1].map((number) => ({
      node: node("worker", number),
      number,
      rows: Uint32Array.of(number),
    }));
    const owner = { node: node("server", 0), shard: 0, range: { start: 0, end: 4 } };
    const domain: Domain = { id: "all", sites: [site], workers, owners: [owner], divisor: 2 };
    let values = new Float32Array(0);
    const reached: number[] = [];
    const training = {
      learner: {
        kind: "gradient",
        layout: createLayout([{ name: "all", shape: [4] }]),
        privateLength: 0,
      },
      initial: new Float32Array(4),
      optimizer: SGD,
      observer: {
        attach: (_: string, __: unknown, live: Float32Array) => {
          values = live as Float32Array<ArrayBuffer>;
        },
        reached: (_: string, __: unknown, clock: number) => reached.push(clock),
      },
    } as unknown as Training;
    const options = { kind: "parameter-server", consistency, staleness: 3 } as const;
    const deployment: Deployment = { domains: [domain], extra: [], judged: "domains" };
    const within = createWithin(options, training, {} as Between, deployment);
    const simulation = new Simulation({
      seed: 1,
      topology,
      nodes: [owner.node, ...workers.map((worker) => worker.node)],
      kernels: createPlainKernels(),
      compute: { step: async () => ({ loss: 0, examples: 0 }) } as unknown as ComputePool,
      processor: () => ({ kind: "fixed", microsPerBatch: 1 }),
      onEvent: () => {},
    });
    simulation.start(owner.node.id, within.owner(domain, owner));
    for (const { node: self, number } of workers) {
      simulation.start(self.id, async (world, scope) => {
        for (let clock = 0; clock < 3; clock++) {
          // Worker 0 pushes each clock twice and begins again from the first one, as after a restart.
          for (const again of number === 0 ? [clock, clock, ...Array(clock).keys()] : [clock]) {
            const update = new Float32Array(4).fill(-2 * 10 ** again * (number + 1));
            world.network.send(owner.node.id, PUSH, { clock: again, worker: number }, [update]);
          }
          await world.clock.sleep(number * 10_000, scope);
        }
        await world.clock.sleep(100_000, scope);
        simulation.stop();
      });
    }
    await simulation.run();
    expect([...values]).toEqual([333, 333, 333, 333]);
    expect(reached).toEqual([1, 2, 3]);
  }
});
