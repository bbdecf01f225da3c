/** What can be trained besides a classifier: objectives in turn, targets without labels, several inputs, parts. */
import { afterAll, describe, expect, test } from "vitest";
import type { Batch, DenseDataset } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { ModelBuilder } from "../../src/model/build/builder.ts";
import { createLearner } from "../../src/model/create.ts";
import { viewOf } from "../../src/model/layout.ts";
import type { Learner } from "../../src/model/learner.ts";
import type { ModelValue } from "../../src/model/onnx/model.ts";
import { writeModelFile } from "../../src/model/onnx/proto/write.ts";
import { createRuntime } from "../../src/model/onnx/run.ts";
import { type ModelSpec, OnnxSpec, SequentialSpec } from "../../src/model/spec.ts";
import { startedModel } from "../../src/model/started.ts";

const runtime = createRuntime();
const open: Learner[] = [];
afterAll(() => Promise.all(open.map((learner) => learner.close())));

const learnerOf = (spec: ModelSpec): Learner => {
  const learner = createLearner(spec, runtime);
  open.push(learner);
  return learner;
};

/** Points near a circle in four dimensions, in two classes by their half. */
function points(rows: number): DenseDataset {
  const random = createRandom(4);
  const features = new Float32Array(rows * 4);
  const labels = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const angle = 2 * Math.PI * random.next();
    const [x, y] = [Math.cos(angle), Math.sin(angle)];
    features.set([x, y, x + y, x - y], row * 4);
    labels[row] = y > 0 ? 1 : 0;
  }
  return { kind: "dense", rows, shape: [4], features, scale: 1, offset: 0, labels, classes: 2 };
}

const data = points(256);
const DATA = { kind: "dense", shape: [4], classes: 2 } as const;

const batchAt = (clock: number, size = 32): Batch => ({
  dataset: data,
  rows: Uint32Array.from({ length: size }, (_, i) => (clock * size + i) % data.rows),
  draw: { worker: 0, clock },
});

async function descend(learner: Learner, clocks: number, rate: number) {
  const parameters = learner.initialise(createRandom(2));
  const update = new Float32Array(parameters.length);
  const losses: number[] = [];
  for (let clock = 0; clock < clocks; clock++) {
    losses.push((await learner.step(parameters, batchAt(clock), update)).loss);
    for (let i = 0; i < update.length; i++)
      (parameters[i] as number) -= rate * (update[i] as number);
  }
  return { parameters, losses };
}

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));

/** Elements of the tensors whose names begin with `prefix`. */
const part = (learner: Learner, flat: Float32Array, prefix: string): number[] =>
  learner.layout.tensors
    .filter(({ name }) => name.startsWith(prefix))
    .flatMap((tensor) => [...viewOf(flat, tensor)]);

/** A file of a model made with the builder. */
const fileOf = (make: (builder: ModelBuilder) => ModelValue[]): Uint8Array => {
  const builder = new ModelBuilder();
  const outputs = make(builder);
  return writeModelFile(startedModel(builder.build(outputs), createRandom(9)));
};

const fromFile = (file: Uint8Array, options: object): ModelSpec => ({
  model: OnnxSpec.parse({ kind: "onnx", path: "made.onnx", ...options }),
  data: DATA,
  file,
});

test("an autoencoder learns to give back its input", async () => {
  const model = SequentialSpec.parse({
    kind: "sequential",
    layers: [{ dense: 2 }, { dense: 4 }],
    loss: "squared-error",
    target: "input",
  });
  const learner = learnerOf({ model, data: DATA });
  const { losses, parameters } = await descend(learner, 300, 0.1);
  expect(losses[0]).toBeGreaterThan(0.3);
  // The points lie in a plane, so two numbers are enough.
  expect(losses.at(-1)).toBeLessThan(0.01);
  const judged = await learner.judge(parameters, batchAt(0, 100));
  expect(judged).toEqual({ examples: 100, lossSum: expect.any(Number) });
});

