/** Crashes, partitions and delay spikes: what is lost, what waits, what survives. */
import { expect, test } from "vitest";
import type { NodeProgram } from "../../src/world/contract.ts";
import { type MessageKind, messageKind } from "../../src/world/message.ts";
import { FaultSpec } from "../../src/world/simulated/faults.ts";
import { makeNode, simulate } from "./fixtures.ts";

const BULK = messageKind("bulk", "bulk", "update");
const CONTROL = messageKind("control", "control", "control");
const SOFT = messageKind("soft", "control", "metadata", { lossy: true });
const SOFT_BULK = messageKind("soft-bulk", "bulk", "metadata", { lossy: true });
const a0 = makeNode("alpha", "peer", 0);
const b0 = makeNode("beta", "peer", 0);

/** Sends message n of the kind every 10 ms. */
const ticker =
  (kind: MessageKind, count: number): NodeProgram =>
  async (world, scope) => {
    for (let n = 0; n < count; n++) {
      world.network.send(b0.id, kind, { n });
      await world.clock.sleep(10_000, scope);
    }
  };

/** Writes down when which message came, for a while. */
const listener =
  (kinds: readonly MessageKind[], heard: string[], until: number): NodeProgram =>
  async (world, scope) => {
    for (const kind of kinds)
      world.network.handle(kind, ({ header }) => heard.push(`${world.clock.now()} ${header.n}`));
    await world.clock.sleep(until - world.clock.now(), scope);
  };

test("a crash settles nothing and runs no finally; the restart finds the store", async () => {
  const faults = [{ kind: "crash" as const, node: a0.id, at: 0.005, restartAfter: 0.01 }];
  const { simulation, events } = simulate([a0], { faults });
  const seen: string[] = [];
  simulation.start(a0.id, async (world, scope) => {
    const lives = (await world.store.list("lives")).length;
    await world.store.append("lives", Uint8Array.of(lives));
    seen.push(`life ${lives} begins at ${world.clock.now()}`);
    try {
      await world.clock.sleep(20_000, scope);
      seen.push(`life ${lives} wakes at ${world.clock.now()}`);
    } finally {
      seen.push(`life ${lives} cleans up`);
    }
  });
  expect(await simulation.run()).toMatchObject({ reason: "finished", micros: 35_000 });
  expect(seen).toEqual([
    "life 0 begins at 0",
    "life 1 begins at 15000",
    "life 1 wakes at 35000",
    "life 1 cleans up",
  ]);
  expect(events).toEqual([
    { t: 5000, type: "fault", fault: "crash", target: "alpha/peer-0" },
    { t: 15_000, type: "fault", fault: "restart", target: "alpha/peer-0" },
  ]);
});

test("without a restart the run goes on without the node", async () => {
  const { simulation } = simulate([a0, b0], {
    faults: [{ kind: "crash", node: a0.id, at: 0.005 }],
  });
  simulation.start(a0.id, (world, scope) => world.clock.sleep(1_000_000, scope));
  simulation.start(b0.id, (world, scope) => world.clock.sleep(50_000, scope));
  expect(await simulation.run()).toMatchObject({ reason: "finished", micros: 50_000 });
});

test("a crash loses what has not left the uplink, in both queues", async () => {
  const heard: string[] = [];
  const faults = [{ kind: "crash" as const, node: a0.id, at: 0.00005 }];
  const { simulation } = simulate([a0, b0], { faults });
  simulation.start(a0.id, async (world, scope) => {
    // Each control message takes a microsecond of the uplink, and control goes first.
    for (let n = 1; n <= 100; n++) world.network.send(b0.id, CONTROL, { n });
    world.network.send(b0.id, BULK, { n: 0 });
    await world.clock.sleep(1_000_000, scope);
  });
  simulation.start(b0.id, listener([BULK, CONTROL], heard, 100_000));
  await simulation.run();
  const arrived = heard.map((line) => Number(line.split(" ")[1]));
  expect(arrived).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
});

test("what arrives while a node is down is lost for it, and only that", async () => {
  const heard: string[] = [];
  const faults = [{ kind: "crash" as const, node: b0.id, at: 0.035, restartAfter: 0.02 }];
  const { simulation } = simulate([a0, b0], { faults });
  simulation.start(a0.id, ticker(CONTROL, 8));
  simulation.start(b0.id, listener([CONTROL], heard, 100_000));
  await simulation.run();
  const times = [10_082, 20_082, 30_082, 60_082, 70_082, 80_082];
  expect(heard).toEqual(times.map((time) => `${time} ${(time - 10_082) / 10_000}`));
});

