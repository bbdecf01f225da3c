/**
 * The guarantees of the parameter server's consistency models over random schedules: delays, jitter, losses,
 * stragglers, crashes (Li et al., OSDI'14; Ho et al., NIPS'13).
 */
import { describe, expect, test } from "vitest";
import type { ClockEvent } from "../../src/core/events.ts";
import { createPlainKernels } from "../../src/core/kernels/plain.ts";
import { createOptimizer } from "../../src/optimize/optimizer.ts";
import type { OptimizerSpec } from "../../src/optimize/spec.ts";
import { OptimizerSpec as OptimizerSchema } from "../../src/optimize/spec.ts";
import type { Work } from "../../src/world/contract.ts";
import { MILLI, mixed, randomTimes, runToy, SGD, type Toy, type ToyRun } from "./harness.ts";

const SEEDS = Array.from({ length: 24 }, (_, i) => i + 1);
const f = Math.fround;

/**
 * Every update marks one parameter of its own: update (w, c) adds 1 at w * clocks + c. What a read sees is
 * then a list of the updates that it contains.
 */
function marks(workers: number, clocks: number, see: (work: Work) => void): Toy {
  return {
    length: workers * clocks,
    gradient: (work) => {
      see(work);
      work.out.fill(0);
      work.out[work.worker * clocks + work.clock] = -workers;
    },
  };
}

interface Seen {
  readonly worker: number;
  readonly clock: number;
  readonly values: Float32Array;
  /** Clocks that the slowest worker had finished when this one began. */
  readonly slowest: number;
}

async function observeReads(run: Omit<ToyRun, "toy" | "between">, workers: number) {
  const seen: Seen[] = [];
  const finished = new Map<string, number>();
  const toy = marks(workers, run.clocks, ({ worker, clock, parameters }) => {
    const slowest = finished.size < workers ? 0 : Math.min(...finished.values());
    seen.push({ worker, clock, values: Float32Array.from(parameters), slowest });
  });
  const outcome = await runToy({
    ...run,
    toy,
    between: { kind: "stretched" },
    onEvent: (event) => {
      if (event.type === "clock") finished.set(event.node, event.clock);
    },
  });
  return { seen, outcome };
}

describe("ssp(s), Ho et al. section 3", () => {
  test.each([0, 1, 3])(
    "a read at clock c has every update <= c-s-1 and all own, s = %i",
    async (s) => {
      for (const seed of SEEDS) {
        const clocks = 12;
        const { seen } = await observeReads(
          {
            clocks,
            seed,
            sites: 3,
            workers: 2,
            servers: 1 + (seed % 2),
            within: { consistency: "ssp", staleness: s },
            ...randomTimes(seed),
          },
          6,
        );
        expect(seen).toHaveLength(6 * clocks);
        for (const { worker, clock, values, slowest } of seen) {
          const wrong: string[] = [];
          for (let w = 0; w < 6; w++) {
            for (let k = 0; k < clocks; k++) {
              const times = values[w * clocks + k] as number;
              // Each update is in at most once, and must be in if it is old enough or one's own.
              const least = k <= clock - s - 1 || (w === worker && k < clock) ? 1 : 0;
              const most = w === worker && k >= clock ? 0 : 1;
              if (times < least || times > most)
                wrong.push(`update ${w}.${k} is in ${times} times`);
            }
          }
          expect(wrong).toEqual([]);
          // Who begins clock c has finished c: at most s more than the slowest, hence s + 1 when it is done.
          expect(clock - slowest).toBeLessThanOrEqual(s);
        }
      }
    },
  );

  test.each([0, 1, 4])("a read waits only for what it needs, s = %i", async (s) => {
    // Worker 0 is four times slower; the network costs next to nothing.
    const clocks = 15;
    const { outcome } = await observeReads(
      {
        clocks,
        workers: 2,
        within: { consistency: "ssp", staleness: s },
        node: { oneWayMicros: 1 },
        processor: () => ({
          kind: "fixed",
          microsPerBatch: 10 * MILLI,
          straggler: { kind: "slow", nodes: ["s00/worker-0"], factor: 4 },
        }),
      },
      2,
    );
    const end = (index: number, clock: number): number => {
      if (clock < 0) return 0;
      const found = outcome.events.find(
        (e) => e.type === "clock" && e.node.endsWith(`-${index}`) && e.clock === clock + 1,
      );
      return (found?.t ?? Number.NaN) as number;
    };
    for (let c = 0; c < clocks; c++) {
      // The recurrence of SSP: begin when both the own last clock and the slow worker's clock c-s-1 are done.
      const begin = Math.max(end(1, c - 1), end(0, c - s - 1));
      expect(end(1, c) - begin - 10 * MILLI).toBeGreaterThanOrEqual(0);
      expect(end(1, c) - begin - 10 * MILLI).toBeLessThan(50);
      expect(end(0, c)).toBeLessThan(40 * MILLI * (c + 1) + 50 * (c + 1));
    }
  });

  test("a staleness that no worker can use up never makes anybody wait", async () => {
    const { outcome } = await observeReads(
      { clocks: 10, sites: 2, within: { consistency: "ssp", staleness: 10 }, ...randomTimes(3) },
      4,
    );
    expect(waits(outcome.events)).toEqual(new Set([0]));
  });
});

