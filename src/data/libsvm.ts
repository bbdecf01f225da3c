/**
 * LIBSVM text: `label index:value …`, indices from 1, ascending, what is not named is 0. Read into dense
 * rows, for few features.
 */
import type { DenseDataset } from "../core/dataset.ts";
import { type ByteSource, badData, sharedInts } from "./bytes.ts";
import { GrowingFloats } from "./growing.ts";
import { linesOf, type Place, parseNumber } from "./text.ts";

export interface LibsvmOptions {
  /** Number of features: the largest index. */
  readonly features: number;
  readonly target: "class" | "number";
  /** The labels that stand for classes 0, 1, …; absent: those that occur, ascending. */
  readonly labels?: readonly number[] | undefined;
}

/** Reads rows as they stream by. Answers the data and the labels of its classes. */
export async function readLibsvm(
  source: ByteSource,
  file: string,
  options: LibsvmOptions,
): Promise<{ readonly dataset: DenseDataset; readonly labels: readonly number[] }> {
  const { features: width, target } = options;
  const allowed = options.labels?.map(Math.fround);
  const known = allowed && new Set(allowed);
  const features = new GrowingFloats();
  const targets = new GrowingFloats();
  const row = new Float32Array(width);
  for await (const { text, place } of linesOf(source, file)) {
    const [label, ...pairs] = text.replace(/#.*/, "").trim().split(/\s+/);
    if (label === undefined || label === "") continue;
    const value = Math.fround(parseNumber(label) ?? Number.NaN);
    if (Number.isNaN(value)) throw badData({ ...place, message: `label "${label}" is no number` });
    if (known && !known.has(value))
      throw badData({
        ...place,
        message: `label "${label}" is out of range`,
        fix: `the labels are ${options.labels?.join(", ")}`,
      });
    readPairs(pairs, row.fill(0), place);
    for (const feature of row) features.push(feature);
    targets.push(value);
  }
  const rows = targets.length;
  if (rows === 0) throw badData({ file, offset: 0, message: "holds no rows" });
  const values = targets.shared();
  const labels = target === "number" ? [] : (allowed ?? ascending(values));
  const dense = { kind: "dense", rows, shape: [width], scale: 1, offset: 0 } as const;
  const answers = target === "number" ? values : toClasses(values, labels);
  return {
    dataset: { ...dense, features: features.shared(), labels: answers, classes: labels.length },
    labels,
  };
}

function readPairs(pairs: readonly string[], row: Float32Array, place: Place): void {
  let last = 0;
  for (const pair of pairs) {
    const colon = pair.indexOf(":");
    const index = /^\d+$/.test(pair.slice(0, colon)) ? Number(pair.slice(0, colon)) : 0;
    const value = parseNumber(pair.slice(colon + 1));
    if (colon < 0 || value === undefined)
      throw badData({ ...place, message: `"${pair}" is not index:value` });
    if (index < 1 || index > row.length)
      throw badData({
        ...place,
        message: `feature "${pair.slice(0, colon)}" is out of range: there are ${row.length} from 1`,
      });
    if (index <= last)
      throw badData({ ...place, message: `feature "${index}" does not come after "${last}"` });
    row[index - 1] = value;
    last = index;
  }
}

const ascending = (values: Float32Array): number[] => [...new Set(values)].sort((a, b) => a - b);

function toClasses(values: Float32Array, labels: readonly number[]): Int32Array {
  const classOf = new Map(labels.map((label, index) => [label, index]));
  const classes = sharedInts(values.length);
  for (let k = 0; k < values.length; k++) classes[k] = classOf.get(values[k]!)!;
  return classes;
}
