/** The linear models and naive Bayes against closed forms: gradients, margins, batch estimates, pooled statistics. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DenseDataset, shapeOf } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { createLearner } from "../../src/model/create.ts";
import { createTailored } from "../../src/model/online/create.ts";
import { logistic } from "../../src/model/online/logistic.ts";
import { NaiveBayes } from "../../src/model/online/naive-bayes.ts";
import { hinge } from "../../src/model/online/pegasos.ts";
import { NaiveBayesSpec } from "../../src/model/online/spec.ts";
import type { ModelOptions } from "../../src/model/spec.ts";
import { accuracyOn, allRows, blobs, learnAll } from "./online-data.ts";

const data = blobs(1, { rows: 2000, classes: 3, features: 6 });
const shape = shapeOf(data);
const rows = allRows(data);

describe("rules", () => {
  test.each([hinge({ l2: 0.1, memory: 100 }), logistic({ l2: 0.1, rate: 0.1 })])(
    "the slope of the $kind loss is its derivative",
    ({ loss, slope }) => {
      for (const margin of [-30, -2, -0.5, 0.3, 0.9, 1.1, 4, 30]) {
        const central = (loss(margin + 1e-4) - loss(margin - 1e-4)) / 2e-4;
        expect(slope(margin)).toBeCloseTo(central, 6);
      }
      expect(loss(1000)).toBeGreaterThanOrEqual(0);
      expect(loss(-1000)).toBeGreaterThan(900);
    },
  );

  test("Pegasos: the rate of step t is 1 / (l2 t), up to the memory", () => {
    const { inverseRate } = hinge({ l2: 0.25, memory: 8 });
    expect([1, 2, 8, 9, 1000].map(inverseRate)).toEqual([0.25, 0.5, 2, 2, 2]);
  });
});

const trained = async (model: ModelOptions, rate: number, steps: number, of = data) => {
  const learner = createLearner({ model, data: shapeOf(of) });
  const parameters = learner.initialise(createRandom(1));
  const out = new Float32Array(parameters.length);
  let loss = Number.NaN;
  for (let t = 1; t <= steps; t++) {
    ({ loss } = await learner.step(parameters, { dataset: of, rows: allRows(of) }, out));
    for (let k = 0; k < out.length; k++) parameters[k]! -= (rate / t) * out[k]!;
  }
  return { learner, parameters, loss };
};

describe("as learners", () => {
  test.each([
    { kind: "svm", l2: 0.3, memory: 1, trusted: 1 },
    { kind: "logistic", l2: 0.3, rate: 1, trusted: 1 },
  ] as const)("the gradient of $kind equals central differences of the loss", async (model) => {
    const learner = createLearner({ model, data: shape });
    const random = createRandom(2);
    const parameters = learner.initialise(random).map(() => 0.3 * random.normal());
    const batch = { dataset: data, rows: Uint32Array.of(3, 70, 3, 900, 1500) };
    const out = new Float32Array(parameters.length);
    const scratch = new Float32Array(parameters.length);
    const lossAt = async (k: number, shift: number): Promise<number> => {
      const moved = parameters.slice();
      moved[k]! += shift;
      return (await learner.step(moved, batch, scratch)).loss;
    };
    await learner.step(parameters, batch, out);
    for (let k = 0; k < out.length; k++) {
      const central = ((await lossAt(k, 1e-3)) - (await lossAt(k, -1e-3))) / 2e-3;
      expect(out[k]).toBeCloseTo(central, 3);
    }
    expect(learner.layout.tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ["weight", [3, 6]],
      ["bias", [3]],
    ]);
  });

  test("Pegasos finds the margin of separable data: f = l2/2 |w|^2 + hinge, at w of the closed form", async () => {
    // Two points at +1 and -1 on one axis. With y w x >= 1 in reach of l2, w = 1 and b = 0 at both classes' rows.
    const two: DenseDataset = {
      kind: "dense",
      rows: 2,
      shape: [1],
      features: Float32Array.of(1, -1),
      scale: 1,
      offset: 0,
      labels: Int32Array.of(1, 0),
      classes: 2,
    };
    const l2 = 0.01;
    const model = { kind: "svm", l2, memory: 1, trusted: 1 } as const;
    const { parameters, loss } = await trained(model, 1 / l2, 20_000, two);
    expect(parameters[1]).toBeCloseTo(1, 2);
    expect(parameters[0]).toBeCloseTo(-1, 2);
    expect(parameters[2]! ** 2 + parameters[3]! ** 2).toBeLessThan(1e-3);
    // Two rows, each with l2/2 and no hinge loss left.
    expect(loss).toBeCloseTo(l2, 2);
  });

  test("online Pegasos comes near to the objective that full gradients reach", async () => {
    const l2 = 0.05;
    const model = { kind: "svm", l2, memory: 100_000, trusted: 1 } as const;
    const { learner, parameters } = await trained(model, 1 / l2, 400);
    const best = await learner.judge(parameters, { dataset: data, rows });
    const online = createTailored(model, shape, createRandom(1));
    for (let epoch = 0; epoch < 3; epoch++) await learnAll(online, data, rows);
    const accuracy = await accuracyOn(online, data, rows);
    expect(accuracy).toBeGreaterThan(best.correct! / best.examples - 0.02);
  });

  test("the steps of one worker and of two that average are alike: naive Bayes takes one pass", async () => {
    const model = { kind: "naive-bayes", smoothing: 1e-3, memory: 1e6, trusted: 1 } as const;
    const learner = createLearner({ model, data: shape });
    expect([learner.kind, learner.layout.length]).toEqual(["delta", 3 * (1 + 6 + 6)]);
    const change = async (of: Uint32Array): Promise<Float32Array> => {
      const out = new Float32Array(learner.layout.length);
      await learner.step(learner.initialise(createRandom(1)), { dataset: data, rows: of }, out);
      return out;
    };
    const whole = await change(rows);
    const halves = [await change(rows.subarray(0, 700)), await change(rows.subarray(700))];
    const mean = whole.map((_, k) => (halves[0]![k]! + halves[1]![k]!) / 2);
    for (let k = 0; k < whole.length; k++) expect(2 * mean[k]!).toBeCloseTo(whole[k]!, 1);
    const [a, b] = await Promise.all(
      [whole, mean].map((parameters) => learner.judge(parameters, { dataset: data, rows })),
    );
    expect(a!.correct! / a!.examples).toBeGreaterThan(0.93);
    expect(b!.correct).toBe(a!.correct);
    expect(b!.lossSum).toBeCloseTo(a!.lossSum, 1);
  });
});

const bayes = (memory = 1e6): NaiveBayes =>
  new NaiveBayes(NaiveBayesSpec.parse({ kind: "naive-bayes", memory }), {
    features: 6,
    classes: 3,
  });

/** Mean and population variance of a feature over the rows of a class. */
function moments(of: Uint32Array, c: number, k: number) {
  const values = Array.from(of)
    .filter((row) => data.labels[row] === c)
    .map((row) => data.features[row * 6 + k]!);
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  return { count: values.length, mean, variance };
}

