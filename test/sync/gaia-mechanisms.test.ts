/**
 * Gaia's mechanisms, each tied to the paper's statement of it (Hsieh et al., NSDI'17, sections 3.2 to 3.4):
 * significance filter, selective barrier, mirror clock.
 */
import { describe, expect, test } from "vitest";
import type { ClockEvent, RunEvent } from "../../src/core/events.ts";
import { SelectiveBarrier } from "../../src/sync/between/gaia/barrier.ts";
import { MirrorClocks } from "../../src/sync/between/gaia/clocks.ts";
import { GaiaShard } from "../../src/sync/between/gaia/shard.ts";
import { MILLI, randomTimes, runToy, siteName, type Toy, type ToyOutcome } from "./harness.ts";

const clockEvents = (events: readonly RunEvent[]): ClockEvent[] =>
  events.filter((event): event is ClockEvent => event.type === "clock");
const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1);
const copy = (outcome: ToyOutcome, site: number): number[] => [
  ...(outcome.copies.get(siteName(site)) as Float32Array),
];

describe("significance filter: an update is sent when |accumulated / value| > v_t", () => {
  /** One site makes updates: parameter i changes by size(i) a clock. The other only listens. */
  async function oneWay(
    options: Record<string, unknown>,
    size: readonly number[],
    initial: readonly number[],
    clocks: number,
  ) {
    const received: { indices: number[] | undefined; values: number[] }[] = [];
    const toy: Toy = {
      length: size.length,
      initial: (i) => initial[i] as number,
      gradient: ({ worker, out }) => {
        for (let i = 0; i < out.length; i++) out[i] = worker === 0 ? -2 * (size[i] as number) : 0;
      },
    };
    const outcome = await runToy({
      toy,
      sites: 2,
      workers: 1,
      clocks,
      drainMicros: 10e6,
      link: () => ({ oneWayMicros: 10 }),
      between: { kind: "gaia", ...options },
      spy: {
        added: (at, update, indices) => {
          if (at.domain.id !== siteName(1)) return;
          received.push({ indices: indices ? [...indices] : undefined, values: [...update] });
        },
      },
    });
    return { outcome, received };
  }
  test("strictly more than the threshold goes; what does not stays and adds up", async () => {
    const { outcome, received: sent } = await oneWay(
      { significance: 0.125, schedule: { kind: "constant" } },
      [9, 8, 5, 0],
      [64, 64, 64, 64],
      1,
    );
    // After one clock: 9 of 73 is 12.3 %, 8 of 72 is 11.1 %, both below 12.5 %: nothing was sent.
    expect(sent).toEqual([]);
    expect(copy(outcome, 1)).toEqual([64, 64, 64, 64]);
  });

  test("oracle: replayed by a plain loop over many clocks", async () => {
    const size = [9, 8, 5, 1, -3, 17, 0, 2];
    const initial = [64, 64, 64, 64, 64, 0, 5, -40];
    const [v, clocks] = [0.3, 25];
    const { outcome, received: sent } = await oneWay({ significance: v }, size, initial, clocks);
    const values = [...initial];
    const accumulated = size.map(() => 0);
    const expected: { index: number; value: number }[] = [];
    const residual = size.map(() => 0);
    for (let t = 1; t <= clocks; t++) {
      const threshold = Math.fround(v / Math.sqrt(t));
      for (let i = 0; i < size.length; i++) {
        values[i]! += size[i]!;
        accumulated[i]! += size[i]!;
        const [a, x] = [Math.abs(accumulated[i]!), Math.abs(values[i]!)];
        if (a === 0 || (x !== 0 && a <= Math.fround(threshold * x))) continue;
        expected.push({ index: i, value: accumulated[i]! });
        accumulated[i] = 0;
      }
    }
    accumulated.forEach((rest, i) => {
      residual[i] = rest;
    });
    const got = sent.flatMap(({ indices, values: list }) =>
      list.flatMap((value, k) =>
        indices || value !== 0 ? [{ index: indices?.[k] ?? k, value }] : [],
      ),
    );
    expect(got).toEqual(expected);
    const shard = outcome.shards.find(({ context }) => context.domain.id === siteName(0));
    if (!(shard?.between instanceof GaiaShard)) throw new Error("a shard of Gaia");
    expect([...shard.between.residual]).toEqual(residual);
    expect(copy(outcome, 1)).toEqual(values.map((value, i) => value - residual[i]!));
  });

  test("a parameter that is 0 counts as significant once it has changed", async () => {
    const { received: sent } = await oneWay(
      { significance: 1e6, schedule: { kind: "constant" } },
      [3, 3],
      [-3, 64],
      1,
    );
    // -3 + 3 is 0 after the update.
    expect(sent).toEqual([{ indices: [0], values: [3] }]);
  });

  test("absolute: |accumulated| itself is compared", async () => {
    const { received: sent } = await oneWay(
      { significance: 10, measure: "absolute", schedule: { kind: "constant" } },
      [5, 11, 1],
      [1000, 1000, 1000],
      3,
    );
    const flat = sent.map(({ indices, values }) => [indices, values]);
    expect(flat).toEqual([
      [[1], [11]],
      [[1], [11]],
      [
        [0, 1],
        [15, 11],
      ],
    ]);
  });

  test("a periodic flush sends all that is not 0", async () => {
    const { outcome } = await oneWay(
      { significance: 1e6, schedule: { kind: "constant" }, flushEvery: 4 },
      [5, -1, 0],
      [100, 100, 100],
      10,
    );
    // Flushed after clocks 4 and 8: the last two clocks' updates are still at home.
    expect(copy(outcome, 1)).toEqual([140, 92, 100]);
    expect(copy(outcome, 0)).toEqual([150, 90, 100]);
  });
});

