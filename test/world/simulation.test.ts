/** Virtual time, ends of runs, and repeatability of the simulated world. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { Scope } from "../../src/core/scope.ts";
import type { NodeInfo, NodeProgram } from "../../src/world/contract.ts";
import { messageKind } from "../../src/world/message.ts";
import type { SimulationOptions } from "../../src/world/simulated/simulation.ts";
import { fakePool, makeNode, simulate } from "./fixtures.ts";

const GOSSIP = messageKind("gossip", "bulk", "update");
const SOFT = messageKind("soft", "control", "metadata", { lossy: true });
const a0 = makeNode("alpha", "peer", 0);
const b0 = makeNode("beta", "peer", 0);
const c0 = makeNode("gamma", "peer", 0);
const peers = [a0, makeNode("alpha", "peer", 1), b0, c0];

/** Sends to random others, sleeps, computes; every arrival is an event of the log. */
const gossip =
  (nodes: readonly NodeInfo[]): NodeProgram =>
  async (world, scope) => {
    const { site } = world.node;
    const log = (name: string, value: number): void =>
      world.emit({ t: world.clock.now(), type: "metric", name, value, site });
    const choices = world.random.stream("choices");
    for (const kind of [GOSSIP, SOFT])
      world.network.handle(kind, (message, from) =>
        log(`${kind.name} ${from}`, Number(message.header.round)),
      );
    for (let round = 0; round < 20; round++) {
      const to = nodes[choices.integer(nodes.length)]!;
      const payload = [new Uint8Array(choices.integer(50_000))];
      world.network.send(to.id, choices.next() < 0.5 ? GOSSIP : SOFT, { round }, payload);
      await world.clock.sleep(choices.integer(30_000), scope);
      const parameters = Float32Array.of(round);
      const out = new Float32Array(1);
      const rows = Uint32Array.of(round);
      const work = { learner: "fake", dataset: "fake", rows, parameters, out, flops: 1 };
      const { loss } = await world.compute({ ...work, worker: 0, clock: round }, scope);
      log("computed", loss + out[0]!);
    }
  };

const wild: Partial<SimulationOptions> = {
  jitterMicros: 3000,
  lossRate: 0.05,
  duplicationRate: 0.05,
  processor: () => ({
    kind: "fixed",
    microsPerBatch: 4000,
    straggler: { kind: "lognormal", sigma: 0.5 },
  }),
  faults: [
    { kind: "crash", node: "gamma/peer-0", at: 0.1, restartAfter: 0.05 },
    { kind: "partition", a: "alpha", b: "beta", at: 0.05, for: 0.1 },
    { kind: "delay", to: "alpha", at: 0.2, for: 0.05, extraMs: 20 },
  ],
};

/** Hash of the whole event log, line by line. */
async function logOf(options: Partial<SimulationOptions>): Promise<string> {
  const { simulation, events } = simulate(peers, { ...wild, ...options });
  for (const { id } of peers) simulation.start(id, gossip(peers));
  await simulation.run();
  simulation.flushTraffic();
  expect(events.length).toBeGreaterThan(100);
  return createHash("sha256")
    .update(events.map((event) => `${JSON.stringify(event)}\n`).join(""))
    .digest("hex");
}

test("the same seed gives a byte-identical event log, another seed another one", async () => {
  const first = await logOf({ seed: 5 });
  expect(await logOf({ seed: 5 })).toBe(first);
  expect(await logOf({ seed: 6 })).not.toBe(first);
});

test("the log does not depend on when a pool answers in real time", async () => {
  const prompt = await logOf({});
  for (const salt of [3, 7, 11]) {
    let n = 0;
    const compute = fakePool(() => (n++ * salt) % 6);
    expect(await logOf({ compute })).toBe(prompt);
  }
});

