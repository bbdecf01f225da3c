import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DenseDataset, RatingsDataset } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { createBatches } from "../../src/data/batches.ts";
import { dirichlet, logGamma } from "../../src/data/dirichlet.ts";
import { partition, partitionWithin, type SplitSpec } from "../../src/data/partition.ts";
import { takeRows } from "../../src/data/rows.ts";
import { histogram, issueOf } from "./files.ts";

/** Rows with labels drawn from ten classes; the only feature is the row's number. */
function dense(rows: number, seed = 1, classes = 10): DenseDataset {
  const random = createRandom(seed);
  return {
    kind: "dense",
    rows,
    shape: [1],
    features: Float32Array.from({ length: rows }, (_, row) => row),
    scale: 1,
    offset: 0,
    labels: Int32Array.from({ length: rows }, () => random.integer(classes)),
    classes,
  };
}

function ratings(rows: number, userCount: number): RatingsDataset {
  const random = createRandom(2);
  return {
    kind: "ratings",
    rows,
    users: Int32Array.from({ length: rows }, (_, row) =>
      row < userCount ? row : Math.floor(userCount * random.next() ** 2),
    ),
    items: new Int32Array(rows),
    ratings: new Float32Array(rows),
    userCount,
    itemCount: 1,
  };
}

const splits: SplitSpec[] = [
  { by: "iid" },
  { by: "label", skew: 0 },
  { by: "label", skew: 0.37 },
  { by: "label", skew: 1 },
  { by: "dirichlet", alpha: 0.01 },
  { by: "dirichlet", alpha: 10 },
  { by: "range" },
  { by: "column", column: "c" },
];

describe("every row lies at exactly one site and one worker", () => {
  test.each(splits)("%j", (split) => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 12 }), fc.nat(400), (seed, parts, more) => {
        const data = dense(parts + more, seed);
        const natural = {
          names: Array.from({ length: parts }, (_, i) => `${i}`),
          of: Int32Array.from({ length: data.rows }, (_, row) => row % parts),
        };
        const dealt = partition(data, split, parts, createRandom(seed), natural);
        expect(dealt.length).toBe(parts);
        expect(dealt.every((part) => part.length > 0)).toBe(true);
        const all = dealt.flatMap((part) => [...part]);
        expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: data.rows }, (_, i) => i));
        for (const part of dealt) expect([...part]).toEqual([...part].sort((a, b) => a - b));
        expect(partition(data, split, parts, createRandom(seed), natural)).toEqual(dealt);
        const workers = partitionWithin(
          data,
          split,
          dealt[0]!,
          1 + (seed % dealt[0]!.length),
          createRandom(seed),
        );
        expect(workers.flatMap((part) => [...part]).sort((a, b) => a - b)).toEqual([...dealt[0]!]);
        if (split.by === "iid" || split.by === "label" || split.by === "range") {
          const sizes = dealt.map((part) => part.length);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("by user: each user wholly at one worker, ratings balanced", () => {
    const data = ratings(20_000, 200);
    const sites = partition(data, { by: "user" }, 5, createRandom(1));
    const workers = sites.flatMap((rows) =>
      partitionWithin(data, { by: "user" }, rows, 2, createRandom(1)),
    );
    expect(workers.flatMap((part) => [...part]).sort((a, b) => a - b)).toEqual(
      Array.from({ length: data.rows }, (_, i) => i),
    );
    const homes = new Map<number, Set<number>>();
    workers.forEach((part, worker) => {
      for (const row of part) {
        const user = data.users[row]!;
        homes.set(user, (homes.get(user) ?? new Set()).add(worker));
      }
    });
    expect([...homes.values()].every((home) => home.size === 1)).toBe(true);
    for (const part of sites) expect(Math.abs(part.length - 4000)).toBeLessThan(800);
  });
});

/** Mean over sites of the largest class's share. */
const concentration = (data: DenseDataset, parts: Uint32Array[]): number =>
  parts
    .map(
      (part) =>
        Math.max(...histogram([...part].map((row) => data.labels[row]!)).filter(Boolean)) /
        part.length,
    )
    .reduce((sum, share) => sum + share, 0) / parts.length;

