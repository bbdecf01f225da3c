/** What a host of the local world does beside the contract: borders, links, the end of others. */
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { NoteEvent, RunEvent } from "../../src/core/events.ts";
import type { NodeId } from "../../src/core/ids.ts";
import { createRandom } from "../../src/core/random.ts";
import type { NodeProgram, PathEstimate } from "../../src/world/contract.ts";
import { machineMicros } from "../../src/world/live/clock.ts";
import { EventMerge } from "../../src/world/live/merge.ts";
import { type LinkShape, ShapedLink } from "../../src/world/live/shaping.ts";
import { FileStore } from "../../src/world/live/store.ts";
import { messageKind } from "../../src/world/message.ts";
import type { Estimate } from "../../src/world/wire/contract.ts";
import { makeNode } from "./fixtures.ts";
import { hostSites, memoryPair } from "./local-fixtures.ts";

const [alpha, beta] = [makeNode("alpha", "peer", 0), makeNode("beta", "peer", 0)];
const HELLO = messageKind("test.hello", "control", "control");
const RECORDS = messageKind("test.records", "bulk", "records");

const until =
  (kind: typeof HELLO): NodeProgram =>
  async (world, scope) => {
    let heard = false;
    const changed = world.condition();
    world.network.handle(kind, () => {
      heard = true;
      changed.notify();
    });
    await changed.until(() => heard, { what: kind.name, whom: () => [alpha.id] }, scope);
  };

describe("a host", () => {
  test("keeps what came before it began", async () => {
    const { hosts } = hostSites([alpha, beta], memoryPair());
    hosts[0]?.start(new Map([[alpha, async (world) => world.network.send(beta.id, HELLO, {})]]));
    for (let i = 0; i < 5; i++) await turn();
    hosts[1]?.start(new Map([[beta, until(HELLO)]]));
    for (const host of hosts) await host.ended();
  });

  test("refuses records that its own policy would not have let go, whatever the sender thinks", async () => {
    // The sender's host was told that records may move; the receiver's was not.
    const pair = memoryPair();
    const programs = new Map([
      [alpha, (async (world) => world.network.send(beta.id, RECORDS, {}, [])) as NodeProgram],
      [beta, until(RECORDS)],
    ]);
    let asked = 0;
    const run = hostSites([alpha, beta], pair, { recordsMayLeave: () => asked++ === 0 });
    await expect(run.run(programs)).rejects.toMatchObject({ code: "NODE_FAILED" });
    const again = hostSites([alpha, beta], memoryPair(), { recordsMayLeave: () => true });
    await again.run(programs);
  });

  test.each([
    ["for a node of another host", { from: beta.id, to: beta.id }],
    ["for a node that there is not", { from: "gamma/peer-0" as NodeId, to: beta.id }],
    ["to a node that is not here", { from: alpha.id, to: alpha.id }],
  ])("refuses a message that its peer sends %s", async (_, names) => {
    const pair = memoryPair();
    const { hosts, run } = hostSites([alpha, beta], pair);
    const running = run(new Map([[beta, until(HELLO)]]));
    pair[0].send({ ...names, kind: "test.hello", queue: "control", header: {}, payload: [] });
    await expect(running).rejects.toMatchObject({ code: "WRONG_SENDER" });
    expect(hosts).toHaveLength(2);
  });

  test("says who waits for whom", async () => {
    const { hosts } = hostSites([alpha, beta], memoryPair());
    hosts[1]?.start(new Map([[beta, until(HELLO)]]));
    await turn();
    expect(hosts[1]?.waits()).toEqual(["beta/peer-0 waits for test.hello (from alpha/peer-0)"]);
    hosts[1]?.stop("enough");
    await hosts[1]?.ended();
    expect(hosts[1]?.waits()).toEqual([]);
  });
});

describe("the estimate of a way", () => {
  const BULK = messageKind("test.bulk", "bulk", "update");

  /** What is estimated, and told at the end, after some bulk over connections that measured this. */
  async function estimated(measured: Estimate, shaped: boolean) {
    const [a, b] = memoryPair();
    const events: RunEvent[] = [];
    const seen: PathEstimate[] = [];
    const pair = [{ ...a, estimate: () => measured }, b] as const;
    const onEvent = (event: RunEvent): number => events.push(event);
    const { hosts, run } = hostSites([alpha, beta], pair, { shaped, onEvent });
    const sends: NodeProgram = async (world, scope) => {
      world.network.send(beta.id, BULK, {}, [new Uint8Array(20_000)]);
      await world.network.drained(beta.id, 0, scope);
      world.network.send(beta.id, HELLO, {});
      seen.push(world.network.estimate(beta.id), world.network.estimate(alpha.id));
    };
    await run(
      new Map([
        [alpha, sends],
        [beta, until(HELLO)],
      ]),
    );
    hosts[0]?.reportLinks();
    const told = events.find((event) => event.type === "link");
    expect(seen[1]).toEqual({});
    expect(told ?? {}).toMatchObject(JSON.parse(JSON.stringify(seen[0])) as Partial<PathEstimate>);
    return seen[0];
  }

  test("is the connection's, its goodput once there was enough to send", async () => {
    const measured = { goodput: 3e6, roundTripMicros: 7000 };
    expect(await estimated(measured, false)).toEqual({ goodput: 3e6, roundTripMicros: 7000 });
    const little = { ...measured, goodput: 0 };
    expect(await estimated(little, false)).toEqual({ roundTripMicros: 7000 });
    expect(await estimated({ ...little, roundTripMicros: 0 }, false)).toEqual({});
  });

  test("over a shaped link has the shape's rate and delays, and what lies behind", async () => {
    const fast = { goodput: 1e9, roundTripMicros: 7000 };
    const { goodput, roundTripMicros } = (await estimated(fast, true))!;
    expect(goodput).toBeCloseTo(8e6, -4);
    expect(roundTripMicros).toBe(27_000);
    const slow = { ...fast, goodput: 3e6 };
    expect(await estimated(slow, true)).toEqual({ goodput: 3e6, roundTripMicros: 27_000 });
    // As with a connection on which little was sent, which knows no better.
    expect((await estimated({ ...slow, goodput: 0 }, true))?.goodput).toBe(goodput);
  });
});