describe("selective barrier: readers block on exactly the announced parameters", () => {
  test("by itself: tickets, settling, several channels of one sender", () => {
    const barrier = new SelectiveBarrier();
    const a = { site: "a", group: 0 };
    const relayed = { site: "a", group: 1 };
    const of = (...indices: number[]): Uint32Array => Uint32Array.from(indices);
    const before = barrier.ticket;
    barrier.announce(a, 1, of(1, 5));
    barrier.announce(relayed, 1, of(2));
    barrier.announce({ site: "b", group: 0 }, 1, of(9));
    const now = barrier.ticket;
    expect(barrier.blockers(before, undefined)).toEqual([]);
    expect(barrier.blockers(now, of(0, 5))).toEqual(["a"]);
    expect(barrier.blockers(now, of(2, 9))).toEqual(["a", "b"]);
    expect(barrier.blockers(now, of(0, 3, 4, 6))).toEqual([]);
    expect(barrier.blockers(now, undefined)).toEqual(["a", "b"]);
    barrier.announce(a, 2, of(7));
    expect([...barrier.pending(a, 2)]).toEqual([1, 5, 7]);
    barrier.settle(a, 2);
    expect(barrier.blockers(barrier.ticket, of(1, 5, 7))).toEqual([]);
    expect(barrier.blockers(barrier.ticket, of(2))).toEqual(["a"]);
    // An announcement that comes after its values blocks nobody.
    barrier.settle(relayed, 2);
    barrier.announce(relayed, 2, of(3));
    expect(barrier.blockers(barrier.ticket, of(2, 3))).toEqual([]);
  });

  /**
   * Two sites; from the first a link that takes seconds for a batch. Its worker changes the lower half of the
   * parameters. At the second, one worker reads the lower half and the other the upper one.
   */
  async function slowLink(barrier: boolean) {
    const HALF = 2000;
    const range = (from: number): Uint32Array =>
      Uint32Array.from({ length: HALF }, (_, i) => from + i);
    const toy: Toy = {
      length: 2 * HALF,
      workingSet: (rows) => ((rows[0] as number) % 4 === 3 ? range(HALF) : range(0)),
      gradient: ({ worker, out }) => out.fill(worker < 2 ? -3 : 0),
    };
    const verdicts: { clock: number; lower: boolean; ready: boolean }[] = [];
    const outcome = await runToy({
      toy,
      sites: 2,
      workers: 2,
      rows: () => 1,
      clocks: 12,
      // Workers do not wait for each other, and adaptive rules make each wait for the owner's answer.
      within: { consistency: "tap" },
      processor: () => ({ kind: "fixed", microsPerBatch: 100 * MILLI }),
      link: (from) => ({ oneWayMicros: 10 * MILLI, bandwidth: from === 0 ? 100_000 : 10e6 }),
      between: { kind: "gaia", significance: 0, barrier, staleness: 1000 },
      drainMicros: 60e6,
      optimizer: { kind: "adagrad", learningRate: 1, epsilon: 1, schedule: { kind: "constant" } },
      spy: {
        ready: (at, read, ready) => {
          if (at.domain.id !== siteName(1) || !read.indices) return;
          verdicts.push({ clock: read.clock, lower: read.indices[0] === 0, ready });
        },
      },
    });
    return { outcome, verdicts };
  }

  test("over a slow link", async () => {
    const { outcome, verdicts } = await slowLink(true);
    expect(verdicts.filter(({ lower, ready }) => !lower && !ready)).toEqual([]);
    expect(verdicts.some(({ lower, ready }) => lower && !ready)).toBe(true);
    const waited = (name: string): number =>
      clockEvents(outcome.events)
        .filter(({ node }) => node === name)
        .reduce((sum, { waitMicros }) => sum + waitMicros, 0);
    // A batch of 2000 values takes more than half a second on that link.
    expect(waited("s01/worker-0")).toBeGreaterThan(500 * MILLI);
    expect(waited("s01/worker-1")).toBeLessThan(50 * MILLI);
    const blamed = clockEvents(outcome.events)
      .filter(({ node, waitMicros }) => node === "s01/worker-0" && waitMicros > 100 * MILLI)
      .flatMap(({ waitedFor }) => waitedFor ?? []);
    expect(new Set(blamed)).toEqual(new Set([siteName(0)]));
  });

  test("without it, nobody waits", async () => {
    const { outcome, verdicts } = await slowLink(false);
    expect(verdicts.every(({ ready }) => ready)).toBe(true);
    expect(outcome.traffic.some(({ kind }) => kind === "gaia.indexes")).toBe(false);
  });
});

