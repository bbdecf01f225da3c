/**
 * State in the shared parameters (running averages): changes of it are averaged over the workers and applied
 * as they are, whatever the optimizer, its schedule and the tiers do to what is trained.
 */
import { describe, expect, test } from "vitest";
import { OptimizerSpec } from "../../src/optimize/spec.ts";
import type { Work } from "../../src/world/contract.ts";
import { MILLI, randomTimes, runToy, siteName, type Toy, type ToyRun } from "./harness.ts";

/** Two trained entries, then two running averages: over two shards of two servers, or three, or within one. */
const TRAINED = 2;
const LENGTH = 4;
const RATE = 0.25;
/** What the running averages begin with. */
const START = [8, -4] as const;

const OPTIMIZERS = ["sgd", "momentum", "adagrad", "adam"] as const;
const SCHEDULE = { kind: "exp", gamma: 0.5 } as const;
const optimizer = (kind: (typeof OPTIMIZERS)[number]): OptimizerSpec =>
  OptimizerSpec.parse({ kind, learningRate: 0.3, schedule: SCHEDULE });

/** What worker w sees of the averaged quantity k at a clock. */
const seen = (worker: number, clock: number, k: number): number =>
  ((worker * 7 + clock * 3 + k * 5) % 11) - 4;

/** A gradient that depends on the parameter alone, and running averages with rate 1/4. */
const averaging = (statistic = seen, watch?: (work: Work) => void): Toy => ({
  length: LENGTH,
  states: LENGTH - TRAINED,
  initial: (i) => (i < TRAINED ? i + 1 : (START[i - TRAINED] as number)),
  gradient: (work) => {
    watch?.(work);
    const { worker, clock, parameters, out } = work;
    for (let i = 0; i < LENGTH; i++) {
      const value = parameters[i] as number;
      const trained = i < TRAINED;
      out[i] = trained ? value - 0.5 : RATE * (statistic(worker, clock, i - TRAINED) - value);
    }
  },
});

/** The running average after so many clocks of all workers in step, in float64. */
function closedForm(clocks: number, workers: readonly number[], k: number, statistic = seen) {
  let average: number = START[k] as number;
  for (let clock = 0; clock < clocks; clock++) {
    const sum = workers.reduce((total, worker) => total + statistic(worker, clock, k), 0);
    average += RATE * (sum / workers.length - average);
  }
  return average;
}

const count = (workers: number): number[] => Array.from({ length: workers }, (_, w) => w);
const statesOf = (copy: Float32Array | undefined): number[] => [
  ...(copy as Float32Array).subarray(TRAINED),
];

function expectStates(copy: Float32Array | undefined, expected: (k: number) => number): void {
  statesOf(copy).forEach((value, k) => {
    expect(value).toBeCloseTo(expected(k), 4);
  });
}

describe.each(OPTIMIZERS)("%s: the running averages of all workers", (kind) => {
  const clocks = 9;
  const base = { toy: averaging(), clocks, optimizer: optimizer(kind) };

  test.each([1, 2, 3])("bsp in one place, %i shards", async (servers) => {
    const { copies } = await runToy({
      ...base,
      workers: 3,
      servers,
      between: { kind: "stretched" },
    });
    expectStates(copies.get("all"), (k) => closedForm(clocks, count(3), k));
    // What is trained moves as it does without state beside it, bit for bit.
    const alone: Toy = {
      length: TRAINED,
      initial: (i) => i + 1,
      gradient: ({ parameters, out }) => {
        for (let i = 0; i < TRAINED; i++) out[i] = (parameters[i] as number) - 0.5;
      },
    };
    const plain = await runToy({ ...base, toy: alone, workers: 3, between: { kind: "stretched" } });
    expect(copies.get("all")?.subarray(0, TRAINED)).toEqual(plain.copies.get("all"));
  });

  test("stretched over four sites", async () => {
    const { copies } = await runToy({ ...base, sites: 4, between: { kind: "stretched" } });
    expectStates(copies.get("all"), (k) => closedForm(clocks, count(8), k));
  });

  test("gaia in lockstep: every site has the average over all", async () => {
    const between = { kind: "gaia", significance: 0, staleness: 0 } as const;
    const { copies } = await runToy({ ...base, sites: 4, servers: 2, between, drainMicros: 60e6 });
    for (const s of count(4)) {
      expectStates(copies.get(siteName(s)), (k) => closedForm(clocks, count(8), k));
    }
  });

  test("federated: sites average on their own, the coordinator averages the sites", async () => {
    const rounds = 3;
    const constant = (worker: number, _clock: number, k: number): number => worker * 3 - k;
    const rows = (worker: number): number => (worker < 2 ? 4 : 12);
    const { copies } = await runToy({
      ...base,
      toy: averaging(constant),
      sites: 2,
      servers: 2,
      rows,
      batch: 4,
      clocks: 3 * rounds,
      between: { kind: "federated" },
    });
    expectStates(copies.get("global"), (k) => {
      let average = START[k] as number;
      for (let round = 0; round < rounds; round++) {
        // A quarter of the rows lies at the first site, for one clock a round; the second needs three.
        const local = [
          { weight: 1 / 4, mean: (constant(0, 0, k) + constant(1, 0, k)) / 2, clocks: 1 },
          { weight: 3 / 4, mean: (constant(2, 0, k) + constant(3, 0, k)) / 2, clocks: 3 },
        ].map((site) => site.weight * (site.mean + (average - site.mean) * 0.75 ** site.clocks));
        average = local.reduce((sum, value) => sum + value, 0);
      }
      return average;
    });
  });

  test("ssp, alone behind a slow link: own changes of state are read at once", async () => {
    const reads: number[][] = [];
    const toy = averaging(seen, ({ parameters }) => reads.push(statesOf(parameters)));
    await runToy({
      ...base,
      toy,
      workers: 1,
      servers: 3,
      node: { oneWayMicros: 300 * MILLI },
      within: { consistency: "ssp", staleness: 4 },
      between: { kind: "stretched" },
    });
    reads.forEach((states, clock) => {
      states.forEach((value, k) => {
        expect(value).toBeCloseTo(closedForm(clock, [0], k), 4);
      });
    });
  });
});

