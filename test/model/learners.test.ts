/** Whole models: gradients against central differences and plain loops, judging, memory, training. */
import { afterAll, describe, expect, test } from "vitest";
import type { DenseDataset } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { createLearner } from "../../src/model/create.ts";
import type { Learner } from "../../src/model/learner.ts";
import { createRuntime } from "../../src/model/onnx/run.ts";
import type { ModelSpec } from "../../src/model/spec.ts";
import { conv, curve, firstRows, images, LAYERS, rowsOf, sequential } from "./fixtures.ts";
import { expectClose } from "./numeric.ts";
import { plainModel } from "./plain.ts";

const runtime = createRuntime();
const open: Learner[] = [];
const learnerOf = (spec: ModelSpec): Learner => {
  const learner = createLearner(spec, runtime);
  open.push(learner);
  return learner;
};
afterAll(async () => {
  for (const learner of open) await learner.close();
});

const data = images(40);
const scaledRows = (dataset: DenseDataset, rows: Uint32Array): Float64Array => {
  const length = dataset.features.length / dataset.rows;
  return Float64Array.from({ length: rows.length * length }, (_, k) => {
    const row = rows[Math.floor(k / length)] as number;
    const raw = dataset.features[row * length + (k % length)] as number;
    return raw * dataset.scale + dataset.offset;
  });
};

describe("gradients of whole models", () => {
  test.each(Object.entries(LAYERS))("%s equals plain loops in float64", async (_, layers) => {
    const learner = learnerOf(sequential(layers, data));
    const parameters = learner.initialise(createRandom(1));
    const rows = rowsOf(5, 3, 39, 0, 5, 17);
    const out = new Float32Array(parameters.length);
    const { loss, examples } = await learner.step(parameters, { dataset: data, rows }, out);

    const plain = plainModel(layers, data.shape, rows.length, (length) => new Float64Array(length));
    const wanted = new Float64Array(plain.parameters);
    const labels = Array.from(rows, (row) => data.labels[row] as number);
    const own = Float64Array.from(parameters);
    const oracle = plain.step(scaledRows(data, rows), labels, own, wanted);
    expect(examples).toBe(rows.length);
    expect(loss).toBeCloseTo(oracle, 5);
    expectClose(out, wanted, "gradient", 1e-5);
  });

  test.each([
    ["softmax with L2", sequential(LAYERS.softmax, data, { l2: 0.3 }), data],
    ["MLP with L2", sequential(LAYERS.mlp, data, { l2: 0.1 }), data],
    [
      "CNN with strides, valid padding and an odd pool",
      sequential(
        [
          conv(3, 2, { stride: 2 }),
          "relu",
          conv(2, 2, { padding: "valid" }),
          { maxPool: 2 },
          "flatten",
          { dense: 3 },
        ],
        data,
        { l2: 0.1 },
      ),
      data,
    ],
    ["squared error on classes", sequential(LAYERS.mlp, data, { loss: "squared-error" }), data],
    [
      "regression",
      sequential([{ dense: 4 }, "relu", { dense: 1 }], curve(40), { loss: "squared-error" }),
      curve(40),
    ],
  ] as const)("%s equals central differences of the loss", async (_, spec, dataset) => {
    const learner = learnerOf(spec);
    const parameters = learner.initialise(createRandom(4));
    const batch = { dataset, rows: rowsOf(1, 30, 7, 12) };
    const out = new Float32Array(parameters.length);
    await learner.step(parameters, batch, out);
    const scratch = new Float32Array(parameters.length);
    const h = 1e-2;
    const numeric = new Float64Array(parameters.length);
    for (let k = 0; k < parameters.length; k++) {
      const value = parameters[k] as number;
      parameters[k] = value + h;
      const above = (await learner.step(parameters, batch, scratch)).loss;
      parameters[k] = value - h;
      const below = (await learner.step(parameters, batch, scratch)).loss;
      parameters[k] = value;
      numeric[k] = (above - below) / (2 * h);
    }
    expectClose(out, numeric, "gradient", 2e-2);
  });
});