describe("a GAN", () => {
  /** Weights by name, used where they are named: the discriminator sees real and made points. */
  const gan = fileOf((builder) => {
    const layers = new Map<string, ModelValue>();
    const dense = (x: ModelValue, name: string, inputs: number, outputs: number): ModelValue => {
      const weight =
        layers.get(name) ??
        builder.weight(name, [outputs, inputs], {
          kind: "normal",
          deviation: 0.5,
        });
      layers.set(name, weight);
      const result = { name: builder.layerName(`${name}_at`), shape: ["batch", outputs] };
      return builder.node("Gemm", [x, weight], { transB: { int: 1 } }, result);
    };
    const relu = (x: ModelValue): ModelValue =>
      builder.node("Relu", [x], {}, { name: builder.layerName("relu"), shape: x.shape });
    const discriminate = (x: ModelValue): ModelValue =>
      dense(relu(dense(x, "d.1", 4, 16)), "d.2", 16, 1);
    const real = builder.input("real", ["batch", 4]);
    const noise = builder.input("noise", ["batch", 2]);
    const made = dense(relu(dense(noise, "g.1", 2, 16)), "g.2", 16, 4);
    return [discriminate(real), discriminate(made)];
  });
  const spec = fromFile(gan, {
    inputs: { real: { columns: [0, 4] }, noise: { noise: "normal" } },
    objectives: [
      {
        name: "discriminator",
        train: ["d.*"],
        terms: [
          { loss: "binary-cross-entropy", output: "d.2_at1", target: 1 },
          { loss: "binary-cross-entropy", output: "d.2_at2", target: 0 },
        ],
      },
      {
        name: "generator",
        train: ["g.*"],
        terms: [{ loss: "binary-cross-entropy", output: "d.2_at2", target: 1 }],
      },
    ],
  });

  test("its sides take turns: a step changes one and leaves the other", async () => {
    const learner = learnerOf(spec);
    const parameters = learner.initialise(createRandom(1));
    const update = new Float32Array(parameters.length).fill(7);
    await learner.step(parameters, batchAt(0), update);
    expect(norm(part(learner, update, "d."))).toBeGreaterThan(0.01);
    expect(norm(part(learner, update, "g."))).toBe(0);
    update.fill(7);
    await learner.step(parameters, batchAt(1), update);
    expect(norm(part(learner, update, "d."))).toBe(0);
    expect(norm(part(learner, update, "g."))).toBeGreaterThan(0.01);
  });

  test("noise is drawn anew at each clock and is the same for the same clock", async () => {
    const learner = learnerOf(spec);
    const parameters = learner.initialise(createRandom(1));
    const at = async (clock: number): Promise<number> => {
      const update = new Float32Array(parameters.length);
      return (await learner.step(parameters, { ...batchAt(0), draw: { worker: 0, clock } }, update))
        .loss;
    };
    expect(await at(0)).toBe(await at(0));
    expect(await at(0)).not.toBe(await at(2));
  });
});

test("contrastive learning without labels: two views of a row come closer than others", async () => {
  const file = fileOf((builder) => {
    const views = ["a", "b"].map((name) => builder.input(name, ["batch", 2]));
    const weight = builder.weight("shared", [8, 2], { kind: "normal", deviation: 1 });
    return views.map((view, i) =>
      builder.node(
        "Gemm",
        [view, weight],
        { transB: { int: 1 } },
        {
          name: `view_${i}`,
          shape: ["batch", 8],
        },
      ),
    );
  });
  const learner = learnerOf(
    fromFile(file, {
      inputs: { a: { columns: [0, 2] }, b: { columns: [2, 4] } },
      loss: { kind: "info-nce", temperature: 0.2 },
      output: "view_0",
      target: { output: "view_1" },
    }),
  );
  const { losses } = await descend(learner, 120, 0.2);
  expect(losses.at(-1)).toBeLessThan(0.8 * (losses[0] as number));
});

describe("parts of a model", () => {
  const model = (options: object): ModelSpec => ({
    model: SequentialSpec.parse({
      kind: "sequential",
      layers: [{ dense: 6 }, "relu", { dense: 2 }],
      ...options,
    }),
    data: DATA,
  });

  test("only the head is trained, the rest stays in the graph", async () => {
    const learner = learnerOf(model({ train: ["dense2.*"] }));
    expect(learner.layout.tensors.map(({ name }) => name)).toEqual([
      "dense2.weight",
      "dense2.bias",
    ]);
    const whole = learnerOf(model({}));
    const start = whole.initialise(createRandom(2));
    const values = Object.fromEntries(
      whole.layout.tensors.map((tensor) => [
        tensor.name,
        { shape: tensor.shape, data: viewOf(start, tensor).slice() },
      ]),
    );
    const tuned = learnerOf({ ...model({ train: ["dense2.*"] }), values });
    const update = new Float32Array(tuned.layout.length);
    await tuned.step(tuned.initialise(createRandom(5)), batchAt(0), update);
    const all = new Float32Array(start.length);
    await whole.step(start, batchAt(0), all);
    const wanted = part(whole, all, "dense2.");
    update.forEach((value, i) => {
      expect(value).toBeCloseTo(wanted[i] as number, 6);
    });
  });

  test.each([
    [["dense9.*"], "no tensor matches dense9.*"],
    [["!dense*"], "the patterns leave nothing"],
  ])("patterns %j", (train, message) => {
    expect(() => createLearner(model({ train }))).toThrow(message);
    expect(() => createLearner(model({ train }))).toThrow("model.train");
  });

  test("a bound on the gradient's norm, and one on its elements", async () => {
    const free = learnerOf(model({}));
    const start = free.initialise(createRandom(2));
    const gradient = new Float32Array(start.length);
    await free.step(start, batchAt(0), gradient);
    const length = norm(gradient);
    const bounded = new Float32Array(start.length);
    await learnerOf(model({ clip: { norm: length / 2 } })).step(start, batchAt(0), bounded);
    bounded.forEach((value, i) => {
      expect(value).toBeCloseTo((gradient[i] as number) / 2, 5);
    });
    const largest = Math.max(...gradient.map(Math.abs));
    await learnerOf(model({ clip: { value: largest / 3 } })).step(start, batchAt(0), bounded);
    expect(Math.max(...bounded.map(Math.abs))).toBeCloseTo(largest / 3, 6);
  });
});