test("a node computes one step at a time; several nodes at once", async () => {
  const { simulation } = simulate(peers, {
    processor: (node) => ({ kind: "speed", flopsPerSecond: node.site === "alpha" ? 1e6 : 2e6 }),
  });
  const ends: string[] = [];
  for (const { id } of [a0, b0])
    simulation.start(id, async (world, scope) => {
      const step = async (n: number): Promise<void> => {
        const rows = Uint32Array.of(n);
        const arrays = { parameters: Float32Array.of(0), out: new Float32Array(1) };
        const place = { learner: "fake", dataset: "fake", worker: 0, clock: n, flops: 5000 };
        const { loss } = await world.compute({ ...place, ...arrays, rows }, scope);
        ends.push(`${world.clock.now()} ${id} ${loss}`);
      };
      await Promise.all([step(1), step(2)]);
    });
  await simulation.run();
  expect(ends).toEqual([
    "2500 beta/peer-0 1",
    "5000 alpha/peer-0 1",
    "5000 beta/peer-0 2",
    "10000 alpha/peer-0 2",
  ]);
});

test("a deadlock names who waits for what and whom", async () => {
  const { simulation } = simulate([a0, b0, c0]);
  let unwound = false;
  simulation.start(a0.id, async (world, scope) => {
    const reason = { what: "the barrier of clock 3", whom: () => ["beta", "gamma"] };
    try {
      await world.condition().until(() => false, reason, scope);
    } finally {
      unwound = true;
    }
  });
  simulation.start(b0.id, async (world, scope) => {
    await world.clock.sleep(777, scope);
    await new Promise(() => {});
  });
  simulation.start(c0.id, async () => {});
  const run = simulation.run();
  await expect(run).rejects.toMatchObject({
    code: "DEADLOCK",
    message: [
      "nothing is left to run at 777 microseconds:",
      "  alpha/peer-0 waits for the barrier of clock 3 (from beta, gamma)",
      "  beta/peer-0 waits for something that no event brings",
    ].join("\n"),
  });
  expect(unwound).toBe(true);
});

test("a cancelled sleep does not move time", async () => {
  const { simulation } = simulate([a0]);
  simulation.start(a0.id, async (world) => {
    const scope = new Scope();
    const nap = world.clock.sleep(3_600_000_000, scope).catch(() => {});
    scope.cancel("no need");
    await nap;
  });
  expect(await simulation.run()).toMatchObject({ reason: "finished", micros: 0 });
});

test("stop cancels every program at the present time; they unwind, clean-up may still take time", async () => {
  const { simulation } = simulate([a0, b0]);
  const seen: string[] = [];
  simulation.start(a0.id, async (world, scope) => {
    await world.clock.sleep(5000, scope);
    simulation.stop();
    await world.clock.sleep(5000, scope);
    seen.push("never");
  });
  simulation.start(b0.id, async (world, scope) => {
    try {
      await world.clock.sleep(1_000_000, scope);
    } finally {
      seen.push(`finally at ${world.clock.now()}`);
      await world.clock.sleep(100, new Scope());
    }
  });
  expect(await simulation.run()).toMatchObject({ reason: "stopped", micros: 5100 });
  expect(seen).toEqual(["finally at 5000"]);
});

test("stop from outside ends a run that waits for a step which never comes", async () => {
  const { simulation } = simulate([a0], {
    compute: { ...fakePool(), step: () => new Promise(() => {}) },
  });
  const flat = { parameters: Float32Array.of(0), out: new Float32Array(1) };
  const place = { learner: "fake", dataset: "fake", worker: 0, clock: 0, flops: 1 };
  simulation.start(a0.id, async (world, scope) => {
    await world.compute({ ...place, ...flat, rows: Uint32Array.of(0) }, scope);
  });
  const run = simulation.run();
  setImmediate(() => simulation.stop());
  expect(await run).toMatchObject({ reason: "stopped", micros: 0 });
});

