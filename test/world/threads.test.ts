/** Real learners under virtual time: the event log is the same with 0, 1 and 2 compute threads. */
import { expect, test } from "vitest";
import { shapeOf } from "../../src/core/dataset.ts";
import { createSimdKernels } from "../../src/core/kernels/simd.ts";
import { createRandom } from "../../src/core/random.ts";
import { createLearner } from "../../src/model/create.ts";
import { type ModelSpec, SequentialSpec } from "../../src/model/spec.ts";
import { createComputePool } from "../../src/world/compute/pool.ts";
import type { NodeProgram } from "../../src/world/contract.ts";
import { messageKind } from "../../src/world/message.ts";
import { makeDigits, makeNode, simulate } from "./fixtures.ts";

const UPDATE = messageKind("update", "bulk", "update");
const digits = makeDigits(120);
const softmax: ModelSpec = {
  model: SequentialSpec.parse({ kind: "sequential", layers: ["flatten", { dense: 3 }] }),
  data: shapeOf(digits),
};
const nodes = ["alpha", "beta", "gamma"].map((site) => makeNode(site, "worker", 0));

/** Gossip SGD: a step, the gradient to a random other, what came is applied on arrival. */
async function train(threads: number): Promise<string> {
  const learner = createLearner(softmax);
  const pool = createComputePool({ threads, learners: { softmax }, datasets: { digits } });
  const { simulation, events } = simulate(nodes, {
    compute: pool,
    kernels: createSimdKernels(),
    processor: ({ site }) => ({
      kind: "speed",
      flopsPerSecond: site === "beta" ? 1e6 : 3e6,
      straggler: { kind: "lognormal", sigma: 0.3 },
    }),
  });
  const program: NodeProgram = async (world, scope) => {
    const { kernels } = world;
    const parameters = kernels.allocate(learner.layout.length);
    parameters.set(learner.initialise(createRandom(1)));
    const out = kernels.allocate(parameters.length);
    const draws = world.random.stream("batches");
    const arrived: Float32Array[] = [];
    world.network.handle(UPDATE, ({ payload }) => arrived.push(payload[0] as Float32Array));
    for (let clock = 0; clock < 25; clock++) {
      for (const update of arrived.splice(0)) kernels.axpy(parameters, -0.1, update);
      const rows = Uint32Array.from({ length: 16 }, () => draws.integer(digits.rows));
      const work = { learner: "softmax", dataset: "digits", rows, parameters, out };
      const cost = { flops: learner.flops(rows.length), worker: 0, clock };
      const { loss } = await world.compute({ ...work, ...cost }, scope);
      world.network.send(nodes[draws.integer(3)]!.id, UPDATE, { clock }, [kernels.snapshot(out)]);
      kernels.axpy(parameters, -0.1, out);
      const { site } = world.node;
      world.emit({ t: world.clock.now(), type: "metric", name: "loss", value: loss, site });
    }
    const rows = Uint32Array.from({ length: digits.rows }, (_, row) => row);
    const judged = pool.judge({ learner: "softmax", dataset: "digits", rows, parameters });
    simulation.hold(judged, ({ lossSum }) =>
      world.emit({ t: simulation.now(), type: "metric", name: "final", value: lossSum }),
    );
  };
  for (const { id } of nodes) simulation.start(id, program);
  await simulation.run();
  simulation.flushTraffic();
  await pool.close();
  const losses = events.flatMap((event) =>
    event.type === "metric" && event.name === "loss" ? [event.value] : [],
  );
  expect(losses.length).toBe(75);
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
  return events.map((event) => JSON.stringify(event)).join("\n");
}

test("three workers train by gossip: one log for 0, 1 and 2 threads", async () => {
  const inline = await train(0);
  expect(await train(1)).toBe(inline);
  expect(await train(2)).toBe(inline);
});
