/**
 * Events a second of the simulated world on one core.
 *
 *   npx tsx bench/simulator.ts [--json] [--quick]
 *
 * An event is one that a program sees: a wake-up from `sleep`, a message handed to its handler, the start of
 * its program. The packet's way over uplink, pipe and downlink (two or three more heap events a message) is
 * work on top, not counted. Programs are ordinary async functions that wait for promises.
 *
 * Goals: >= 200,000 events/s; 10,000 nodes that exchange heartbeats for 60 virtual seconds within 2 GiB.
 */
import { type NodeId, nodeId, siteId } from "../src/core/ids.ts";
import { createPhantomKernels } from "../src/core/kernels/phantom.ts";
import type { NodeInfo, NodeProgram } from "../src/world/contract.ts";
import { messageKind } from "../src/world/message.ts";
import { Simulation } from "../src/world/simulated/simulation.ts";
import { measure, print } from "./harness.ts";

const GOAL = 200_000;
const PING = messageKind("ping", "control", "control");
const HEARTBEAT = messageKind("heartbeat", "control", "control", { lossy: true });
const quick = process.argv.includes("--quick");

function makeNodes(siteCount: number, perSite: number): NodeInfo[] {
  return Array.from({ length: siteCount * perSite }, (_, n) => {
    const site = siteId(`site-${Math.floor(n / perSite)}`);
    const index = n % perSite;
    return { id: nodeId(site, "peer", index), site, role: "peer", index };
  });
}

function makeSimulation(nodes: readonly NodeInfo[]): Simulation {
  const sites = [...new Set(nodes.map((node) => node.site))].map((id) => ({ id, name: id }));
  const link = { bandwidth: 1e8, oneWayMicros: 40_000, egressDollarsPerGB: 0.1, wan: true };
  return new Simulation({
    seed: 1,
    topology: { sites, link: () => link, node: { bandwidth: 1e10, oneWayMicros: 100 } },
    nodes,
    kernels: createPhantomKernels(),
    compute: {
      step: () => Promise.reject(new Error("nothing computes here")),
      judge: () => Promise.reject(new Error("nothing computes here")),
      close: () => Promise.resolve(),
    },
    processor: () => ({ kind: "fixed", microsPerBatch: 1 }),
    onEvent: () => {},
  });
}

/** Sends to the other, waits for its answer, again and again. */
const player =
  (other: NodeId, rounds: number, begins: boolean): NodeProgram =>
  async (world, scope) => {
    const changed = world.condition();
    let heard = 0;
    world.network.handle(PING, () => {
      heard++;
      changed.notify();
    });
    for (let round = 1; round <= rounds; round++) {
      if (begins) world.network.send(other, PING, { round });
      await changed.until(() => heard >= round, { what: "a ping" }, scope);
      if (!begins) world.network.send(other, PING, { round });
    }
  };

/** Pairs of nodes at different sites (or the same) play ping-pong. */
async function pingPong(pairs: number, rounds: number, far: boolean): Promise<number> {
  const nodes = makeNodes(2, pairs);
  const simulation = makeSimulation(nodes);
  for (let n = 0; n < pairs; n++) {
    const left = nodes[far ? n : 2 * n]!;
    const right = nodes[far ? pairs + n : 2 * n + 1]!;
    simulation.start(left.id, player(right.id, rounds, true));
    simulation.start(right.id, player(left.id, rounds, false));
  }
  return (await simulation.run()).events;
}

async function sleepers(count: number, naps: number): Promise<number> {
  const nodes = makeNodes(1, count);
  const simulation = makeSimulation(nodes);
  for (const { id, index } of nodes)
    simulation.start(id, async (world, scope) => {
      for (let nap = 0; nap < naps; nap++) await world.clock.sleep(1000 + index, scope);
    });
  return (await simulation.run()).events;
}

/** Each node tells four neighbours every second that it is alive, and looks who is silent. */
async function heartbeats(count: number, seconds: number): Promise<number> {
  const nodes = makeNodes(count / 10, 10);
  const simulation = makeSimulation(nodes);
  nodes.forEach(({ id }, n) => {
    const neighbours = [1, 2, 10, 20].map((step) => nodes[(n + step) % count]!.id);
    simulation.start(id, async (world, scope) => {
      const last = new Map<NodeId, number>();
      world.network.handle(HEARTBEAT, (_, from) => last.set(from, world.clock.now()));
      await world.clock.sleep(world.random.integer(1_000_000), scope);
      for (let beat = 0; beat < seconds; beat++) {
        for (const neighbour of neighbours) world.network.send(neighbour, HEARTBEAT, { beat });
        await world.clock.sleep(1_000_000, scope);
        for (const time of last.values())
          if (world.clock.now() - time > 3_000_000) throw new Error("a neighbour is silent");
      }
    });
  });
  return (await simulation.run()).events;
}

/** What the language itself does: promises made, awaited and settled, with no simulator. */
async function promises(count: number): Promise<number> {
  let settle = (): void => {};
  const awaiting = async (): Promise<void> => {
    for (let i = 0; i < count; i++)
      await new Promise<void>((resolve) => {
        settle = resolve;
      });
  };
  const settling = async (): Promise<void> => {
    for (let i = 0; i < count; i++) {
      settle();
      await undefined;
      await undefined;
    }
  };
  const waiting = awaiting();
  await settling();
  settle();
  await waiting;
  return count;
}

const scale = quick ? 0.1 : 1;
print(
  await measure(
    "simulator",
    [
      { name: "bare promises", unit: "awaits/s", run: () => promises(1_000_000 * scale) },
      {
        name: "ping-pong within a site",
        unit: "events/s",
        goal: GOAL,
        run: () => pingPong(100, 2000 * scale, false),
      },
      {
        name: "ping-pong between sites",
        unit: "events/s",
        goal: GOAL,
        run: () => pingPong(100, 2000 * scale, true),
      },
      { name: "sleepers", unit: "events/s", goal: GOAL, run: () => sleepers(1000, 400 * scale) },
    ],
    { baseline: "bare promises" },
  ),
);

print(
  await measure(
    "10,000 nodes, 60 virtual seconds of heartbeats",
    [
      {
        name: "heartbeats",
        unit: "events/s",
        run: () => heartbeats(10_000, 60 * scale),
      },
    ],
    { warmups: 0, runs: 1 },
  ),
);
const peak = process.resourceUsage().maxRSS / 2 ** 20;
const verdict = peak <= 2 ? "met" : "MISSED";
process.stderr.write(`peak resident memory ${peak.toFixed(2)} GiB; goal 2 GiB: ${verdict}\n`);