const waits = (events: Awaited<ReturnType<typeof runToy>>["events"]): Set<number> =>
  new Set(
    events.filter((event): event is ClockEvent => event.type === "clock").map((e) => e.waitMicros),
  );

test("tap never waits, shows one's own writes at once and everything in the end", async () => {
  for (const seed of SEEDS) {
    const clocks = 10;
    const { seen, outcome } = await observeReads(
      {
        clocks,
        seed,
        sites: 2,
        servers: 1 + (seed % 3),
        within: { consistency: "tap" },
        drainMicros: 100e6,
        ...randomTimes(seed),
      },
      4,
    );
    expect(waits(outcome.events)).toEqual(new Set([0]));
    for (const { worker, clock, values } of seen) {
      for (let i = 0; i < values.length; i++) expect(values[i] === 0 || values[i] === 1).toBe(true);
      for (let k = 0; k < clock; k++) expect(values[worker * clocks + k]).toBe(1);
    }
    expect(outcome.copies.get("all")).toEqual(new Float32Array(4 * clocks).fill(1));
  }
});

test("when all workers have ended, every update is in the copy", async () => {
  for (const consistency of ["bsp", "ssp", "tap"] as const) {
    for (const seed of SEEDS) {
      const { outcome } = await observeReads(
        {
          clocks: 6,
          seed,
          sites: 3,
          servers: 1 + (seed % 2),
          within: { consistency, staleness: 8 },
          ...randomTimes(seed),
        },
        6,
      );
      expect(outcome.copies.get("all")).toEqual(new Float32Array(36).fill(1));
    }
  }
});

describe("crashes under ssp and tap", () => {
  test.each(["ssp", "tap"] as const)(
    "%s: no update is lost or taken twice, own ones are read",
    async (consistency) => {
      for (const seed of SEEDS) {
        const clocks = 10;
        const { random, ...times } = randomTimes(seed);
        const node = `s0${random.integer(2)}/worker-1`;
        const fault = (at: number) =>
          ({ kind: "crash", node, at, restartAfter: 0.2 * random.next() }) as const;
        const { seen, outcome } = await observeReads(
          {
            clocks,
            seed,
            sites: 2,
            servers: 1 + (seed % 3),
            within: { consistency, staleness: 2 },
            drainMicros: 100e6,
            ...times,
            simulation: {
              ...times.simulation,
              faults: [fault(0.001 + 0.2 * random.next()), fault(0.5 + 0.3 * random.next())],
            },
          },
          4,
        );
        for (const { worker, clock, values } of seen) {
          const wrong: string[] = [];
          values.forEach((times, i) => {
            const [w, k] = [Math.floor(i / clocks), i % clocks];
            const least =
              (w === worker && k < clock) || (consistency === "ssp" && k <= clock - 3) ? 1 : 0;
            if (times < least || times > 1)
              wrong.push(`${worker}.${clock}: ${w}.${k} is in ${times} times`);
          });
          expect(wrong).toEqual([]);
        }
        expect(outcome.copies.get("all")).toEqual(new Float32Array(4 * clocks).fill(1));
      }
    },
  );
});

/** A gradient that depends on parameters, worker and clock, and rounds at every step. */
const wobbly = (length: number): Toy => ({
  length,
  initial: (i) => f((mixed(i) % 1000) / 700 - 0.6),
  gradient: ({ worker, clock, parameters, out }) => {
    for (let i = 0; i < length; i++) out[i] = slope(parameters, worker, clock, i);
  },
});

/** Depends on a parameter of its own and on one that may lie in another shard. */
function slope(values: Float32Array, worker: number, clock: number, i: number): number {
  const value = values[i] as number;
  const other = values[(7 * i + 3) % values.length] as number;
  const noise = f((mixed(worker, clock, i) % 2001) / 1000 - 1);
  return f(f(value * 0.3) + noise * f(1 + (value * other) / 7));
}