test("a failing step rejects at its modelled time", async () => {
  const failure = new Error("no such learner");
  const { simulation } = simulate([a0], {
    compute: { ...fakePool(), step: () => Promise.reject(failure) },
  });
  const seen: unknown[] = [];
  const flat = { parameters: Float32Array.of(0), out: new Float32Array(1) };
  const place = { learner: "fake", dataset: "fake", worker: 0, clock: 0, flops: 1 };
  simulation.start(a0.id, async (world, scope) => {
    const work = { ...place, ...flat, rows: Uint32Array.of(0) };
    await world.compute(work, scope).catch((error: unknown) => {
      seen.push(world.clock.now(), error);
    });
  });
  await simulation.run();
  expect(seen).toEqual([1000, failure]);
});

test("a step that the pool refuses on the spot fails its program, not the clock", async () => {
  const refuse = (): never => {
    throw new Error("the update must lie in shared memory");
  };
  const { simulation } = simulate([a0], { compute: { ...fakePool(), step: refuse } });
  const flat = { parameters: Float32Array.of(0), out: new Float32Array(1) };
  const place = { learner: "fake", dataset: "fake", worker: 0, clock: 0, flops: 1 };
  simulation.start(a0.id, async (world, scope) => {
    await world.compute({ ...place, ...flat, rows: Uint32Array.of(0) }, scope);
  });
  await expect(simulation.run()).rejects.toThrow("alpha/peer-0 failed: the update must lie");
});

test("hold: virtual time waits for real work, whose results come in the order of asking", async () => {
  const { simulation } = simulate([a0]);
  const seen: string[] = [];
  const later = async (turns: number, name: string): Promise<string> => {
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    return name;
  };
  const note = (what: string): void => {
    seen.push(`${simulation.now()} ${what}`);
  };
  simulation.start(a0.id, async (world, scope) => {
    await world.clock.sleep(1000, scope);
    simulation.hold(later(5, "slow"), note);
    simulation.hold(later(1, "quick"), note);
    await world.clock.sleep(0, scope);
    note("same time");
    await world.clock.sleep(1, scope);
    note("next microsecond");
    simulation.hold(later(2, "last"), note);
  });
  await simulation.run();
  expect(seen).toEqual([
    "1000 same time",
    "1000 slow",
    "1000 quick",
    "1001 next microsecond",
    "1001 last",
  ]);
});

test("held work that fails, fails the run; programs unwind", async () => {
  const { simulation } = simulate([a0]);
  let unwound = false;
  simulation.start(a0.id, async (world, scope) => {
    simulation.hold(Promise.reject(new Error("cannot judge")), () => {});
    try {
      await world.clock.sleep(10, scope);
    } finally {
      unwound = true;
    }
  });
  await expect(simulation.run()).rejects.toThrow("cannot judge");
  expect(unwound).toBe(true);
});

test("stragglers: slow nodes, pauses, and lognormal factors of mean 1", async () => {
  const time = async (straggler: object, steps: number): Promise<number> => {
    const { simulation } = simulate([a0], {
      processor: () => ({ kind: "fixed", microsPerBatch: 1000, straggler: straggler as never }),
    });
    simulation.start(a0.id, async (world, scope) => {
      const flat = { parameters: Float32Array.of(0), out: new Float32Array(1) };
      const place = { learner: "fake", dataset: "fake", worker: 0, flops: 1 };
      for (let clock = 0; clock < steps; clock++)
        await world.compute({ ...place, ...flat, clock, rows: Uint32Array.of(0) }, scope);
    });
    return (await simulation.run()).micros;
  };
  expect(await time({ kind: "none" }, 10)).toBe(10_000);
  expect(await time({ kind: "slow", factor: 3, nodes: [a0.id] }, 10)).toBe(30_000);
  expect(await time({ kind: "slow", factor: 3, nodes: [b0.id] }, 10)).toBe(10_000);
  const paused = (await time({ kind: "pauses", probability: 0.25, ms: 8 }, 1000)) - 1_000_000;
  expect(paused % 8000).toBe(0);
  expect(paused / 8000 / 1000).toBeCloseTo(0.25, 1);
  const mean = (await time({ kind: "lognormal", sigma: 0.5 }, 4000)) / 4000;
  expect(mean).toBeGreaterThan(970);
  expect(mean).toBeLessThan(1030);
});
