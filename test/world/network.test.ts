/** Times on the wire against closed forms; one byte takes one microsecond between sites (8 Mbit/s). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../src/core/ids.ts";
import type { NodeInfo, NodeProgram, PathEstimate } from "../../src/world/contract.ts";
import { bytesOnWire, type MessageKind, messageKind } from "../../src/world/message.ts";
import type { SimulationOptions } from "../../src/world/simulated/simulation.ts";
import { makeNode, makeTopology, simulate } from "./fixtures.ts";

const BULK = messageKind("bulk", "bulk", "update");
const CONTROL = messageKind("control", "control", "control");
const SOFT = messageKind("soft", "control", "metadata", { lossy: true });
const SOFT_BULK = messageKind("soft-bulk", "bulk", "metadata", { lossy: true });

const a0 = makeNode("alpha", "peer", 0);
const a1 = makeNode("alpha", "peer", 1);
const b0 = makeNode("beta", "peer", 0);
const b1 = makeNode("beta", "peer", 1);

interface Sending {
  readonly at: number;
  readonly from: NodeInfo;
  readonly to: NodeInfo;
  readonly kind: MessageKind;
  /** Bytes on the wire; the payload is what is left after frame and headers. */
  readonly bytes: number;
}
interface Arrival {
  readonly at: number;
  readonly to: NodeId;
  readonly kind: string;
  /** Position of the sending. */
  readonly n: number;
}

/** A payload that makes a message of just so many bytes on the wire. */
function payloadFor(bytes: number): Uint8Array {
  let length = Math.max(0, Math.floor((bytes * 1460) / 1500) - 40 - 40);
  while (bytesOnWire(40 + length) < bytes) length++;
  expect(bytesOnWire(40 + length)).toBe(bytes);
  return new Uint8Array(length);
}

async function play(
  sendings: readonly Sending[],
  options: Partial<SimulationOptions> = {},
): Promise<Arrival[]> {
  const arrivals: Arrival[] = [];
  const nodes = [a0, a1, b0, b1];
  const { simulation } = simulate(nodes, options);
  const last = 1_000_000_000;
  for (const node of nodes) {
    const program: NodeProgram = async (world, scope) => {
      for (const kind of [BULK, CONTROL, SOFT, SOFT_BULK])
        world.network.handle(kind, ({ header }) => {
          arrivals.push({
            at: world.clock.now(),
            to: node.id,
            kind: kind.name,
            n: Number(header.n),
          });
        });
      for (const [n, sending] of sendings.entries()) {
        if (sending.from !== node) continue;
        await world.clock.sleep(sending.at - world.clock.now(), scope);
        world.network.send(sending.to.id, sending.kind, { n }, [payloadFor(sending.bytes)]);
      }
      await world.clock.sleep(last - world.clock.now(), scope);
    };
    simulation.start(node.id, program);
  }
  await simulation.run();
  return arrivals;
}

test("n bytes over a link take n*8/bandwidth plus the latency, plus one chunk on each fast hop", async () => {
  for (const bytes of [3000, 64_000, 640_000, 5_120_000]) {
    const [arrival] = await play([{ at: 0, from: a0, to: b0, kind: BULK, bytes }]);
    // Uplink and downlink are 1000 times as fast as the pipe.
    const chunk = Math.min(bytes, Math.max(64_000, bytes / 8));
    expect(arrival!.at).toBe(bytes + 10_000 + 2 * Math.ceil(chunk / 1000));
  }
});

test("inside a site: uplink, latency, downlink, without the pipe", async () => {
  const [arrival] = await play([{ at: 0, from: a0, to: a1, kind: BULK, bytes: 640_000 }]);
  expect(arrival!.at).toBe(640 + 50 + 80);
});

test("a node's message to itself takes a microsecond and no bytes", async () => {
  const [arrival] = await play([{ at: 5, from: a0, to: a0, kind: BULK, bytes: 640_000 }]);
  expect(arrival!.at).toBe(6);
});

test("the pipe of two sites is shared by their nodes, chunk by chunk: two at once take twice as long", async () => {
  const bytes = 640_000;
  const arrivals = await play([
    { at: 0, from: a0, to: b0, kind: BULK, bytes },
    { at: 0, from: a1, to: b1, kind: BULK, bytes },
    { at: 0, from: b0, to: a0, kind: BULK, bytes },
  ]);
  const at = (n: number) => arrivals.find((arrival) => arrival.n === n)!.at;
  expect(at(2)).toBe(bytes + 10_000 + 160);
  expect(at(1)).toBe(2 * bytes + 10_000 + 160);
  // The first one's last chunk has only the other's last chunk behind it.
  expect(at(0)).toBe(2 * bytes - 80_000 + 10_000 + 160);
});

test("control goes ahead of bulk, and the bulk pays just the time that it took", async () => {
  const bulk = { at: 0, from: a0, to: b0, kind: BULK, bytes: 640_000 };
  const control = { at: 200_000, from: a0, to: b0, kind: CONTROL, bytes: 1000 };
  const [first, second] = await play([bulk, control]);
  expect(first).toMatchObject({ kind: "control", at: 200_000 + 1 + 1000 + 10_000 + 1 });
  expect(second).toMatchObject({ kind: "bulk", at: 640_000 + 1000 + 10_000 + 160 });
});

