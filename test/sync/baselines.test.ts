/**
 * The baselines: isolated, centralised (records move only where the policy lets them), federated averaging
 * (McMahan et al., AISTATS'17).
 */
import { describe, expect, test } from "vitest";
import type { TextDataset } from "../../src/core/dataset.ts";
import type { ClockEvent, RunEvent } from "../../src/core/events.ts";
import { createRandom } from "../../src/core/random.ts";
import { clocksPerRound, pickClients } from "../../src/sync/between/federated/clients.ts";
import { bytesOnWire, FRAME_BYTES } from "../../src/world/message.ts";
import {
  MILLI,
  mixed,
  randomTimes,
  runToy,
  SGD,
  siteName,
  type Toy,
  type ToyOutcome,
  type ToyRun,
} from "./harness.ts";

const SEEDS = Array.from({ length: 10 }, (_, i) => i + 1);
const clockEvents = (events: readonly RunEvent[]): ClockEvent[] =>
  events.filter((event): event is ClockEvent => event.type === "clock");
const wanBytes = ({ traffic }: ToyOutcome, kind?: string): number =>
  traffic.reduce(
    (sum, t) => (t.from !== t.to && (!kind || t.kind === kind) ? sum + t.bytes : sum),
    0,
  );

/**
 * Least squares in each parameter: row r pulls parameter i to target(r, i), so a batch's gradient is the value
 * minus the mean of the targets.
 */
const target = (row: number, i: number): number => ((mixed(row, i) % 2001) - 1000) / 100;
const quadratic = (length: number): Toy => ({
  length,
  initial: (i) => i / 10,
  gradient: ({ rows, parameters, out }) => {
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (const row of rows) sum += target(row, i);
      out[i] = (parameters[i] as number) - sum / rows.length;
    }
  },
});

const meanTarget = (rows: Iterable<number>, i: number): number => {
  const all = [...rows];
  return all.reduce((sum, row) => sum + target(row, i), 0) / all.length;
};

describe("none", () => {
  test("each site is one machine of its own, and nothing crosses a border", async () => {
    for (const seed of SEEDS) {
      const clocks = 30;
      const outcome = await runToy({
        toy: quadratic(5),
        sites: 3,
        servers: 1 + (seed % 2),
        rows: () => 4,
        batch: 4,
        clocks,
        seed,
        optimizer: { ...SGD, learningRate: 0.25 },
        between: { kind: "none" },
        ...randomTimes(seed),
      });
      expect(wanBytes(outcome)).toBe(0);
      for (const { id, workers } of outcome.sites) {
        const rows = workers.flatMap((worker) => [...worker.rows]);
        const values = outcome.copies.get(id) as Float32Array;
        for (let i = 0; i < 5; i++) {
          // Gradient descent on a quadratic: the distance to the mean shrinks by 3/4 a clock.
          const mean = meanTarget(rows, i);
          const expected = mean + (i / 10 - mean) * 0.75 ** clocks;
          expect(values[i]).toBeCloseTo(expected, 4);
        }
      }
    }
  });
});

