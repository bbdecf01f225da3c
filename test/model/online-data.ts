/** Real data sets and generated streams on which the online models are tried. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DenseDataset } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { loadData } from "../../src/data/load.ts";
import { DataSpec } from "../../src/data/spec.ts";
import type { TailoredModel } from "../../src/model/tailored.ts";

const ROOT = process.env["PANGAEA_DATA"] ?? join(import.meta.dirname, "../../../shared/data");

const host = {
  roots: [ROOT],
  exists: async (path: string) => existsSync(path),
  readFile: async (path: string) => new Uint8Array(await readFile(path)),
};

const load = async (spec: unknown): Promise<DenseDataset> => {
  const { train } = await loadData(DataSpec.parse(spec), host, createRandom(5));
  return train as DenseDataset;
};

const DOS = "back land neptune pod smurf teardrop apache2 udpstorm processtable worm mailbomb";
const PROBE = "satan ipsweep nmap portsweep mscan saint";
const U2R = "buffer_overflow loadmodule rootkit perl sqlattack xterm ps";

/** Connections as normal, DoS, probe, U2R or R2L, in the order of the file. */
export async function nslKdd(): Promise<DenseDataset> {
  const names = (await readFile(join(ROOT, "nsl-kdd/columns.txt"), "utf8")).trim().split(/\s+/);
  const groups = {
    normal: ["normal"],
    dos: DOS.split(" "),
    probe: PROBE.split(" "),
    u2r: U2R.split(" "),
  };
  return load({
    kind: "csv",
    path: "nsl-kdd/KDDTrain+_20Percent.txt",
    testPath: "nsl-kdd/KDDTest+.txt",
    schema: {
      names,
      columns: {
        protocol_type: "categorical",
        service: "categorical",
        flag: "categorical",
        label: "label",
        difficulty: "ignore",
      },
      others: "numeric",
      label: { as: "groups", groups, rest: "r2l" },
    },
  });
}

/** 60,000 handwritten digits. */
export const mnist = (): Promise<DenseDataset> => load({ kind: "idx", path: "mnist" });

/** Prices of electricity up or down, in the order of time. */
export const elec2 = (): Promise<DenseDataset> =>
  load({
    kind: "csv",
    path: "elec2/elec.csv",
    testShare: 0,
    schema: { columns: { class: "label" }, others: "numeric" },
  });

export interface Prequential {
  /** Share of right predictions, over all rows and over the last half. */
  readonly accuracy: number;
  readonly later: number;
}

/** Predicts every batch, then learns it. */
export async function prequential(
  model: TailoredModel,
  dataset: DenseDataset,
  rows: Uint32Array,
  batchSize = 32,
): Promise<Prequential> {
  const out = new Int32Array(batchSize);
  let [right, later] = [0, 0];
  const batches = Math.floor(rows.length / batchSize);
  for (let b = 0; b < batches; b++) {
    const batch = { dataset, rows: rows.subarray(b * batchSize, (b + 1) * batchSize) };
    await model.predict(batch, out);
    for (let i = 0; i < batchSize; i++)
      if (out[i] === dataset.labels[batch.rows[i] as number]) {
        right++;
        if (b >= batches / 2) later++;
      }
    await model.learn(batch);
  }
  const all = batches * batchSize;
  return { accuracy: right / all, later: later / ((batches - Math.ceil(batches / 2)) * batchSize) };
}

export const allRows = (dataset: DenseDataset): Uint32Array =>
  Uint32Array.from({ length: dataset.rows }, (_, row) => row);

/** Rows around one mean a class, of deviation 1, means `apart` from zero on average; labels uniform. */
export function blobs(
  seed: number,
  { rows = 4000, classes = 5, features = 8, apart = 2 } = {},
): DenseDataset {
  const random = createRandom(seed);
  const means = Float64Array.from({ length: classes * features }, () => apart * random.normal());
  const labels = Int32Array.from({ length: rows }, () => random.integer(classes));
  const values = new Float32Array(rows * features);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < features; k++)
      values[i * features + k] = means[labels[i]! * features + k]! + random.normal();
  const shape = [features];
  return { kind: "dense", rows, shape, features: values, scale: 1, offset: 0, labels, classes };
}

/** Rows whose class is among these. */
export const rowsOfClasses = (data: DenseDataset, classes: readonly number[]): Uint32Array =>
  allRows(data).filter((row) => classes.includes(data.labels[row]!));

/** Share of the rows that the model foretells. */
export async function accuracyOn(
  model: TailoredModel,
  dataset: DenseDataset,
  rows: Uint32Array,
): Promise<number> {
  const out = new Int32Array(rows.length);
  await model.predict({ dataset, rows }, out);
  return out.filter((c, i) => c === dataset.labels[rows[i]!]).length / rows.length;
}

/** Learns the rows in batches, without being asked first. */
export async function learnAll(
  model: TailoredModel,
  dataset: DenseDataset,
  rows: Uint32Array,
  batchSize = 16,
): Promise<void> {
  for (let at = 0; at < rows.length; at += batchSize)
    await model.learn({ dataset, rows: rows.subarray(at, at + batchSize) });
}

export const countsOf = (data: DenseDataset, rows: Uint32Array): Uint32Array => {
  const counts = new Uint32Array(data.classes);
  for (const row of rows) counts[data.labels[row]!]!++;
  return counts;
};