/** One machine: the same updates, summed in worker order, by plain loops. */
function singleMachine(
  length: number,
  workers: number,
  clocks: number,
  optimizer: OptimizerSpec = SGD,
): Float32Array {
  const kernels = createPlainKernels();
  const rule = createOptimizer(optimizer, length, kernels);
  const initial = wobbly(length).initial as (i: number) => number;
  const values = Float32Array.from({ length }, (_, i) => initial(i));
  for (let clock = 0; clock < clocks; clock++) {
    const mean = new Float32Array(length);
    for (let i = 0; i < length; i++) {
      let sum = slope(values, 0, clock, i);
      for (let w = 1; w < workers; w++) sum = f(sum + slope(values, w, clock, i));
      mean[i] = f(sum * f(1 / workers));
    }
    const delta = new Float32Array(length);
    if (optimizer.kind === "sgd") {
      for (let i = 0; i < length; i++)
        delta[i] = f(f(-optimizer.learningRate) * (mean[i] as number));
    } else rule.delta(mean, clock, delta);
    for (let i = 0; i < length; i++) values[i] = f((values[i] as number) + (delta[i] as number));
  }
  return values;
}

const LENGTH = 37;
const optimizers = [
  { kind: "sgd", learningRate: 0.1 },
  { kind: "momentum", learningRate: 0.05, momentum: 0.9 },
  { kind: "adagrad", learningRate: 0.1 },
  { kind: "adam", learningRate: 0.01 },
].map((spec) => OptimizerSchema.parse(spec));

describe("bsp equals one machine bit for bit", () => {
  test.each(optimizers)("$kind, 1..3 servers, any delays", async (optimizer) => {
    const clocks = 9;
    const expected = singleMachine(LENGTH, 6, clocks, optimizer);
    for (const seed of SEEDS) {
      const outcome = await runToy({
        toy: wobbly(LENGTH),
        sites: 3,
        servers: 1 + (seed % 3),
        clocks,
        seed,
        optimizer,
        between: { kind: "stretched" },
        ...randomTimes(seed),
      });
      expect(outcome.copies.get("all")).toEqual(expected);
    }
  });

  test("on one local network as over a wide area", async () => {
    const lan = () => ({ bandwidth: 10e9, oneWayMicros: 100, wan: false });
    const toy = wobbly(LENGTH);
    const base = { toy, sites: 4, clocks: 8, between: { kind: "stretched" } } as const;
    const near = await runToy({ ...base, link: lan });
    const far = await runToy({ ...base, link: () => ({ bandwidth: 1e5 }) });
    expect(near.copies.get("all")).toEqual(singleMachine(LENGTH, 8, 8));
    expect(far.copies.get("all")).toEqual(near.copies.get("all"));
    expect(far.micros).toBeGreaterThan(5 * near.micros);
  });

  test("a worker that crashes and restarts changes nothing", async () => {
    const clocks = 9;
    const expected = singleMachine(LENGTH, 6, clocks);
    let crashes = 0;
    for (const seed of SEEDS) {
      const { random, ...times } = randomTimes(seed);
      const node = `s0${random.integer(3)}/worker-${random.integer(2)}`;
      const outcome = await runToy({
        toy: wobbly(LENGTH),
        sites: 3,
        servers: 1 + (seed % 3),
        clocks,
        seed,
        between: { kind: "stretched" },
        ...times,
        simulation: {
          ...times.simulation,
          faults: [
            { kind: "crash", node, at: 0.001 + random.next(), restartAfter: random.next() },
            { kind: "crash", node, at: 2 + random.next(), restartAfter: 0.01 },
          ],
        },
      });
      crashes += outcome.events.filter((e) => e.type === "fault" && e.fault === "crash").length;
      expect(outcome.copies.get("all")).toEqual(expected);
    }
    expect(crashes).toBeGreaterThan(SEEDS.length / 2);
  });

  test("also when the crash comes between the pushes to two shards", async () => {
    // 2000 numbers to each server over an uplink of 8 Mbit/s: a push takes 8 ms, the second waits for the first.
    const expected = singleMachine(4000, 2, 4);
    for (let at = 8; at < 60; at += 2) {
      const outcome = await runToy({
        toy: wobbly(4000),
        servers: 2,
        clocks: 4,
        between: { kind: "stretched" },
        node: { bandwidth: 8e6 },
        simulation: {
          faults: [{ kind: "crash", node: "s00/worker-1", at: at / 1000, restartAfter: 0.005 }],
        },
      });
      expect(outcome.copies.get("all")).toEqual(expected);
    }
  });
});