describe("judging", () => {
  test.each(Object.entries(LAYERS))("%s: losses and hits equal the step's", async (_, layers) => {
    const learner = learnerOf(sequential(layers, data));
    const parameters = learner.initialise(createRandom(1));
    const batch = { dataset: data, rows: firstRows(13) };
    const step = await learner.step(parameters, batch, new Float32Array(parameters.length));
    const whole = await learner.judge(parameters, batch);
    expect(whole.examples).toBe(13);
    expect(whole.lossSum / 13).toBeCloseTo(step.loss, 5);

    let correct = 0;
    let lossSum = 0;
    for (const row of batch.rows) {
      const one = await learner.judge(parameters, { dataset: data, rows: rowsOf(row) });
      correct += one.correct ?? Number.NaN;
      lossSum += one.lossSum;
    }
    expect(whole.correct).toBe(correct);
    expect(whole.lossSum).toBeCloseTo(lossSum, 4);
  });

  test("more rows than a block: the last one is short", async () => {
    const many = images(1500);
    const learner = learnerOf(sequential(LAYERS.softmax, many));
    const parameters = learner.initialise(createRandom(1));
    const whole = await learner.judge(parameters, { dataset: many, rows: firstRows(1500) });
    const parts = await Promise.all(
      [firstRows(700), firstRows(1500).subarray(700)].map((rows) =>
        learner.judge(parameters, { dataset: many, rows }),
      ),
    );
    expect(whole.correct).toBe((parts[0]?.correct ?? 0) + (parts[1]?.correct ?? 0));
    expect(whole.lossSum).toBeCloseTo((parts[0]?.lossSum ?? 0) + (parts[1]?.lossSum ?? 0), 2);
  });

  test("no rows: nothing to add up", async () => {
    const learner = learnerOf(sequential(LAYERS.softmax, data));
    const parameters = learner.initialise(createRandom(1));
    const judged = await learner.judge(parameters, { dataset: data, rows: rowsOf() });
    expect(judged).toEqual({ examples: 0, lossSum: 0, correct: 0 });
  });

  test("regression: the loss is half the squared error", async () => {
    const learner = learnerOf(sequential([{ dense: 1 }], curve(9), { loss: "squared-error" }));
    const parameters = Float32Array.of(2, -1);
    const judged = await learner.judge(parameters, { dataset: curve(9), rows: firstRows(9) });
    const wanted = Array.from(curve(9).features).reduce((sum, x) => sum + x ** 4, 0);
    expect(judged.squaredErrorSum).toBeCloseTo(wanted, 5);
    expect(judged.lossSum).toBeCloseTo(wanted / 2, 5);
    expect(judged.correct).toBeUndefined();
  });
});

describe("memory and order", () => {
  test("private arrays are bound as they are; shared ones get the same result by one copy", async () => {
    const learner = learnerOf(sequential(LAYERS.mlp, data));
    const parameters = learner.initialise(createRandom(1));
    const batch = { dataset: data, rows: firstRows(8) };
    const length = parameters.length;
    const whole = new Float32Array(length + 20).fill(7);
    const view = whole.subarray(10, 10 + length);
    const { loss } = await learner.step(parameters, batch, view);
    expect([...whole.subarray(0, 10), ...whole.subarray(10 + length)]).toEqual(Array(20).fill(7));

    const shared = new Float32Array(new SharedArrayBuffer(length * 4));
    const sharedOut = new Float32Array(new SharedArrayBuffer(length * 4));
    shared.set(parameters);
    expect((await learner.step(shared, batch, sharedOut)).loss).toBe(loss);
    expect(Array.from(sharedOut)).toEqual(Array.from(view));
    expect(Array.from(shared)).toEqual(Array.from(parameters));
  });

  test("values are read anew at each step", async () => {
    const learner = learnerOf(sequential(LAYERS.softmax, data));
    const parameters = learner.initialise(createRandom(1));
    const batch = { dataset: data, rows: firstRows(8) };
    const out = new Float32Array(parameters.length);
    const first = (await learner.step(parameters, batch, out)).loss;
    for (let k = 0; k < out.length; k++)
      parameters[k] = (parameters[k] as number) - 0.01 * (out[k] as number);
    expect((await learner.step(parameters, batch, out)).loss).toBeLessThan(first);
  });

  test("steps asked for at once do not disturb each other, whatever their sizes", async () => {
    const learner = learnerOf(sequential(LAYERS.mlp, data));
    const parameters = learner.initialise(createRandom(1));
    const batches = [8, 3, 8, 1].map((size, i) => ({
      dataset: data,
      rows: firstRows(size + i).subarray(i),
    }));
    const alone: number[][] = [];
    for (const batch of batches) {
      const out = new Float32Array(parameters.length);
      await learner.step(parameters, batch, out);
      alone.push(Array.from(out));
    }
    const together = batches.map(() => new Float32Array(parameters.length));
    await Promise.all(
      batches.map((batch, i) => learner.step(parameters, batch, together[i] as Float32Array)),
    );
    expect(together.map((out) => Array.from(out))).toEqual(alone);
  });
});