function expectStatistics(model: NaiveBayes, of: Uint32Array): void {
  for (let c = 0; c < 3; c++)
    for (let k = 0; k < 6; k++) {
      const wanted = moments(of, c, k);
      const found = model.statistics(c)!;
      expect(found.count).toBe(wanted.count);
      expect(found.mean[k]).toBeCloseTo(wanted.mean, 3);
      expect(found.variance[k]).toBeCloseTo(wanted.variance, 3);
    }
}

describe("naive Bayes", () => {
  test("example by example gives the batch's means and variances", async () => {
    const model = bayes();
    await learnAll(model, data, rows);
    expectStatistics(model, rows);
  });

  test("two sites' statistics pool to those of all examples, wherever the cut is", async () => {
    const cut = fc.integer({ min: 400, max: 1600 });
    await fc.assert(
      fc.asyncProperty(cut, async (at) => {
        const [a, b] = [bayes(), bayes()];
        await learnAll(a, data, rows.subarray(0, at));
        await learnAll(b, data, rows.subarray(at));
        const classes = [0, 1, 2];
        const packed = b.pack({ classes, maxBytes: 1e6 })!;
        a.merge(packed, { classes, counts: new Uint32Array(3).fill(1000) });
        expectStatistics(a, rows);
      }),
      { numRuns: 8, seed: 1 },
    );
  });

  test("where the site has had few examples of the class, the portion takes the place of its own", async () => {
    const [a, b] = [bayes(), bayes()];
    await learnAll(a, data, rows.subarray(0, 60));
    await learnAll(b, data, rows.subarray(60));
    const packed = b.pack({ classes: [0, 1, 2], maxBytes: 1e6 })!;
    a.merge(packed, { classes: [0, 1, 2], counts: new Uint32Array(3) });
    expectStatistics(a, rows.subarray(60));
  });

  test("its density is the Gaussian's", async () => {
    const model = bayes();
    await learnAll(model, data, rows);
    const out = new Int32Array(rows.length);
    await model.predict({ dataset: data, rows }, out);
    const { smoothing } = NaiveBayesSpec.parse({ kind: "naive-bayes" });
    const score = (row: number, c: number): number => {
      const { mean, variance } = model.statistics(c)!;
      let sum = 0;
      for (let k = 0; k < 6; k++) {
        const wide = variance[k]! + smoothing;
        const apart = data.features[row * 6 + k]! - mean[k]!;
        sum -= (Math.log(2 * Math.PI * wide) + (apart * apart) / wide) / 2;
      }
      return sum;
    };
    let clear = 0;
    for (const row of rows) {
      const scores = [0, 1, 2].map((c) => score(row, c));
      const [first, second] = [...scores].sort((a, b) => b - a) as [number, number, number];
      // Priors of three classes that are about as frequent decide close cases only.
      if (first - second < 0.5) continue;
      clear++;
      expect(out[row]).toBe(scores.indexOf(first));
    }
    expect(clear).toBeGreaterThan(1800);
  });
});
