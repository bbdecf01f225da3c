/**
 * Training steps per second on one core: gather the batch, forward, backward, gradients in the caller's
 * shared memory; beside the same step in plain JavaScript loops.
 *   npx tsx bench/learners.ts [--json]
 */
import type { DenseDataset } from "../src/core/dataset.ts";
import { createRandom } from "../src/core/random.ts";
import { createLearner } from "../src/model/create.ts";
import type { Learner } from "../src/model/learner.ts";
import { createRuntime } from "../src/model/onnx/run.ts";
import { type LayerSpec, type ModelSpec, SequentialSpec } from "../src/model/spec.ts";
import { plainModel } from "../test/model/plain.ts";
import { measure, print } from "./harness.ts";

interface Subject {
  readonly name: string;
  readonly layers: readonly LayerSpec[];
  readonly batch: number;
  readonly goal: number;
  /** Steps a run: ours, and the baseline's. */
  readonly steps: readonly [number, number];
}

const conv = (filters: number): LayerSpec => ({
  conv: filters,
  kernel: 5,
  padding: "same",
  stride: 1,
});
const SUBJECTS: readonly Subject[] = [
  {
    name: "softmax regression",
    layers: ["flatten", { dense: 10 }],
    batch: 64,
    goal: 6000,
    steps: [2000, 100],
  },
  {
    name: "MLP 784-256-128-10",
    layers: ["flatten", { dense: 256 }, "relu", { dense: 128 }, "relu", { dense: 10 }],
    batch: 64,
    goal: 400,
    steps: [200, 5],
  },
  {
    name: "CNN, 1,663,370 parameters",
    layers: [
      conv(32),
      "relu",
      { maxPool: 2 },
      conv(64),
      "relu",
      { maxPool: 2 },
      "flatten",
      { dense: 512 },
      "relu",
      { dense: 10 },
    ],
    batch: 32,
    goal: 12,
    steps: [10, 1],
  },
];

const SHAPE = [1, 28, 28];

function digits(rows: number): DenseDataset {
  const random = createRandom(1);
  const features = new Uint8Array(new SharedArrayBuffer(rows * 784));
  const labels = new Int32Array(new SharedArrayBuffer(rows * 4));
  for (let k = 0; k < features.length; k++) features[k] = random.integer(256);
  for (let k = 0; k < rows; k++) labels[k] = random.integer(10);
  return {
    kind: "dense",
    rows,
    shape: SHAPE,
    features,
    scale: 1 / 255,
    offset: 0,
    labels,
    classes: 10,
  };
}

const shared = (length: number): Float32Array =>
  new Float32Array(new SharedArrayBuffer(length * 4));

async function compare({ name, layers, batch, goal, steps }: Subject): Promise<void> {
  const dataset = digits(2048);
  const rows = Uint32Array.from({ length: batch }, (_, i) => i * 31);
  const spec: ModelSpec = {
    model: SequentialSpec.parse({ kind: "sequential", layers }),
    data: { kind: "dense", shape: SHAPE, classes: 10 },
  };
  const learner = createLearner(spec);
  const fallback = createLearner(spec, createRuntime({ only: "wasm" }));
  const parameters = shared(learner.layout.length);
  parameters.set(learner.initialise(createRandom(2)));
  const out = shared(learner.layout.length);

  const plain = plainModel(layers, SHAPE, batch, (length) => new Float32Array(length));
  const own = parameters.slice();
  const gradients = new Float32Array(own.length);
  const x = new Float32Array(batch * 784);
  const labels = new Int32Array(batch);

  const train = async (by: Learner): Promise<number> => {
    for (let i = 0; i < steps[0]; i++) await by.step(parameters, { dataset, rows }, out);
    return steps[0];
  };
  const report = await measure(
    `learners: ${name}, batch ${batch}, ${(learner.flops(batch) / 1e6).toFixed(1)} MFLOP a step`,
    [
      { name: "pangaea, native", unit: "steps/s", goal, run: () => train(learner) },
      { name: "pangaea, WebAssembly", unit: "steps/s", run: () => train(fallback) },
      {
        name: "plain JavaScript",
        unit: "steps/s",
        run: () => {
          for (let i = 0; i < steps[1]; i++) {
            rows.forEach((row, n) => {
              for (let k = 0; k < 784; k++)
                x[n * 784 + k] = (dataset.features[row * 784 + k] as number) * dataset.scale;
              labels[n] = dataset.labels[row] as number;
            });
            plain.step(x, labels, own, gradients);
          }
          return steps[1];
        },
      },
    ],
    { baseline: "plain JavaScript" },
  );
  print(report);
  await learner.close();
  await fallback.close();
}

for (const subject of SUBJECTS) await compare(subject);