describe("sparse working sets", () => {
  const WIDTH = 24;
  /** Rows name the parameters that they touch; gradients are whole numbers. */
  const touched = (rows: Uint32Array): Uint32Array => {
    const set = new Set<number>();
    for (const row of rows) for (let j = 0; j < 4; j++) set.add(mixed(row, j) % WIDTH);
    return Uint32Array.from(set).sort();
  };
  const grade = (values: Float32Array, { rows, worker, clock }: Work, i: number): number => {
    let sum = 0;
    for (const j of touched(rows)) sum = f(sum + (values[j] as number));
    return f(f(0.01 * sum) + f(0.25 * (values[i] as number)) + (mixed(worker, clock, i) % 17) - 8);
  };
  const sparse: Toy = {
    length: WIDTH,
    workingSet: touched,
    gradient: (work) => {
      touched(work.rows).forEach((i, k) => {
        work.out[k] = grade(work.parameters, work, i);
      });
    },
  };
  const dense: Toy = {
    length: WIDTH,
    gradient: (work) => {
      work.out.fill(0);
      for (const i of touched(work.rows)) work.out[i] = grade(work.parameters, work, i);
    },
  };
  const optimizer = { ...SGD, learningRate: 0.1 };

  test("bsp: equal to dense pushes and pulls", async () => {
    for (const seed of SEEDS) {
      const run = {
        sites: 2,
        servers: 1 + (seed % 3),
        clocks: 8,
        seed,
        batch: 2,
        rows: () => 6,
        optimizer,
        between: { kind: "stretched" },
        ...randomTimes(seed),
      } as const;
      const a = await runToy({ ...run, toy: sparse });
      const b = await runToy({ ...run, toy: dense });
      expect(a.copies.get("all")).toEqual(b.copies.get("all"));
    }
  });

  test("a crash changes nothing either", async () => {
    for (const seed of SEEDS) {
      const { random, ...times } = randomTimes(seed);
      const run = {
        toy: sparse,
        sites: 2,
        servers: 1 + (seed % 3),
        clocks: 8,
        seed,
        batch: 2,
        rows: () => 6,
        optimizer,
        between: { kind: "stretched" },
      } as const;
      const fault = {
        kind: "crash",
        node: "s01/worker-1",
        at: 0.001 + 1.5 * random.next(),
        restartAfter: 0.3 * random.next(),
      } as const;
      const a = await runToy(run);
      const b = await runToy({
        ...run,
        ...times,
        simulation: { ...times.simulation, faults: [fault] },
      });
      expect(b.copies.get("all")).toEqual(a.copies.get("all"));
    }
  });

  test.each(["ssp", "tap"] as const)(
    "%s: the guarantees of a dense read hold",
    async (consistency) => {
      const staleness = 2;
      const clocks = 10;
      const workers = 4;
      for (const seed of SEEDS) {
        const own = (rows: Uint32Array): Uint32Array => {
          const set = new Set<number>();
          for (const row of rows)
            for (let j = 0; j < 9; j++) set.add(mixed(row, j) % (workers * clocks));
          return Uint32Array.from(set).sort();
        };
        const written = new Map<number, number[]>();
        const toy: Toy = {
          length: workers * clocks,
          workingSet: own,
          gradient: ({ rows, worker, clock, parameters, out }) => {
            const set = own(rows);
            for (let k = 0; k < set.length; k++) {
              const i = set[k] as number;
              // Contributions so far: at least those that must be there, at most all there are.
              const pushes = written.get(i) ?? [];
              const must = pushes.filter((p) => {
                const [w, c] = [Math.floor(p / 100), p % 100];
                return w === worker || (consistency === "ssp" && c <= clock - staleness - 1);
              });
              const value = parameters[i] as number;
              expect(value).toBeGreaterThanOrEqual(must.length);
              expect(value).toBeLessThanOrEqual(pushes.length);
              out[k] = -workers;
            }
            for (const i of set) {
              const list = written.get(i) ?? [];
              list.push(worker * 100 + clock);
              written.set(i, list);
            }
          },
        };
        const outcome = await runToy({
          toy,
          sites: 2,
          servers: 1 + (seed % 2),
          clocks,
          seed,
          batch: 2,
          rows: () => 5,
          within: { consistency, staleness },
          between: { kind: "stretched" },
          drainMicros: 100e6,
          ...randomTimes(seed),
        });
        const all = outcome.copies.get("all") as Float32Array;
        for (let i = 0; i < all.length; i++) expect(all[i]).toBe((written.get(i) ?? []).length);
        if (consistency === "tap") expect(waits(outcome.events)).toEqual(new Set([0]));
      }
    },
  );
});