test("more batch sizes than graphs are kept: the first comes back the same", async () => {
  const learner = learnerOf(sequential(LAYERS.mlp, data));
  const parameters = learner.initialise(createRandom(1));
  const losses: number[] = [];
  for (const size of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1]) {
    const out = new Float32Array(parameters.length);
    const batch = { dataset: data, rows: firstRows(size) };
    losses.push((await learner.step(parameters, batch, out)).loss);
  }
  expect(losses[11]).toBe(losses[0]);
});

describe("training", () => {
  test("an MLP learns a curve", async () => {
    const dataset = curve(64);
    const learner = learnerOf(
      sequential([{ dense: 16 }, "relu", { dense: 1 }], dataset, { loss: "squared-error" }),
    );
    const parameters = learner.initialise(createRandom(5));
    const out = new Float32Array(parameters.length);
    const batch = { dataset, rows: firstRows(64) };
    for (let step = 0; step < 800; step++) {
      await learner.step(parameters, batch, out);
      for (let k = 0; k < out.length; k++)
        parameters[k] = (parameters[k] as number) - 0.1 * (out[k] as number);
    }
    const judged = await learner.judge(parameters, batch);
    expect((judged.squaredErrorSum ?? Number.NaN) / 64).toBeLessThan(0.005);
  });

  test("starting values: He before a ReLU, Glorot elsewhere, zero biases, fixed by the seed", () => {
    const learner = learnerOf(sequential(["flatten", { dense: 400 }, "relu", { dense: 3 }], data));
    const flat = learner.initialise(createRandom(9));
    expect(Array.from(learner.initialise(createRandom(9)))).toEqual(Array.from(flat));
    const [first, bias, second] = learner.layout.tensors.map((tensor) =>
      flat.subarray(tensor.offset, tensor.offset + tensor.length),
    );
    const variance = (values: Float32Array): number =>
      values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(variance(first as Float32Array) / (2 / 84)).toBeCloseTo(1, 1);
    expect(Math.max(...(bias as Float32Array))).toBe(0);
    const limit = Math.sqrt(6 / 403);
    expect(Math.max(...(second as Float32Array))).toBeLessThan(limit);
    expect(variance(second as Float32Array) / (limit ** 2 / 3)).toBeCloseTo(1, 0);
  });
});

describe("what is known before ONNX Runtime is loaded", () => {
  test("layout and FLOPs of softmax regression", () => {
    const learner = learnerOf(sequential(LAYERS.softmax, data));
    expect(learner.layout.tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ["dense1.weight", [3, 84]],
      ["dense1.bias", [3]],
    ]);
    // Forward 2*n*84*3 + 3n, backward 2*n*84*3 for the weights and 3n for the bias, and the loss.
    const products = 4 * 10 * 84 * 3;
    expect(learner.flops(10)).toBeGreaterThan(products);
    expect(learner.flops(10)).toBeLessThan(products * 1.1);
  });

  test("the CNN of the main job has 1,663,370 parameters", () => {
    const layers = [
      conv(32, 5),
      "relu",
      { maxPool: 2 },
      conv(64, 5),
      "relu",
      { maxPool: 2 },
      "flatten",
      { dense: 512 },
      "relu",
      { dense: 10 },
    ] as const;
    const learner = learnerOf({
      ...sequential(layers, data),
      data: { kind: "dense", shape: [1, 28, 28], classes: 10 },
    });
    expect(learner.layout.length).toBe(1_663_370);
    // By hand, per example: convolutions forward 1.25 + 20.1 MFLOP, weights as much, input of the second
    // 20.1; dense layers 3 x 3.2 MFLOP and 3 x 0.01.
    const byHand = 2 * 2 * 784 * 32 * 25 + 3 * 2 * 196 * 64 * 800 + 3 * 2 * (3136 * 512 + 5120);
    expect(learner.flops(32) / 32 / byHand).toBeCloseTo(1, 1);
  });
});