describe("centralize", () => {
  const run = (more: Partial<ToyRun> = {}, allowed = true): ToyRun => ({
    toy: quadratic(6),
    sites: 3,
    workers: 2,
    rows: () => 100,
    batch: 10,
    clocks: 5,
    between: { kind: "centralize", site: siteName(1) },
    link: () => ({ bandwidth: 1e6, oneWayMicros: 20 * MILLI }),
    ...more,
    simulation: { recordsMayLeave: () => allowed, ...more.simulation },
  });

  test("the policy refuses records that would leave, with the fix", async () => {
    await expect(runToy(run({}, false))).rejects.toMatchObject({
      code: "NODE_FAILED",
      cause: { code: "RECORDS_STAY" },
      message: expect.stringContaining("records stay at s00"),
    });
  });

  test("one site that keeps its records is enough to refuse", async () => {
    const simulation = { recordsMayLeave: (site: string) => site !== siteName(2) };
    await expect(runToy(run({ simulation }))).rejects.toMatchObject({
      cause: { code: "RECORDS_STAY", fix: expect.stringContaining("s02") },
    });
    // The central site's own policy does not matter: its records do not move.
    const own = { recordsMayLeave: (site: string) => site !== siteName(1) };
    await expect(runToy(run({ simulation: own }))).resolves.toBeDefined();
  });

  test("every record of the other sites travels once, and is counted once", async () => {
    const outcome = await runToy(run());
    // A row is a feature and a label: 8 bytes; a worker's 100 rows fit in one message with a header of two.
    const message = bytesOnWire(FRAME_BYTES + (4 + 3) + 8 + 100 * 8);
    expect(wanBytes(outcome, "centralize.records")).toBe(4 * message);
    expect(wanBytes(outcome)).toBe(4 * message);
    const pairs = outcome.traffic.filter((t) => t.kind === "centralize.records");
    expect(pairs.map(({ from, to }) => `${from}>${to}`).sort()).toEqual(["s00>s01", "s02>s01"]);
  });

  test("a row of a text is its window and the successor of its last token", async () => {
    const dataset: TextDataset = {
      kind: "text",
      rows: 600,
      tokens: Uint16Array.from({ length: 3011 }, (_, i) => i),
      starts: Uint32Array.from({ length: 600 }, (_, row) => 5 * row),
      length: 10,
      vocabulary: 3011,
    };
    const outcome = await runToy(run({ dataset }));
    const message = bytesOnWire(FRAME_BYTES + (4 + 3) + 8 + 100 * 2 * 11);
    expect(wanBytes(outcome, "centralize.records")).toBe(4 * message);
  });

  test("training begins when the last record is there, on all rows, at one site", async () => {
    for (const workers of ["all", "own"] as const) {
      const base = run({ between: { kind: "centralize", site: siteName(1), workers } });
      const outcome = await runToy(base);
      const shipped = outcome.events.find(
        (e) => e.type === "metric" && e.name === "centralize.shippedSeconds",
      );
      const arrived = (shipped as { value: number } | undefined)?.value ?? 0;
      // Two workers' 100 rows over 1 Mbit/s, and 20 ms.
      expect(arrived).toBeGreaterThan((2 * 800 * 8) / 1e6 + 0.02);
      expect(arrived).toBeLessThan(0.1);
      const clocks = clockEvents(outcome.events);
      expect(Math.min(...clocks.map((e) => e.t - e.computeMicros))).toBeGreaterThan(arrived * 1e6);
      expect(new Set(clocks.map((e) => e.site))).toEqual(new Set([siteName(1)]));
      expect(new Set(clocks.map((e) => e.node)).size).toBe(workers === "all" ? 6 : 2);
      const [domain] = outcome.deployment.domains;
      const rows = (domain?.workers ?? []).flatMap((worker) => [...worker.rows]);
      expect(rows.sort((a, b) => a - b)).toEqual(Array.from({ length: 600 }, (_, i) => i));
    }
  });

  test("a site without records holds nobody up", async () => {
    const outcome = await runToy(run({ rows: (worker) => (worker < 2 ? 0 : 100) }));
    expect(outcome.copies.size).toBe(1);
  });

  test("by default at the site with the most bandwidth", async () => {
    const outcome = await runToy({
      ...run({ between: { kind: "centralize" } }),
      link: (from, to) => ({ bandwidth: from === 2 || to === 2 ? 8e6 : 1e6 }),
    });
    expect(outcome.deployment.domains[0]?.sites).toEqual([siteName(2)]);
  });

  test("a worker that crashes finds the records still there", async () => {
    const whole = await runToy(run());
    for (let at = 10; at < 250; at += 20) {
      const faults = [
        { kind: "crash", node: "s01/worker-3", at: at / 1000, restartAfter: 0.03 } as const,
      ];
      const outcome = await runToy(run({ simulation: { faults } }));
      expect(outcome.copies).toEqual(whole.copies);
    }
  });
});