test("a pipe never carries more than its bandwidth, whatever the mixture (property)", async () => {
  const sending = fc.record({
    at: fc.integer({ min: 0, max: 300_000 }),
    far: fc.boolean(),
    control: fc.boolean(),
    bytes: fc.integer({ min: 100, max: 200_000 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(sending, { minLength: 1, maxLength: 12 }), async (list) => {
      const sendings = list
        .map(({ at, far, control, bytes }) => ({
          at,
          from: far ? a0 : a1,
          to: b0,
          kind: control ? CONTROL : BULK,
          bytes: bytesOnWire(40 + bytes),
        }))
        .sort((x, y) => x.at - y.at);
      const arrivals = await play(sendings);
      expect(arrivals.length).toBe(sendings.length);
      const busy = sendings.reduce((sum, { bytes }) => sum + bytes, 0);
      const end = Math.max(...arrivals.map(({ at }) => at));
      expect(end).toBeGreaterThanOrEqual(sendings[0]!.at + busy + 10_000);
      for (const { n, at } of arrivals)
        expect(at).toBeGreaterThanOrEqual(sendings[n]!.at + sendings[n]!.bytes + 10_000);
      // Order is kept for each sender and queue.
      for (const from of [a0, a1])
        for (const kind of ["bulk", "control"]) {
          const order = arrivals
            .filter((arrival) => arrival.kind === kind && sendings[arrival.n]!.from === from)
            .map(({ n }) => n);
          expect(order).toEqual([...order].sort((x, y) => x - y));
        }
    }),
    { numRuns: 60 },
  );
});

test("jitter delays but never reorders", async () => {
  const sendings = Array.from({ length: 40 }, (_, n) => ({
    at: n * 500,
    from: a0,
    to: b0,
    kind: n % 2 ? BULK : CONTROL,
    bytes: 120,
  }));
  const arrivals = await play(sendings, { jitterMicros: 20_000 });
  for (const kind of ["bulk", "control"]) {
    const order = arrivals.filter((arrival) => arrival.kind === kind).map(({ n }) => n);
    expect(order).toEqual([...order].sort((x, y) => x - y));
    expect(order.length).toBe(20);
  }
  const late = arrivals.filter(({ n, at }) => at > sendings[n]!.at + 10_122);
  expect(late.length).toBeGreaterThan(20);
});

test("loss: lossy kinds vanish, reliable ones come once, later by round trips, in order", async () => {
  const count = 200;
  const send = (kind: MessageKind) =>
    Array.from({ length: count }, (_, n) => ({
      at: n * 50_000,
      from: a0,
      to: b0,
      kind,
      bytes: 120,
    }));
  const soft = await play(send(SOFT), { lossRate: 0.2 });
  expect(soft.length).toBeGreaterThan(count * 0.7);
  expect(soft.length).toBeLessThan(count * 0.9);
  const hard = await play(send(CONTROL), { lossRate: 0.2, duplicationRate: 0.5 });
  expect(hard.map(({ n }) => n)).toEqual([...Array(count).keys()]);
  const delays = hard.map(({ n, at }) => at - n * 50_000 - 10_122);
  expect(delays.filter((delay) => delay === 0).length).toBeGreaterThan(count * 0.6);
  expect(delays.filter((delay) => delay === 20_000).length).toBeGreaterThan(count * 0.08);
});

test("duplication: only lossy kinds come twice", async () => {
  const send = (kind: MessageKind) =>
    Array.from({ length: 100 }, (_, n) => ({ at: n * 50_000, from: a0, to: b0, kind, bytes: 120 }));
  for (const kind of [SOFT, SOFT_BULK]) {
    const arrivals = await play(send(kind), { duplicationRate: 0.5 });
    expect(arrivals.length).toBeGreaterThan(130);
    expect(new Set(arrivals.map(({ n }) => n)).size).toBe(100);
  }
  expect((await play(send(BULK), { duplicationRate: 0.5 })).length).toBe(100);
});

test("bytes are counted once for each pair of sites and kind, when they are sent", async () => {
  const { simulation, events } = simulate([a0, a1, b0], { overheadBytes: 10 });
  simulation.start(a0.id, async (world, scope) => {
    world.network.send(b0.id, BULK, {}, [new Uint8Array(2000)]);
    world.network.send(a1.id, BULK, {}, [new Uint8Array(100)]);
    world.network.send(b0.id, CONTROL, { n: 1 });
    world.network.send(a0.id, CONTROL, { n: 1 });
    simulation.flushTraffic();
    simulation.flushTraffic();
    await world.clock.sleep(5_000_000, scope);
    world.network.send(b0.id, BULK, {}, [new Uint8Array(2000)]);
  });
  await simulation.run();
  simulation.flushTraffic();
  const bulk = 32 + 2000 + 2 * 40 + 10;
  const row = { from: "alpha", to: "beta" };
  expect(simulation.traffic()).toEqual([
    { from: "alpha", to: "alpha", kind: "bulk", bytes: 32 + 100 + 40 + 10, messages: 1 },
    { ...row, kind: "bulk", bytes: 2 * bulk, messages: 2 },
    { ...row, kind: "control", bytes: 32 + 8 + 40 + 10, messages: 1 },
  ]);
  const reported = events.map((event) =>
    event.type === "traffic" ? [event.t, event.to, event.kind, event.bytes, event.wan] : event,
  );
  expect(reported).toEqual([
    [0, "alpha", "bulk", 182, false],
    [0, "beta", "bulk", bulk, true],
    [0, "beta", "control", 90, true],
    [5_000_000, "beta", "bulk", bulk, true],
  ]);
});

describe("the estimate of a way", () => {
  /** Ten pieces of bulk and a talk of control, for as long as the way is asked about. */
  async function talk(options: Parameters<typeof simulate>[1], rounds: number) {
    const { simulation, events } = simulate([a0, b0], options);
    const estimates: PathEstimate[] = [];
    simulation.start(b0.id, async (world, scope) => {
      world.network.handle(CONTROL, () => world.network.send(a0.id, CONTROL, {}));
      await world.clock.sleep(rounds * 100_000, scope);
    });
    simulation.start(a0.id, async (world, scope) => {
      world.network.handle(CONTROL, () => {});
      for (let n = 0; n < rounds; n++) {
        world.network.send(b0.id, CONTROL, {});
        world.network.send(b0.id, BULK, {}, [new Uint8Array(20_000)]);
        await world.clock.sleep(100_000, scope);
        estimates.push(world.network.estimate(b0.id));
      }
    });
    await simulation.run();
    simulation.reportLinks();
    return { estimates, links: events.filter((event) => event.type === "link") };
  }

  test("is what the slowest wire takes, however little is sent", async () => {
    const narrowNode = await talk({ topology: makeTopology({}, { bandwidth: 4e6 }) }, 5);
    expect(narrowNode.estimates.at(-1)?.goodput).toBeCloseTo(4e6, -5);
    const { estimates, links } = await talk({}, 5);
    const { goodput, roundTripMicros } = estimates.at(-1)!;
    // Control goes first, and takes its part.
    expect(goodput).toBeGreaterThan(0.98 * 8e6);
    expect(goodput).toBeLessThanOrEqual(8e6);
    expect(roundTripMicros).toBeGreaterThanOrEqual(20_000);
    expect(roundTripMicros).toBeLessThan(20_500);
    const declared = { bandwidth: 8e6, roundTripMicros: 20_000 };
    const there = { type: "link", from: "alpha", to: "beta", goodput, roundTripMicros, declared };
    const back = { type: "link", from: "beta", to: "alpha", roundTripMicros, declared };
    expect(links).toEqual([
      { t: 500_000, ...there },
      { t: 500_000, ...back },
    ]);
  });

  test("follows a delay that lasts, and forgets it when it is over", async () => {
    const delay = { kind: "delay", from: "alpha", to: "beta", extraMs: 30, at: 1, for: 5 } as const;
    const { estimates } = await talk({ faults: [delay] }, 100);
    const trips = estimates.map(({ roundTripMicros = 0 }) => Math.round(roundTripMicros / 1000));
    expect(trips[9]).toBe(20);
    expect(trips[15]).toBe(20);
    expect(trips[55]).toBe(50);
    expect(trips.at(-1)).toBe(20);
  });

  test("does not take a partition for a slow link, and repeats", async () => {
    const partition = { kind: "partition", a: "alpha", b: "beta", at: 0.115, for: 3 } as const;
    const once = await talk({ faults: [partition] }, 50);
    expect(once.estimates.at(-1)?.goodput).toBeGreaterThan(0.95 * 8e6);
    expect(await talk({ faults: [partition] }, 50)).toEqual(once);
  });
});

test("the policy may let records leave a site", async () => {
  const RECORDS = messageKind("records", "bulk", "records");
  const { simulation } = simulate([a0, b0], { recordsMayLeave: (site) => site === "alpha" });
  const refusals: unknown[] = [];
  simulation.start(a0.id, async (world) => world.network.send(b0.id, RECORDS, {}));
  simulation.start(b0.id, async (world) => {
    try {
      world.network.send(a0.id, RECORDS, {});
    } catch (error) {
      refusals.push(error);
    }
  });
  await simulation.run();
  expect(refusals).toMatchObject([{ code: "RECORDS_STAY" }]);
  expect(simulation.traffic().map(({ from }) => from)).toEqual(["alpha"]);
});

test("links may differ by direction", async () => {
  const topology = makeTopology();
  const link = (from: number, to: number) => ({
    ...topology.link(from, to),
    oneWayMicros: from < to ? 1000 : 9000,
  });
  const arrivals = await play(
    [
      { at: 0, from: a0, to: b0, kind: CONTROL, bytes: 120 },
      { at: 0, from: b0, to: a0, kind: CONTROL, bytes: 120 },
    ],
    { topology: { ...topology, link } },
  );
  expect(arrivals.map(({ at }) => at)).toEqual([1122, 9122]);
});
