/**
 * Online learners on one core: rows a second that are predicted and learnt, as a stream of batches does it, after a warm-up
 * in which the models grow; then processor time a row, bytes, modelled operations and prequential accuracy of each.
 *   npx tsx bench/online.ts [--json]     needs the data sets (PANGAEA_DATA)
 */
import { type DenseDataset, shapeOf } from "../src/core/dataset.ts";
import { createRandom } from "../src/core/random.ts";
import { tailoredModels } from "../src/model/online/create.ts";
import type { TailoredModel } from "../src/model/tailored.ts";
import { allRows, mnist, nslKdd, prequential } from "../test/model/online-data.ts";
import { type Case, measure, print } from "./harness.ts";

type Spec = Parameters<typeof tailoredModels>[0];

const BATCH = 16;
/** Rows that a model has met before it is measured. */
const WARM = 8000;
const MEASURED = 1600;
/** Of which the fastest counts, in processor time: a busy machine takes nothing from that. */
const TURNS = 7;

const specs = (classes: number): readonly (readonly [string, Spec])[] => {
  const layers = ["flatten" as const, { dense: 32 }, "relu" as const, { dense: classes }];
  return [
    ["forest, 10 trees", { kind: "forest" }],
    ["forest, 5 trees of 63 nodes", { kind: "forest", trees: 5, maxNodes: 63, bins: 4 }],
    ["svm", { kind: "svm" }],
    ["logistic", { kind: "logistic" }],
    ["naive-bayes", { kind: "naive-bayes" }],
    ["graph, 32 units", { kind: "graph", layers }],
    ["graph, 32 units, boost", { kind: "graph", layers, transfer: "boost" }],
  ];
};

interface Subject {
  readonly name: string;
  readonly model: TailoredModel;
  readonly accuracy: number;
}

async function subjectsOf(dataset: DenseDataset): Promise<readonly Subject[]> {
  const rows = allRows(dataset).subarray(0, WARM);
  const subjects: Subject[] = [];
  for (const [name, spec] of specs(dataset.classes)) {
    const model = tailoredModels(spec, shapeOf(dataset))(createRandom(1));
    const { later } = await prequential(model, dataset, rows, BATCH);
    subjects.push({ name, model, accuracy: later });
  }
  return subjects;
}

function casesOf(dataset: DenseDataset, subjects: readonly Subject[]): readonly Case[] {
  const rows = allRows(dataset).subarray(WARM, WARM + MEASURED);
  const out = new Int32Array(BATCH);
  const each = async (work: (batch: { dataset: DenseDataset; rows: Uint32Array }) => unknown) => {
    for (let at = 0; at < rows.length; at += BATCH)
      await work({ dataset, rows: rows.subarray(at, at + BATCH) });
    return rows.length;
  };
  return subjects.flatMap(({ name, model }): Case[] => [
    { name: `${name}: predict`, unit: "rows/s", run: () => each((b) => model.predict(b, out)) },
    {
      name: `${name}: predict and learn`,
      unit: "rows/s",
      run: () =>
        each(async (batch) => {
          await model.predict(batch, out);
          await model.learn(batch);
        }),
    },
  ]);
}

/** Microseconds of processor time a row. */
async function microsOf({ run }: Case): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < TURNS; turn++) {
    const before = process.cpuUsage();
    const count = await run();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / count);
  }
  return least;
}

for (const [title, load] of [
  ["NSL-KDD, 118 features, 5 classes", nslKdd],
  ["MNIST, 784 features, 10 classes", mnist],
] as const) {
  const dataset = await load();
  const subjects = await subjectsOf(dataset);
  const cases = casesOf(dataset, subjects);
  print(await measure(title, cases));
  if (!process.argv.includes("--json")) {
    const line = (cells: readonly string[]): string =>
      `  ${(cells[0] ?? "").padEnd(30)}${cells
        .slice(1)
        .map((cell) => cell.padStart(13))
        .join("")}\n`;
    process.stdout.write(
      line(["", "us to predict", "and learn", "bytes", "ops to learn", "accuracy"]),
    );
    for (const [i, { name, model, accuracy }] of subjects.entries()) {
      const pair = cases.slice(2 * i, 2 * i + 2);
      const micros: string[] = [];
      for (const one of pair) micros.push((await microsOf(one)).toFixed(1));
      const batch = { dataset, rows: allRows(dataset).subarray(0, BATCH) };
      const bytes = model.bytes();
      const flops = (await model.learn(batch)) / BATCH;
      const cells = [bytes, Math.round(flops)].map((value) => value.toLocaleString("en"));
      process.stdout.write(line([name, ...micros, ...cells, accuracy.toFixed(3)]));
    }
  }
  for (const { model } of subjects) await model.close();
}