/** Whole numbers that add up exactly: every worker's mark on the state, at every clock. */
const marking = (workers: number, kind?: Toy["kind"]): Toy => ({
  length: LENGTH,
  states: kind === "delta" ? 0 : LENGTH - TRAINED,
  kind,
  gradient: ({ worker, clock, out }) => {
    out.fill(0);
    for (let i = TRAINED; i < LENGTH; i++) out[i] = workers * mark(worker, clock, i);
  },
});
const mark = (worker: number, clock: number, i: number): number =>
  ((worker * 5 + clock * 11 + i) % 9) - 3;

function expectMarks(copy: Float32Array | undefined, workers: number, clocks: number): void {
  statesOf(copy).forEach((value, k) => {
    let sum = 0;
    for (let worker = 0; worker < workers; worker++)
      for (let clock = 0; clock < clocks; clock++) sum += mark(worker, clock, TRAINED + k);
    expect(value).toBe(sum);
  });
}

describe("no change of state is lost or counted twice, over random schedules", () => {
  const clocks = 8;
  const workers = 8;
  const SEEDS = count(8);
  const run = (seed: number, kind: Toy["kind"]): Omit<ToyRun, "between"> => ({
    toy: marking(workers, kind),
    sites: 4,
    servers: 1 + (seed % 3),
    clocks,
    seed,
    optimizer: optimizer(OPTIMIZERS[seed % 4] ?? "sgd"),
    drainMicros: 3600e6,
    ...randomTimes(seed),
  });

  test.each(["gradient", "delta"] as const)("%s: ssp and tap", async (kind) => {
    for (const seed of SEEDS) {
      for (const consistency of ["ssp", "tap"] as const) {
        const within = { consistency, staleness: 2 };
        const { copies } = await runToy({
          ...run(seed, kind),
          within,
          between: { kind: "stretched" },
        });
        expectMarks(copies.get("all"), workers, clocks);
      }
    }
  });

  test.each(["gradient", "delta"] as const)("%s: gaia, near threshold 0", async (kind) => {
    for (const seed of SEEDS) {
      const between = { kind: "gaia", significance: 1e-9, staleness: seed % 2 === 0 ? 0 : 3 };
      const { copies } = await runToy({ ...run(seed, kind), between: between as never });
      for (const s of count(4)) expectMarks(copies.get(siteName(s)), workers, clocks);
    }
  });
});

test("sparse pushes across the border: the rule for each side", async () => {
  const everything = Uint32Array.from({ length: LENGTH }, (_, i) => i);
  for (const consistency of ["bsp", "ssp"] as const) {
    const { copies } = await runToy({
      toy: {
        ...marking(4),
        workingSet: (rows) => ((rows[0] ?? 0) % 2 === 0 ? everything : everything.subarray(1)),
        gradient: (work) => {
          const { worker, clock, out } = work;
          const first = LENGTH - out.length;
          for (let k = 0; k < out.length; k++)
            out[k] = first + k < TRAINED ? 1 : 4 * mark(worker, clock, first + k);
        },
      },
      workers: 4,
      clocks: 6,
      within: { consistency, staleness: 1 },
      optimizer: { kind: "sgd", learningRate: 0.5, schedule: { kind: "constant" } },
      between: { kind: "stretched" },
    });
    const copy = copies.get("all") as Float32Array;
    expectMarks(copy, 4, 6);
    expect(copy[1]).toBe(-3);
  }
});

test("sparse, alone behind a slow link under ssp: own changes of state are read at once", async () => {
  const reads: { clock: number; states: number[] }[] = [];
  await runToy({
    toy: {
      length: LENGTH,
      states: LENGTH - TRAINED,
      workingSet: () => Uint32Array.of(1, 2, 3),
      gradient: ({ clock, parameters, out }) => {
        reads.push({ clock, states: statesOf(parameters) });
        out.set([5, mark(0, clock, 2), mark(0, clock, 3)]);
      },
    },
    workers: 1,
    clocks: 8,
    servers: 2,
    node: { oneWayMicros: 300 * MILLI },
    within: { consistency: "ssp", staleness: 4 },
    optimizer: optimizer("sgd"),
    between: { kind: "stretched" },
  });
  expect(reads.length).toBe(8);
  for (const { clock, states } of reads) {
    const sums = [2, 3].map((i) => count(clock).reduce((sum, c) => sum + mark(0, c, i), 0));
    expect(states).toEqual(sums);
  }
});