test("a partition holds reliable messages until the heal, in order; lossy ones are gone", async () => {
  const faults = [{ kind: "partition" as const, a: "beta", b: "alpha", at: 0.015, for: 0.03 }];
  for (const kind of [CONTROL, BULK, SOFT, SOFT_BULK]) {
    const heard: string[] = [];
    const { simulation, events } = simulate([a0, b0], { faults });
    simulation.start(a0.id, ticker(kind, 7));
    simulation.start(b0.id, listener([kind], heard, 200_000));
    await simulation.run();
    const before = ["10082 0", "20082 1"];
    const after = ["60082 5", "70082 6"];
    // After the heal at 45,000 the pipe takes 80 us for each message.
    const held = ["55081 2", "55161 3", "55241 4"];
    expect(heard).toEqual(kind.lossy ? [...before, ...after] : [...before, ...held, ...after]);
    expect(events.map((event) => event.type === "fault" && `${event.t} ${event.fault}`)).toEqual([
      "15000 partition",
      "45000 heal",
    ]);
  }
});

test("a lossy message of which a part was lost in a partition is lost as a whole", async () => {
  // 512,000 bytes take half a second; the partition strikes one or two of the eight chunks.
  const faults = [{ kind: "partition" as const, a: "alpha", b: "beta", at: 0.1, for: 0.05 }];
  for (const kind of [BULK, SOFT_BULK]) {
    const heard: string[] = [];
    const { simulation } = simulate([a0, b0], { faults });
    simulation.start(a0.id, async (world, scope) => {
      world.network.send(b0.id, kind, { n: 0 }, [new Uint8Array(498_000)]);
      await world.network.drained(b0.id, 0, scope);
      world.network.send(b0.id, kind, { n: 1 });
    });
    simulation.start(b0.id, listener([kind], heard, 3_000_000));
    await simulation.run();
    const numbers = heard.map((line) => line.split(" ")[1]);
    expect(numbers).toEqual(kind.lossy ? ["1"] : ["0", "1"]);
  }
});

test("overlapping partitions heal when the last one does, and drained waits as long", async () => {
  const faults = [
    { kind: "partition" as const, a: "alpha", b: "beta", at: 0, for: 0.03 },
    { kind: "partition" as const, a: "alpha", b: "beta", at: 0.02, for: 0.03 },
  ];
  const { simulation } = simulate([a0, b0], { faults });
  let drained = 0;
  simulation.start(a0.id, async (world, scope) => {
    world.network.send(b0.id, BULK, { n: 0 });
    await world.network.drained(b0.id, 0, scope);
    drained = world.clock.now();
  });
  await simulation.run();
  expect(drained).toBe(50_080);
});

test("a delay spike adds latency to its sites while it lasts, and keeps order", async () => {
  const faults = [
    { kind: "delay" as const, from: "alpha", to: "beta", at: 0.015, for: 0.01, extraMs: 25 },
    { kind: "delay" as const, from: "beta", at: 0, for: 10, extraMs: 1000 },
  ];
  const heard: string[] = [];
  const { simulation } = simulate([a0, b0], { faults });
  simulation.start(a0.id, ticker(CONTROL, 5));
  simulation.start(b0.id, listener([CONTROL], heard, 200_000));
  await simulation.run();
  // Message 2 is 25 ms late; 3 and 4 may not overtake it.
  expect(heard).toEqual(["10082 0", "20082 1", "55082 2", "55083 3", "55084 4"]);
});

test("names that nobody knows are refused with the place and what there is", () => {
  const attempt = () =>
    simulate([a0, b0], {
      faults: [
        { kind: "crash", node: "alpha/worker-9", at: 1 },
        { kind: "partition", a: "alpha", b: "alpha", at: 1, for: 1 },
        { kind: "delay", from: "atlantis", at: 1, for: 1, extraMs: 1 },
      ],
    });
  expect(attempt).toThrow(
    [
      'faults.0.node: there is no node "alpha/worker-9" (one of alpha/peer-0, beta/peer-0)',
      'faults.1.b: a site cannot be cut off from itself ("alpha")',
      'faults.2.from: there is no site "atlantis" (one of alpha, beta, gamma)',
    ].join("\n"),
  );
});

test("faults are written in seconds and refuse unknown keys", () => {
  const fault = { kind: "crash", node: "alpha/worker-0", at: 1.5, restartAfter: 2 };
  expect(FaultSpec.parse(fault)).toEqual(fault);
  expect(FaultSpec.safeParse({ ...fault, when: 3 }).success).toBe(false);
  expect(FaultSpec.safeParse({ kind: "partition", a: "x", b: "y", at: -1, for: 2 }).success).toBe(
    false,
  );
});
