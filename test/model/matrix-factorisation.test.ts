/** Matrix factorisation: gradient, working sets, privacy of the user factors, and what it learns. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RatingsDataset } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { createLearner } from "../../src/model/create.ts";
import { firstRows } from "./fixtures.ts";
import { expectClose } from "./numeric.ts";

const [USERS, ITEMS, RANK, WIDTH] = [7, 9, 3, 4];

function ratings(rows: number, seed: number): RatingsDataset {
  const random = createRandom(seed);
  const users = Int32Array.from({ length: rows }, () => random.integer(USERS));
  const items = Int32Array.from({ length: rows }, () => random.integer(ITEMS));
  const tables = [random.stream("u"), random.stream("i")].map((stream, t) =>
    Float64Array.from({ length: (t === 0 ? USERS : ITEMS) * 2 }, () => stream.normal()),
  );
  const [u, i] = tables as [Float64Array, Float64Array];
  const values = Float32Array.from({ length: rows }, (_, n) => {
    const [a, b] = [(users[n] as number) * 2, (items[n] as number) * 2];
    return 3 + (u[a] as number) * (i[b] as number) + (u[a + 1] as number) + (i[b + 1] as number);
  });
  return {
    kind: "ratings",
    rows,
    users,
    items,
    ratings: values,
    userCount: USERS,
    itemCount: ITEMS,
  };
}

const learnerOf = (l2: number) =>
  createLearner({
    model: { kind: "matrix-factorisation", rank: RANK, l2, initialDeviation: 0.3 },
    data: { kind: "ratings", userCount: USERS, itemCount: ITEMS },
    targetMean: 3,
  });

const start = (learner: ReturnType<typeof learnerOf>) => ({
  items: learner.initialise(createRandom(1)),
  users: learner.initialisePrivate?.(createRandom(2)) ?? new Float32Array(),
});

describe("the step", () => {
  test("equals central differences of the loss, shared part then private part", async () => {
    const learner = learnerOf(0.2);
    const { items, users } = start(learner);
    const batch = { dataset: ratings(50, 3), rows: Uint32Array.of(4, 9, 9, 30, 12) };
    const shared = learner.workingSet?.(batch) as Uint32Array;
    const own = learner.privateSet?.(batch) as Uint32Array;
    const out = new Float32Array(shared.length + own.length);
    await learner.step(items, batch, out, users);

    const h = 1e-2;
    const scratch = new Float32Array(out.length);
    const lossAt = async (table: Float32Array, index: number, shift: number) => {
      const value = table[index] as number;
      table[index] = value + shift;
      const { loss } = await learner.step(items, batch, scratch, users);
      table[index] = value;
      return loss;
    };
    const numeric: number[] = [];
    for (const [table, indices] of [
      [items, shared],
      [users, own],
    ] as const)
      for (const index of indices)
        numeric.push(
          ((await lossAt(table, index, h)) - (await lossAt(table, index, -h))) / (2 * h),
        );
    expectClose(out, numeric, "gradient", 1e-3);
  });

  test("the loss of one rating, by hand", async () => {
    const learner = learnerOf(0.5);
    const dataset: RatingsDataset = {
      ...ratings(1, 1),
      users: Int32Array.of(2),
      items: Int32Array.of(5),
      ratings: Float32Array.of(4),
    };
    const items = new Float32Array(learner.layout.length);
    const users = new Float32Array(learner.privateLength);
    items.set([1, 0, 2, 0.5], 5 * WIDTH);
    users.set([3, 1, -1, 0.25], 2 * WIDTH);
    const batch = { dataset, rows: Uint32Array.of(0) };
    const out = new Float32Array(2 * WIDTH);
    const { loss } = await learner.step(items, batch, out, users);
    // Prediction 3 + 0.5 + 0.25 + (3 - 2) = 4.75, error -0.75.
    expect(loss).toBeCloseTo((0.75 ** 2 + 0.5 * (1 + 4 + 0.25 + 9 + 1 + 1 + 0.0625)) / 2, 5);
    expect(Array.from(out)).toEqual([
      0.5 + 0.75 * 3,
      0.75,
      1 - 0.75,
      0.25 + 0.75,
      1.5 + 0.75,
      0.5,
      -0.5 + 0.75 * 2,
      0.125 + 0.75,
    ]);
    const judged = await learner.judge(items, batch, users);
    expect(judged.squaredErrorSum).toBeCloseTo(0.75 ** 2, 5);
    expect(judged.lossSum).toBeCloseTo(0.75 ** 2 / 2, 5);
  });
});

describe("the working set", () => {
  test("is sorted, distinct, and all that a step reads and changes", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 49 }), { minLength: 1, maxLength: 12 }),
        async (rows) => {
          const learner = learnerOf(0.1);
          const { items, users } = start(learner);
          const dataset = ratings(50, 5);
          const batch = { dataset, rows: Uint32Array.from(rows) };
          const shared = learner.workingSet?.(batch) as Uint32Array;
          const own = learner.privateSet?.(batch) as Uint32Array;
          const wanted = [...new Set(rows.map((row) => dataset.items[row] as number))]
            .sort((a, b) => a - b)
            .flatMap((item) => [0, 1, 2, 3].map((k) => item * WIDTH + k));
          expect(Array.from(shared)).toEqual(wanted);

          const out = new Float32Array(shared.length + own.length);
          const { loss } = await learner.step(items, batch, out, users);
          const stale = new Float32Array(items.length).fill(1e6);
          for (const index of shared) stale[index] = items[index] as number;
          const again = new Float32Array(out.length);
          expect((await learner.step(stale, batch, again, users)).loss).toBe(loss);
          expect(Array.from(again)).toEqual(Array.from(out));
        },
      ),
      { numRuns: 40, seed: 1 },
    ));
});

test("SGD over mini-batches finds ratings of low rank", async () => {
  const learner = learnerOf(0);
  const { items, users } = start(learner);
  const dataset = ratings(60, 7);
  const all = { dataset, rows: firstRows(60) };
  const order = firstRows(60);
  const random = createRandom(8);
  for (let epoch = 0; epoch < 400; epoch++) {
    random.shuffle(order);
    for (let at = 0; at < 60; at += 10) {
      const batch = { dataset, rows: order.subarray(at, at + 10) };
      const shared = learner.workingSet?.(batch) as Uint32Array;
      const own = learner.privateSet?.(batch) as Uint32Array;
      const out = new Float32Array(shared.length + own.length);
      await learner.step(items, batch, out, users);
      shared.forEach((index, k) => {
        items[index] = (items[index] as number) - 0.3 * (out[k] as number);
      });
      own.forEach((index, k) => {
        users[index] = (users[index] as number) - 0.3 * (out[shared.length + k] as number);
      });
    }
  }
  const { squaredErrorSum = Number.NaN } = await learner.judge(items, all, users);
  expect(Math.sqrt(squaredErrorSum / 60)).toBeLessThan(0.1);
});

test("FLOPs grow with the batch and the rank", () => {
  const learner = learnerOf(0);
  expect(learner.flops(10)).toBe(10 * learner.flops(1));
});
