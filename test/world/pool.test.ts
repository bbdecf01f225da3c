/** The compute pool gives the same results on the caller's thread and on worker threads. */
import { afterEach, expect, test } from "vitest";
import type { RatingsDataset } from "../../src/core/dataset.ts";
import { shapeOf } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { createLearner } from "../../src/model/create.ts";
import { type ModelSpec, SequentialSpec } from "../../src/model/spec.ts";
import type { ComputePool } from "../../src/world/compute/contract.ts";
import { createComputePool } from "../../src/world/compute/pool.ts";
import { makeDigits } from "./fixtures.ts";

const shared = (length: number): Float32Array =>
  new Float32Array(new SharedArrayBuffer(4 * length));
const random = createRandom(7);

function films(): RatingsDataset {
  const rows = 100;
  const users = new Int32Array(new SharedArrayBuffer(4 * rows));
  const items = new Int32Array(new SharedArrayBuffer(4 * rows));
  const ratings = shared(rows);
  for (let i = 0; i < rows; i++) {
    users[i] = random.integer(5);
    items[i] = random.integer(9);
    ratings[i] = 1 + random.integer(5);
  }
  return { kind: "ratings", rows, users, items, ratings, userCount: 5, itemCount: 9 };
}

const datasets = { digits: makeDigits(64), films: films() };
const learners: Record<string, ModelSpec> = {
  softmax: {
    model: SequentialSpec.parse({ kind: "sequential", layers: ["flatten", { dense: 3 }] }),
    data: shapeOf(datasets.digits),
  },
  dropping: {
    model: SequentialSpec.parse({
      kind: "sequential",
      layers: ["flatten", { dense: 20 }, "relu", { dropout: 0.5 }, { dense: 3 }],
    }),
    data: shapeOf(datasets.digits),
    seed: 11,
  },
  factors: {
    model: { kind: "matrix-factorisation", rank: 4, l2: 0.1, initialDeviation: 0.1 },
    data: shapeOf(datasets.films),
    targetMean: 3,
  },
};

const open: ComputePool[] = [];
afterEach(async () => {
  for (const pool of open.splice(0)) await pool.close();
});
const makePool = (threads: number): ComputePool => {
  const pool = createComputePool({ threads, learners, datasets });
  open.push(pool);
  return pool;
};

const rowsFrom = (start: number, count: number): Uint32Array =>
  // A view of part of a longer order, as batches are.
  Uint32Array.from({ length: 64 }, (_, i) => (i * 7) % 64).subarray(start, start + count);

/** Twenty steps of both learners at once, then a judgement of each; every number that came out. */
async function session(pool: ComputePool): Promise<unknown> {
  const softmax = createLearner(learners.softmax!);
  const factors = createLearner(learners.factors!);
  const parameters = shared(softmax.layout.length);
  parameters.set(softmax.initialise(createRandom(1)));
  const items = shared(factors.layout.length);
  items.set(factors.initialise(createRandom(2)));
  const own = shared(factors.privateLength);
  own.set(factors.initialisePrivate!(createRandom(3)));
  const done: unknown[] = [];
  const steps = Array.from({ length: 20 }, async (_, n) => {
    const rows = rowsFrom(2 * n, 8);
    const place = { worker: 0, clock: n, flops: softmax.flops(8), rows };
    const out = shared(parameters.length);
    const first = { ...place, learner: "softmax", dataset: "digits", parameters, out };
    done[2 * n] = [await pool.step(first), [...out]];
    const batch = { dataset: datasets.films, rows };
    const size = factors.workingSet!(batch).length + factors.privateSet!(batch).length;
    const update = shared(size);
    const second = { ...place, learner: "factors", dataset: "films", parameters: items, own };
    done[2 * n + 1] = [await pool.step({ ...second, out: update }), [...update]];
  });
  await Promise.all(steps);
  const rows = rowsFrom(0, 64);
  const ordinary = Float32Array.from(parameters);
  done.push(
    await pool.judge({ learner: "softmax", dataset: "digits", rows, parameters: ordinary }),
  );
  done.push(
    await pool.judge({ learner: "factors", dataset: "films", rows, parameters: items, own }),
  );
  return done;
}

test("0, 1 and 2 threads: the same losses, updates and judgements, bit for bit", async () => {
  const inline = await session(makePool(0));
  expect(await session(makePool(1))).toEqual(inline);
  expect(await session(makePool(2))).toEqual(inline);
  const [[first, update]] = inline as [[{ loss: number; examples: number }, number[]]];
  expect(first.examples).toBe(8);
  expect(first.loss).toBeGreaterThan(0);
  expect(update.some((value) => value !== 0)).toBe(true);
});

test("what a step drops depends on its worker and clock, not on the thread or the order", async () => {
  const learner = createLearner(learners.dropping!);
  const parameters = shared(learner.layout.length);
  parameters.set(learner.initialise(createRandom(4)));
  const steps = [0, 1].flatMap((worker) => [0, 1, 2].map((clock) => ({ worker, clock })));
  const updates = async (
    threads: number,
    order: typeof steps,
  ): Promise<Map<string, readonly number[]>> => {
    const pool = makePool(threads);
    const rows = rowsFrom(0, 8);
    const done = order.map(async ({ worker, clock }) => {
      const out = shared(parameters.length);
      const job = { learner: "dropping", dataset: "digits", rows, parameters, out, flops: 1 };
      await pool.step({ ...job, worker, clock });
      return [`${worker} ${clock}`, [...out]] as [string, readonly number[]];
    });
    return new Map(await Promise.all(done));
  };
  const inline = await updates(0, steps);
  expect(new Set([...inline.values()].map((update) => update.join())).size).toBe(steps.length);
  expect(await updates(1, steps.toReversed())).toEqual(inline);
  expect(await updates(2, steps)).toEqual(inline);
});

test.each([0, 1])("a task that fails says which (%i threads)", async (threads) => {
  const pool = makePool(threads);
  const parameters = shared(51);
  const rows = rowsFrom(0, 4);
  const judged = pool.judge({ learner: "softmax", dataset: "films", rows, parameters });
  await expect(judged).rejects.toThrow("a graph learns from rows of features");
  const unknown = pool.judge({ learner: "forest", dataset: "films", rows, parameters });
  await expect(unknown).rejects.toThrow('no learner "forest" is registered');
  const good = pool.judge({ learner: "softmax", dataset: "digits", rows, parameters });
  expect(await good).toMatchObject({ examples: 4 });
});

test("closing rejects what is pending", async () => {
  const pool = makePool(1);
  const rows = rowsFrom(0, 4);
  const work = { learner: "softmax", dataset: "digits", rows, parameters: shared(51) };
  const pending = expect(pool.judge(work)).rejects.toMatchObject({ code: "POOL_CLOSED" });
  await pool.close();
  await pending;
  await expect(pool.judge(work)).rejects.toMatchObject({ code: "POOL_CLOSED" });
});

test("an update outside shared memory is refused, as it would never come back", () => {
  const pool = makePool(1);
  const out = new Float32Array(51);
  const place = { learner: "softmax", dataset: "digits", worker: 0, clock: 0, flops: 1 };
  const work = { ...place, rows: rowsFrom(0, 4), parameters: shared(51), out };
  expect(() => pool.step(work)).toThrow("shared memory");
});