describe("mirror clock: a shard more than DS ahead of its slowest mirror blocks reads", () => {
  const still: Toy = { length: 8, gradient: ({ out }) => out.fill(1) };

  test.each([
    [1, "bsp"],
    [2, "bsp"],
    [5, "bsp"],
    [2, "ssp"],
  ] as const)(
    "never exceeded at any answered read, DS = %i, %s within",
    async (staleness, consistency) => {
      for (const seed of SEEDS) {
        const clocks = new Map<string, number>();
        let furthest = 0;
        await runToy({
          toy: still,
          sites: 3,
          servers: 1 + (seed % 2),
          clocks: 25,
          seed,
          within: { consistency },
          ...randomTimes(seed),
          between: { kind: "gaia", significance: 0.1, staleness },
          spy: {
            afterClock: (at, clock) => clocks.set(at.owner.node.id, clock),
            ready: (at, read, verdict) => {
              if (!verdict || read.clock < 0) return;
              // What the owner knows of its mirrors is at most what they have really done.
              const mine = clocks.get(at.owner.node.id) ?? 0;
              for (const domain of at.domains) {
                const mirror = domain.owners[at.owner.shard]?.node.id as string;
                const ahead = mine - (clocks.get(mirror) ?? 0);
                furthest = Math.max(furthest, ahead);
                expect(ahead).toBeLessThanOrEqual(staleness);
              }
            },
          },
        });
        expect(furthest).toBeLessThanOrEqual(staleness);
      }
    },
  );

  test("also through hubs, whose clock is that of their slowest member", async () => {
    for (const seed of SEEDS) {
      const clocks = new Map<string, number>();
      await runToy({
        toy: still,
        sites: 6,
        clocks: 20,
        seed,
        ...randomTimes(seed),
        between: {
          kind: "gaia",
          staleness: 3,
          overlay: { groups: [[0, 1, 2].map(siteName), [3, 4, 5].map(siteName)] },
        },
        spy: {
          afterClock: (at, clock) => clocks.set(at.domain.id, clock),
          ready: (at, _, verdict) => {
            if (!verdict) return;
            const slowest = Math.min(...at.domains.map(({ id }) => clocks.get(id) ?? 0));
            expect((clocks.get(at.domain.id) ?? 0) - slowest).toBeLessThanOrEqual(3);
          },
        },
      });
    }
  });

  test("a slow site holds the others back to its own pace", async () => {
    const { events } = await runToy({
      toy: still,
      sites: 2,
      workers: 1,
      clocks: 20,
      link: () => ({ oneWayMicros: 100 }),
      processor: ({ site }) => ({
        kind: "fixed",
        microsPerBatch: site === siteName(0) ? 10 * MILLI : 50 * MILLI,
      }),
      between: { kind: "gaia", staleness: 4 },
    });
    const end = (site: number, clock: number): number =>
      clockEvents(events).find((e) => e.site === siteName(site) && e.clock === clock)?.t ?? 0;
    // Beginning clock 15 (having finished 15) needs the slow site at 11: no sooner than 550 ms, nor much later.
    expect(end(0, 16)).toBeGreaterThanOrEqual(11 * 50 * MILLI + 10 * MILLI);
    expect(end(0, 16)).toBeLessThan(11 * 50 * MILLI + 15 * MILLI);
  });

  test("auto: DS = ceil(round trip / clock duration) + 1, per pair", () => {
    const clocks = new MirrorClocks(["near", "far"], "auto");
    const far = clocks.mirror("far")!;
    expect(clocks.allowance(far)).toBe(Number.POSITIVE_INFINITY);
    clocks.tick(0);
    clocks.tick(100_000);
    clocks.measured("far", 310_000);
    clocks.measured("far", 350_000);
    clocks.measured("near", 1000);
    expect(clocks.allowance(far)).toBe(5);
    expect(clocks.allowance(clocks.mirror("near")!)).toBe(2);
    far.clock = 3;
    clocks.mirror("near")!.clock = 6;
    expect(clocks.tooSlow(8)).toEqual([]);
    expect(clocks.tooSlow(9)).toEqual(["near", "far"]);
  });

  test("auto: before the first echo the round trip is the one expected, where there is one", () => {
    const expected = (name: string) => (name === "far" ? 310_000 : undefined);
    const clocks = new MirrorClocks(["far", "group 1"], "auto", expected);
    clocks.tick(0);
    clocks.tick(100_000);
    const far = clocks.mirror("far")!;
    expect(clocks.allowance(far)).toBe(5);
    expect(clocks.allowance(clocks.mirror("group 1")!)).toBe(Number.POSITIVE_INFINITY);
    clocks.measured("far", 90_000);
    expect(clocks.allowance(far)).toBe(2);
  });

  test.each([5, 50, 200, 700])("auto: a healthy pair %i ms apart never waits", async (oneWay) => {
    const { events } = await runToy({
      toy: still,
      sites: 2,
      clocks: 60,
      link: () => ({ oneWayMicros: oneWay * MILLI, bandwidth: 1e9 }),
      between: { kind: "gaia" },
    });
    // A read takes a round trip on the local network and no more.
    for (const { waitMicros } of clockEvents(events)) expect(waitMicros).toBeLessThan(1000);
  });

  test.each([
    [100, 5],
    [5, 100],
    [30, 30],
  ])(
    "auto: healthy groups never wait, %i ms to the hub and %i ms between hubs",
    async (inside, between) => {
      const { events } = await runToy({
        toy: still,
        sites: 6,
        workers: 1,
        clocks: 120,
        link: (from, to) => ({
          oneWayMicros: (from < 3 === to < 3 ? inside : between) * MILLI,
          bandwidth: 1e9,
        }),
        between: {
          kind: "gaia",
          overlay: {
            groups: [[0, 1, 2].map(siteName), [3, 4, 5].map(siteName)],
            hubs: [siteName(1), siteName(4)],
          },
        },
      });
      const waited = clockEvents(events).filter(({ waitMicros }) => waitMicros >= 1000);
      expect(waited.map(({ site, clock, waitMicros }) => `${site} ${clock} ${waitMicros}`)).toEqual(
        [],
      );
    },
  );

  test("auto: a site that is cut off is waited for, and the run goes on after", async () => {
    const { events } = await runToy({
      toy: still,
      sites: 2,
      clocks: 100,
      between: { kind: "gaia" },
      simulation: {
        faults: [{ kind: "partition", a: siteName(0), b: siteName(1), at: 0.4, for: 5 }],
      },
    });
    const waited = clockEvents(events).filter(({ waitMicros }) => waitMicros > 1e6);
    expect(new Set(waited.map(({ site }) => site))).toEqual(new Set([siteName(0), siteName(1)]));
    expect(clockEvents(events).filter(({ clock }) => clock === 100)).toHaveLength(4);
  });
});