test("two outputs with weights: the gradient is the weighted sum of theirs", async () => {
  const file = fileOf((builder) => {
    const x = builder.input("x", ["batch", 4]);
    const trunk = builder.apply(x, [{ dense: 5 }, "relu"]);
    return [builder.apply(trunk, [{ dense: 2 }]), builder.apply(trunk, [{ dense: 1 }])];
  });
  const classes = { loss: "softmax-cross-entropy", output: "dense2", target: "label" };
  const sum = { loss: "squared-error", output: "dense3", target: { columns: [2, 3] } };
  const gradientOf = async (terms: object[]): Promise<Map<string, number[]>> => {
    const objectives = [{ name: "both", train: ["dense1.*"], terms }];
    const learner = learnerOf(fromFile(file, { objectives }));
    const update = new Float32Array(learner.layout.length);
    await learner.step(learner.initialise(createRandom(1)), batchAt(0), update);
    return new Map(learner.layout.tensors.map((at) => [at.name, [...viewOf(update, at)]]));
  };
  const [first, second, both] = [
    await gradientOf([classes]),
    await gradientOf([sum]),
    await gradientOf([classes, { ...sum, weight: 0.5 }]),
  ];
  for (const [name, values] of both)
    values.forEach((value, i) => {
      const parts = (first.get(name)?.[i] as number) + 0.5 * (second.get(name)?.[i] as number);
      expect(value).toBeCloseTo(parts, 5);
    });
});

test("a loss that looks across the batch is judged alike whatever was judged before", async () => {
  const model = SequentialSpec.parse({
    kind: "sequential",
    layers: [{ dense: 2 }],
    loss: { kind: "softmax-cross-entropy", classWeights: [1, 20] },
  });
  const learner = learnerOf({ model, data: DATA });
  const parameters = learner.initialise(createRandom(1));
  const first = await learner.judge(parameters, batchAt(0, 20));
  await learner.judge(parameters, batchAt(5, 32));
  expect(await learner.judge(parameters, batchAt(0, 20))).toEqual(first);
  const update = new Float32Array(parameters.length);
  const { loss } = await learner.step(parameters, batchAt(0, 20), update);
  expect(first.lossSum / 20).toBeCloseTo(loss, 5);
});

test("starting weights of another shape are refused, also where they have as many elements", () => {
  const model = SequentialSpec.parse({ kind: "sequential", layers: [{ dense: 2 }] });
  const values = { "dense1.weight": { shape: [4, 2], data: new Float32Array(8) } };
  expect(() => createLearner({ model, data: DATA, values })).toThrow(
    "tensor dense1.weight is [4, 2] there, the model's [2, 4]",
  );
});

test("a file with its batch size built in is refused where it is bound to another", async () => {
  const file = fileOf((builder) => {
    const x = builder.input("x", ["batch", 4]);
    const weight = builder.weight("w", [2, 4], { kind: "normal", deviation: 1 });
    const result = { name: "h", shape: ["batch", 2] };
    const hidden = builder.node("Gemm", [x, weight], { transB: { int: 1 } }, result);
    return [builder.reshape(hidden, [1, -1], { name: "y", shape: [1, 2] })];
  });
  const learner = learnerOf(fromFile(file, {}));
  const parameters = learner.initialise(createRandom(1));
  const step = learner.step(parameters, batchAt(0, 8), new Float32Array(parameters.length));
  await expect(step).rejects.toThrow("output y is [1, 16] for a batch of 8");
});

test("what fills the inputs must be said where there are several", () => {
  const file = fileOf((builder) => {
    const [a, b] = ["a", "b"].map((name) => builder.input(name, ["batch", 2])) as [
      ModelValue,
      ModelValue,
    ];
    return [builder.apply(builder.concat([a, b]), [{ dense: 2 }])];
  });
  expect(() => createLearner(fromFile(file, {}))).toThrow(
    "nothing says what fills a, b (inputs: { a: { columns: [0, 4] } })",
  );
  const twice = { inputs: { a: { columns: [0, 2] }, b: { columns: [3, 5] } } };
  expect(() => createLearner(fromFile(file, twice))).toThrow(
    "columns [3, 5) of rows with 4 features",
  );
  const unknown = { inputs: { c: { columns: [0, 2] } } };
  expect(() => createLearner(fromFile(file, unknown))).toThrow("the model has no input c");
});