describe("how skewed a split is", () => {
  const data = dense(20_000);
  const by = (split: SplitSpec) => concentration(data, partition(data, split, 10, createRandom(4)));

  test("label skew s: about s of a site's rows are of its own class", () => {
    expect(by({ by: "label", skew: 0 })).toBeLessThan(0.13);
    expect(by({ by: "label", skew: 0.5 })).toBeGreaterThan(0.5);
    expect(by({ by: "label", skew: 0.5 })).toBeLessThan(0.6);
    expect(by({ by: "label", skew: 1 })).toBeGreaterThan(0.95);
  });

  test("Dirichlet: near one class for small alpha, near even for large", () => {
    expect(by({ by: "dirichlet", alpha: 0.01 })).toBeGreaterThan(0.6);
    expect(by({ by: "dirichlet", alpha: 1000 })).toBeLessThan(0.14);
  });

  test("ranges are consecutive; natural sites are joined only when there are more than parts", () => {
    const parts = partition(dense(10), { by: "range" }, 3, createRandom(1));
    expect(parts.map((part) => [...part])).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7, 8, 9],
    ]);
    const natural = { names: ["a", "b", "c"], of: Int32Array.of(0, 0, 0, 0, 0, 1, 1, 1, 2, 2) };
    const three = partition(dense(10), { by: "column", column: "c" }, 3, createRandom(1), natural);
    expect(three.map((part) => [...part])).toEqual([
      [0, 1, 2, 3, 4],
      [5, 6, 7],
      [8, 9],
    ]);
    const two = partition(dense(10), { by: "column", column: "c" }, 2, createRandom(1), natural);
    expect(two.map((part) => part.length)).toEqual([5, 5]);
  });
});

test.each<[string, () => unknown, string]>([
  ["more sites than rows", () => partition(dense(3), { by: "iid" }, 4, createRandom(1)), "3 rows"],
  [
    "users of images",
    () => partition(dense(9), { by: "user" }, 2, createRandom(1)),
    "only ratings",
  ],
  ["too few users", () => partition(ratings(99, 3), { by: "user" }, 4, createRandom(1)), "3 users"],
  [
    "no column",
    () => partition(dense(9), { by: "column", column: "c" }, 2, createRandom(1)),
    "column c",
  ],
  [
    "classes of ratings",
    () => partition(ratings(9, 3), { by: "dirichlet", alpha: 1 }, 2, createRandom(1)),
    "classes",
  ],
  [
    "too many workers",
    () => partitionWithin(dense(9), { by: "iid" }, Uint32Array.of(1), 2, createRandom(1)),
    "2 workers",
  ],
])("refuses %s", async (_, call, message) => {
  const issue = await issueOf(call);
  expect(issue).toMatchObject({ code: "BAD_SPLIT", path: ["data", "split"] });
  expect(issue.message).toContain(message);
});

test("gamma draws have mean and variance alpha; Dirichlet shares sum to 1", () => {
  const random = createRandom(7);
  for (const alpha of [0.3, 1, 4.5]) {
    const draws = Float64Array.from({ length: 40_000 }, () => Math.exp(logGamma(alpha, random)));
    const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
    const variance = draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length;
    expect(Math.abs(mean / alpha - 1)).toBeLessThan(0.05);
    expect(Math.abs(variance / alpha - 1)).toBeLessThan(0.1);
  }
  for (const alpha of [1e-6, 0.1, 100]) {
    const shares = dirichlet(alpha, 11, random);
    expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 10);
    expect(shares.every((share) => share >= 0)).toBe(true);
  }
});

describe("batches", () => {
  test("each epoch holds every row once, all batches are full, order from the seed alone", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 80 }),
        (seed, n, size) => {
          const rows = Uint32Array.from({ length: n }, (_, i) => 3 * i + 1);
          const batches = createBatches(rows, size, createRandom(seed));
          const drawn: number[] = [];
          while (drawn.length < 4 * n) {
            const batch = batches.next();
            expect(batch.length).toBe(size);
            drawn.push(...batch);
          }
          for (let epoch = 0; epoch < 4; epoch++)
            expect(drawn.slice(epoch * n, (epoch + 1) * n).sort((a, b) => a - b)).toEqual([
              ...rows,
            ]);
          const again = createBatches(rows, size, createRandom(seed));
          expect([...again.next()]).toEqual(drawn.slice(0, size));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("epochs differ in order, and a batch given out is never changed", () => {
    const rows = Uint32Array.from({ length: 50 }, (_, i) => i);
    const batches = createBatches(rows, 50, createRandom(1));
    const first = batches.next();
    const kept = [...first];
    const second = batches.next();
    expect([...second]).not.toEqual(kept);
    expect([...first]).toEqual(kept);
    expect(() => createBatches(new Uint32Array(0), 5, createRandom(1))).toThrow("invariant");
  });
});

test("rows taken keep their values and lie in shared memory", () => {
  const taken = takeRows(dense(10), Uint32Array.of(7, 2));
  expect([...taken.features]).toEqual([7, 2]);
  expect([...taken.labels]).toEqual([dense(10).labels[7], dense(10).labels[2]]);
  expect(taken.features.buffer).toBeInstanceOf(SharedArrayBuffer);
});