describe("a shaped link", () => {
  const shape: LinkShape = {
    bandwidth: 8e6,
    oneWayMicros: 5000,
    jitterMicros: 0,
    lossRate: 0,
    duplicationRate: 0,
  };

  interface Seen {
    readonly name: string;
    readonly micros: number;
  }

  /** Sends messages at once; answers in the order of arrival. */
  async function send(
    link: ShapedLink,
    messages: readonly {
      name: string;
      bytes: number;
      queue: "control" | "bulk";
      lossy?: boolean;
    }[],
    count = messages.length,
  ): Promise<{ arrived: Seen[]; left: string[] }> {
    const start = machineMicros();
    const arrived: Seen[] = [];
    const left: string[] = [];
    await new Promise<void>((resolve) => {
      for (const { name, bytes, queue, lossy = false } of messages)
        link.send({
          bytes,
          queue,
          lossy,
          left: () => left.push(name),
          arrive: () => {
            arrived.push({ name, micros: machineMicros() - start });
            if (arrived.length === count) resolve();
          },
        });
    });
    return { arrived, left };
  }

  test("takes the time of its rate and its latency, and lets control pass bulk", async () => {
    const link = new ShapedLink(shape, createRandom(1));
    const { arrived, left } = await send(link, [
      { name: "first", bytes: 20_000, queue: "bulk" },
      { name: "second", bytes: 10_000, queue: "bulk" },
      { name: "control", bytes: 1000, queue: "control" },
    ]);
    expect(arrived.map(({ name }) => name)).toEqual(["control", "first", "second"]);
    expect(left).toEqual(["first", "second"]);
    // A byte a microsecond; the bulk that control interrupts ends by its time later.
    expect(arrived[0]?.micros).toBeGreaterThanOrEqual(6000);
    expect(arrived[1]?.micros).toBeGreaterThanOrEqual(26_000);
    expect(arrived[2]?.micros).toBeGreaterThanOrEqual(36_000);
  });

  test("keeps the order under jitter and loss; lossy messages vanish or come twice", async () => {
    const names = Array.from({ length: 40 }, (_, i) => String(i));
    const rough = { ...shape, bandwidth: 1e9, oneWayMicros: 200, jitterMicros: 3000 };
    const link = new ShapedLink({ ...rough, lossRate: 0.2 }, createRandom(2));
    const sent = names.map((name) => ({ name, bytes: 10, queue: "control" as const }));
    const { arrived } = await send(link, sent);
    expect(arrived.map(({ name }) => name)).toEqual(names);

    const lossy = sent.map((message) => ({ ...message, lossy: true }));
    const last = { name: "last", bytes: 10, queue: "control" as const };
    const dropping = new ShapedLink({ ...rough, lossRate: 0.5 }, createRandom(3));
    const dropped: string[] = [];
    for (const { name, bytes, queue } of lossy)
      dropping.send({
        bytes,
        queue,
        lossy: true,
        left: () => {},
        arrive: () => dropped.push(name),
      });
    await send(dropping, [last]);
    expect(dropped.length).toBeGreaterThan(5);
    expect(dropped.length).toBeLessThan(35);

    const doubling = new ShapedLink({ ...rough, duplicationRate: 0.5 }, createRandom(4));
    const doubled: string[] = [];
    for (const { name, bytes, queue } of lossy)
      doubling.send({
        bytes,
        queue,
        lossy: true,
        left: () => {},
        arrive: () => doubled.push(name),
      });
    await send(doubling, [last]);
    expect(doubled.length).toBeGreaterThan(45);
    expect(new Set(doubled).size).toBe(40);
  });
});

test("events of several hosts are told in time order, once no host can have an earlier one", () => {
  const told: number[] = [];
  const merge = new EventMerge(["a", "b"], (event) => told.push(event.t));
  const at = (t: number): RunEvent => ({ type: "note", t, text: "" }) satisfies NoteEvent;
  merge.add([at(5), at(30)]);
  merge.advance("a", 40);
  expect(told).toEqual([]);
  merge.add([at(4), at(10)]);
  merge.advance("b", 20);
  expect(told).toEqual([4, 5, 10]);
  merge.forget("b");
  expect(told).toEqual([4, 5, 10, 30]);
});

test("a store in files outlives its object; a record that a crash has torn is left out", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pangaea-test-"));
  try {
    const store = new FileStore(join(folder, "node"));
    await store.put("a/b", Uint8Array.of(1));
    await store.append("log", Uint8Array.of(2));
    appendFileSync(join(folder, "node", "log.log"), Uint8Array.of(200, 0, 0, 0, 7));
    const again = new FileStore(join(folder, "node"));
    expect(await again.get("a/b")).toEqual(Uint8Array.of(1));
    expect(await again.list("log")).toEqual([Uint8Array.of(2)]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
