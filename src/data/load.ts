/**
 * From what the user wrote under `data:` to a training and a test set in shared memory. The caller reads
 * files; the test rows, where they must be drawn, come from the caller's random stream.
 */
import type { Dataset, DenseDataset } from "../core/dataset.ts";
import type { Random } from "../core/random.ts";
import { gunzipped } from "./bytes.ts";
import { readCsv } from "./csv.ts";
import type { CsvSchema } from "./csv-schema.ts";
import { encodeTable } from "./encode.ts";
import { type DataHost, read } from "./files.ts";
import { generateDigits } from "./generated-digits.ts";
import { hasIdx, readIdxFolder } from "./idx-folder.ts";
import { readLibsvm } from "./libsvm.ts";
import type { Places } from "./own/contract.ts";
import type { NaturalSites } from "./partition.ts";
import { holdOutPerUser, readRatings } from "./ratings.ts";
import { allRows, holdOut, takeRows } from "./rows.ts";
import type { DataSpec } from "./spec.ts";
import { momentsOfFeatures, standardised } from "./standard.ts";
import { readText } from "./text-windows.ts";

export type { DataHost };

export interface LoadedData {
  readonly train: Dataset;
  readonly test: Dataset;
  /** Each site has its own records, and these rows are some of them or all. */
  readonly places?: Places | undefined;
  /** Sites that the data name, of the training rows. */
  readonly natural?: NaturalSites | undefined;
  /** Names of the classes, where they are more than numbers. */
  readonly classNames?: readonly string[] | undefined;
  /** Where the data came from: a path, or "generated". */
  readonly origin: string;
  /** What the user should be told. */
  readonly note?: string | undefined;
}

type Spec<Kind> = Extract<DataSpec, { readonly kind: Kind }>;

/** Loads the data. `random` draws held-out rows and generated digits. */
export async function loadData(
  spec: DataSpec,
  host: DataHost,
  random: Random,
): Promise<LoadedData> {
  switch (spec.kind) {
    case "idx":
      return loadIdx(spec, host, random);
    case "digits":
      return {
        ...maybeStandardised(spec, digits(spec.rows, spec.testRows, random)),
        origin: "generated",
      };
    case "ratings":
      return loadRatings(spec, host, random);
    case "csv":
      return loadCsv(spec, host, random);
    case "libsvm":
      return loadLibsvm(spec, host, random);
    case "text":
      return loadText(spec, host);
    default:
      return spec satisfies never;
  }
}

const digits = (rows: number, testRows: number, random: Random) => ({
  train: generateDigits(rows, random.stream("train")),
  test: generateDigits(testRows, random.stream("test")),
});

async function loadIdx(spec: Spec<"idx">, host: DataHost, random: Random): Promise<LoadedData> {
  const { path, testPath = path, classes } = spec;
  if (spec.fallback && !(await hasIdx(path, host))) {
    const made = digits(spec.trainRows ?? 60_000, spec.testRows ?? 10_000, random);
    const note =
      `No real digits at ${path}: generated ones take their place. ` +
      "For MNIST: pangaea data fetch mnist, or name its folder with PANGAEA_DATA.";
    return { ...maybeStandardised(spec, made), origin: "generated", note };
  }
  const train = await readIdxFolder(path, "train", host, { classes, rows: spec.trainRows });
  const test = await readIdxFolder(testPath, "test", host, { classes, rows: spec.testRows });
  const sets = { train: train.dataset, test: test.dataset };
  return { ...maybeStandardised(spec, sets), origin: train.folder };
}

interface Sets {
  readonly train: DenseDataset;
  readonly test: DenseDataset;
}

function maybeStandardised({ standardise }: { readonly standardise: boolean }, sets: Sets): Sets {
  if (!standardise) return sets;
  const moments = momentsOfFeatures(sets.train);
  return { train: standardised(sets.train, moments), test: standardised(sets.test, moments) };
}

async function loadRatings(
  spec: Spec<"ratings">,
  host: DataHost,
  random: Random,
): Promise<LoadedData> {
  const { file, bytes } = await read([spec.path], host);
  const all = await readRatings(await gunzipped(bytes, file), file, spec.columns);
  const [train, test] = holdOutPerUser(all, spec.testShare, random.stream("held out"));
  return { train: takeRows(all, train), test: takeRows(all, test), origin: file };
}

async function loadCsv(spec: Spec<"csv">, host: DataHost, random: Random): Promise<LoadedData> {
  const paths = listed(spec.path);
  const files = await Promise.all(
    [...paths, ...listed(spec.testPath ?? [])].map((path) => read([path], host)),
  );
  const sources = await Promise.all(
    files.map(async ({ file, bytes }) => ({ file, source: await gunzipped(bytes, file) })),
  );
  const schema = withSite(spec);
  const table = await readCsv(sources, schema);
  const [train, test] =
    spec.testPath === undefined
      ? holdOut(table.rows, spec.testShare, random.stream("held out"))
      : cutAt(table.rows, table.rowsUpTo[paths.length - 1] ?? 0);
  const all = encodeTable(table, train, schema.standardise);
  const named = paths.length > 1 || Object.values(schema.columns).includes("site");
  const natural = named ? table.natural : undefined;
  return {
    train: takeRows(all, train),
    test: takeRows(all, test),
    natural: natural && {
      names: natural.names,
      of: Int32Array.from(train, (row) => natural.of[row]!),
    },
    classNames: table.classes.length > 0 ? table.classes : undefined,
    origin: files.map(({ file }) => file).join(", "),
  };
}

const listed = (path: string | readonly string[]): readonly string[] =>
  typeof path === "string" ? [path] : path;

const cutAt = (rows: number, border: number): readonly [Uint32Array, Uint32Array] => [
  allRows(border),
  allRows(rows).subarray(border),
];

/** A split by a column makes that column the site; `file` stands for the files themselves. */
function withSite({ schema, split }: Spec<"csv">): CsvSchema {
  if (split.by !== "column" || (split.column === "file" && !("file" in schema.columns)))
    return schema;
  return { ...schema, columns: { ...schema.columns, [split.column]: "site" } };
}

async function loadLibsvm(
  spec: Spec<"libsvm">,
  host: DataHost,
  random: Random,
): Promise<LoadedData> {
  const { features, target } = spec;
  const { file, bytes } = await read([spec.path], host);
  const all = await readLibsvm(await gunzipped(bytes, file), file, { features, target });
  if (spec.testPath === undefined) {
    const [train, test] = holdOut(all.dataset.rows, spec.testShare, random.stream("held out"));
    return {
      train: takeRows(all.dataset, train),
      test: takeRows(all.dataset, test),
      origin: file,
    };
  }
  const other = await read([spec.testPath], host);
  const labels = target === "class" ? all.labels : undefined;
  const test = await readLibsvm(await gunzipped(other.bytes, other.file), other.file, {
    features,
    target,
    labels,
  });
  return { train: all.dataset, test: test.dataset, origin: file };
}

async function loadText(spec: Spec<"text">, host: DataHost): Promise<LoadedData> {
  const { file, bytes } = await read([spec.path], host);
  return { ...readText({ file, bytes: await gunzipped(bytes, file) }, spec), origin: file };
}