describe("federated averaging", () => {
  test("E = 1, full batches, all clients: one step of gradient descent on all data (FedSGD)", async () => {
    for (const weights of ["samples", "equal"] as const) {
      const rounds = 7;
      const rowsOf = (worker: number): number => 3 + 5 * Math.floor(worker / 2);
      for (const seed of SEEDS) {
        const outcome = await runToy({
          toy: quadratic(5),
          sites: 3,
          servers: 1 + (seed % 2),
          rows: rowsOf,
          // More than any worker has: the full batch, several times over.
          batch: 3 * 8 * 13,
          clocks: rounds,
          seed,
          optimizer: { ...SGD, learningRate: 0.4 },
          between: { kind: "federated", weights },
          ...randomTimes(seed),
        });
        const total = outcome.sites.reduce((sum, site) => sum + site.examples, 0);
        const global = outcome.copies.get("global") as Float32Array;
        for (let i = 0; i < 5; i++) {
          const mean = outcome.sites.reduce((sum, site) => {
            const rows = site.workers.flatMap((worker) => [...worker.rows]);
            const share = weights === "samples" ? site.examples / total : 1 / 3;
            return sum + share * meanTarget(rows, i);
          }, 0);
          expect(global[i]).toBeCloseTo(mean + (i / 10 - mean) * 0.6 ** rounds, 4);
        }
      }
    }
  });

  test("local epochs: each round is so many local steps, then the weighted mean, as in closed form", async () => {
    // Full batches of 4 rows, E = 3: three local steps towards the site's own mean.
    const rounds = 4;
    const outcome = await runToy({
      toy: quadratic(3),
      sites: 2,
      workers: [1, 1],
      rows: () => 4,
      batch: 4,
      clocks: 3 * rounds,
      optimizer: { ...SGD, learningRate: 0.2 },
      between: { kind: "federated", localEpochs: 3 },
    });
    const global = outcome.copies.get("global") as Float32Array;
    for (let i = 0; i < 3; i++) {
      let value = i / 10;
      for (let round = 0; round < rounds; round++) {
        const after = outcome.sites.map(({ workers }) => {
          const mean = meanTarget(workers[0]?.rows ?? [], i);
          return mean + (value - mean) * 0.8 ** 3;
        });
        value = after.reduce((sum, x) => sum + x, 0) / after.length;
      }
      expect(global[i]).toBeCloseTo(value, 4);
    }
    const counted = outcome.events.filter(
      (e) => e.type === "metric" && e.name === "federated.round",
    );
    expect(counted.map((e) => (e as { value: number }).value)).toEqual([1, 2, 3, 4]);
    expect(outcome.reached.map(({ clock }) => clock)).toEqual([3, 6, 9, 12]);
  });

  test("a round's wide-area bytes: the model to and from each remote client, and headers", async () => {
    const [length, rounds, servers] = [10_000, 5, 2];
    const outcome = await runToy({
      toy: quadratic(length),
      sites: 4,
      servers,
      clocks: rounds,
      batch: 4,
      between: { kind: "federated" },
    });
    const part = (header: number): number =>
      bytesOnWire(FRAME_BYTES + header + (4 * length) / servers);
    const remote = 3;
    expect(wanBytes(outcome, "federated.round")).toBe(rounds * servers * remote * part(8));
    expect(wanBytes(outcome, "federated.result")).toBe(rounds * servers * remote * part(16));
    // Nothing else leaves a site, and the headers are a few percent.
    expect(wanBytes(outcome)).toBe(rounds * servers * remote * (part(8) + part(16)));
    const model = rounds * remote * 2 * 4 * length;
    expect(wanBytes(outcome)).toBeGreaterThan(model);
    expect(wanBytes(outcome)).toBeLessThan(1.04 * model);
  });

  test("max(C K, 1) clients a round: the same on every shard, others idle, all in turn", async () => {
    for (const [fraction, picked] of [
      [0.01, 1],
      [0.5, 3],
      [0.67, 4],
      [1, 6],
    ] as const) {
      const rounds = 12;
      const outcome = await runToy({
        toy: quadratic(8),
        sites: 6,
        servers: 2,
        clocks: rounds,
        batch: 4,
        between: { kind: "federated", fraction },
      });
      // A client's clocks are the rounds that it took part in: two workers, one clock a round.
      const clocks = clockEvents(outcome.events);
      expect(clocks).toHaveLength(rounds * picked * 2);
      const sites = new Set(clocks.map(({ site }) => site));
      expect(sites.size).toBeGreaterThanOrEqual(Math.min(6, picked + 2));
      const random = createRandom(1, "toy").stream("between");
      const expected = new Map<string, number>();
      for (let round = 0; round < rounds; round++) {
        for (const client of pickClients(random.stream(`federated.round.${round}`), 6, fraction)) {
          const site = siteName(client);
          expected.set(site, (expected.get(site) ?? 0) + 1);
        }
      }
      for (const [site, count] of expected) {
        expect(clocks.filter((e) => e.site === site)).toHaveLength(2 * count);
      }
    }
  });

  test("picked clients: ascending, distinct, uniform", () => {
    const random = createRandom(5);
    const counts = new Array<number>(10).fill(0);
    for (let round = 0; round < 2000; round++) {
      const clients = pickClients(random, 10, 0.3);
      expect(clients).toHaveLength(3);
      expect([...new Set(clients)].sort((a, b) => a - b)).toEqual(clients);
      for (const client of clients) counts[client]!++;
    }
    for (const count of counts) expect(Math.abs(count - 600)).toBeLessThan(100);
  });

  test("the clocks of a round are E passes of the largest worker's rows", () => {
    const worker = (rows: number) => ({ rows: new Uint32Array(rows) }) as never;
    const domain = { workers: [worker(100), worker(90)] } as never;
    expect(clocksPerRound(domain, 1, 32)).toBe(4);
    expect(clocksPerRound(domain, 5, 32)).toBe(16);
    expect(clocksPerRound(domain, 0.01, 32)).toBe(1);
  });

  test.each(["bsp", "ssp", "tap"] as const)(
    "rounds are whole under %s within",
    async (consistency) => {
      // Every worker's clock adds 1; a round is 3 clocks; the mean of equal sites is each of them.
      for (const seed of SEEDS) {
        const outcome = await runToy({
          toy: { length: 6, gradient: ({ out }) => out.fill(-1) },
          sites: 3,
          servers: 1 + (seed % 2),
          rows: () => 6,
          batch: 2,
          clocks: 12,
          seed,
          within: { consistency, staleness: 2 },
          between: { kind: "federated" },
          ...randomTimes(seed),
        });
        const global = outcome.copies.get("global") as Float32Array;
        for (const value of global) expect(value).toBeCloseTo(12, 5);
      }
    },
  );

  test("the result does not depend on delays, stragglers, servers or crashes", async () => {
    const base: ToyRun = {
      toy: quadratic(9),
      sites: 3,
      rows: () => 12,
      batch: 4,
      clocks: 24,
      optimizer: {
        kind: "momentum",
        learningRate: 0.1,
        momentum: 0.5,
        schedule: { kind: "constant" },
      },
      between: { kind: "federated", fraction: 0.67, localEpochs: 2 },
    };
    const whole = await runToy(base);
    for (const seed of SEEDS) {
      // The seed of the run draws batches; here only times differ.
      const { random, ...times } = randomTimes(seed);
      const at = random.next();
      const faults = [
        { kind: "crash", node: "s01/worker-0", at, restartAfter: 0.1 * random.next() } as const,
      ];
      const outcome = await runToy({
        ...base,
        servers: 1 + (seed % 3),
        ...times,
        simulation: { ...times.simulation, faults },
      });
      expect(outcome.copies.get("global")).toEqual(whole.copies.get("global"));
    }
  });
});
