/**
 * Which rows lie where. A split deals the rows over sites (every row to exactly one, no site empty), then
 * each site's rows over its workers. The same random stream gives the same split.
 */
import { z } from "zod";
import type { Dataset } from "../core/dataset.ts";
import { InputError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { dirichlet } from "./dirichlet.ts";
import { allRows } from "./rows.ts";

/** What the user writes under `split:`. */
export const SplitSpec = z.discriminatedUnion("by", [
  /** At random. */
  z.strictObject({ by: z.literal("iid") }),
  /** The share `skew` of the rows is sorted by label and dealt in runs, the rest at random; equal sizes. */
  z.strictObject({ by: z.literal("label"), skew: z.number().min(0).max(1) }),
  /** Each class is dealt by shares drawn from Dirichlet(alpha) (Hsu, Qi and Brown, 2019). */
  z.strictObject({ by: z.literal("dirichlet"), alpha: z.number().positive() }),
  /** Consecutive ranges in the order of the file; of a text: its parts. */
  z.strictObject({ by: z.literal("range") }),
  /** The values of a column are natural sites; `file` names the file of a row where there are several. */
  z.strictObject({ by: z.literal("column"), column: z.string() }),
  /** Each site has its own files: {site} in the path. */
  z.strictObject({ by: z.literal("place") }),
  /** Ratings: all of a user's ratings together. */
  z.strictObject({ by: z.literal("user") }),
]);
export type SplitSpec = z.infer<typeof SplitSpec>;

/** Sites that the data themselves name. */
export interface NaturalSites {
  readonly names: readonly string[];
  /** For each row, an index of `names`. */
  readonly of: Int32Array;
}

/** Deals the rows of a data set over `parts` sites: ascending rows for each. */
export function partition(
  dataset: Dataset,
  split: SplitSpec,
  parts: number,
  random: Random,
  natural?: NaturalSites | undefined,
): Uint32Array[] {
  const { rows } = dataset;
  if (rows < parts) throw impossible(`${rows} rows cannot be split over ${parts} sites`);
  switch (split.by) {
    case "iid":
      return shuffled(allRows(rows), parts, random);
    case "label":
      return byLabel(dataset, split.skew, parts, random);
    case "dirichlet":
      return byDirichlet(dataset, split.alpha, parts, random);
    case "range":
      return cut(allRows(rows), parts);
    case "column":
      if (!natural) throw impossible(`these data have no column ${split.column}`);
      return byNature(natural, split.column, parts);
    case "place":
      throw impossible("these data do not say which site has which", "put {site} in data.path");
    case "user":
      return byUser(dataset, allRows(rows), parts, random);
    default:
      return split satisfies never;
  }
}

/** Deals a site's rows over its workers: users stay whole where the split is by user, else at random. */
export function partitionWithin(
  dataset: Dataset,
  split: SplitSpec,
  rows: Uint32Array,
  workers: number,
  random: Random,
): Uint32Array[] {
  if (rows.length < workers)
    throw impossible(`a site's ${rows.length} rows cannot be split over ${workers} workers`);
  return split.by === "user"
    ? byUser(dataset, rows, workers, random)
    : shuffled(rows, workers, random);
}

const impossible = (message: string, fix?: string): InputError =>
  new InputError([{ code: "BAD_SPLIT", message, path: ["data", "split"], fix }]);

/** Where part `p` of `parts` begins among `count`: sizes differ by one at most. */
const start = (count: number, parts: number, p: number): number => Math.floor((count * p) / parts);

const cut = (rows: Uint32Array, parts: number): Uint32Array[] =>
  Array.from({ length: parts }, (_, p) =>
    rows.slice(start(rows.length, parts, p), start(rows.length, parts, p + 1)),
  );

const shuffled = (rows: Uint32Array, parts: number, random: Random): Uint32Array[] =>
  cut(random.shuffle(rows.slice()), parts).map((part) => part.sort());

function labelsOf(dataset: Dataset): Int32Array | Float32Array {
  if (dataset.kind === "text")
    throw impossible(
      "a text has no labels to split by",
      "use by: range (parts of the text) or iid",
    );
  return dataset.kind === "dense" ? dataset.labels : dataset.ratings;
}

function byLabel(dataset: Dataset, skew: number, parts: number, random: Random): Uint32Array[] {
  const labels = labelsOf(dataset);
  const order = random.shuffle(allRows(dataset.rows));
  const skewed = Math.round(skew * order.length);
  const sorted = order.slice(0, skewed).sort((a, b) => labels[a]! - labels[b]! || a - b);
  const share = (row: number): number => Math.floor((skewed * row) / order.length);
  let rest = skewed;
  return Array.from({ length: parts }, (_, p) => {
    const [from, to] = [start(order.length, parts, p), start(order.length, parts, p + 1)];
    const run = sorted.subarray(share(from), share(to));
    const others = order.subarray(rest, rest + to - from - run.length);
    rest += others.length;
    const part = new Uint32Array(to - from);
    part.set(run);
    part.set(others, run.length);
    return part.sort();
  });
}

function byDirichlet(
  dataset: Dataset,
  alpha: number,
  parts: number,
  random: Random,
): Uint32Array[] {
  if (dataset.kind !== "dense" || dataset.classes === 0)
    throw impossible("a Dirichlet split needs classes");
  const classes: number[][] = Array.from({ length: dataset.classes }, () => []);
  for (const row of random.shuffle(allRows(dataset.rows))) classes[dataset.labels[row]!]!.push(row);
  const dealt: number[][] = Array.from({ length: parts }, () => []);
  for (const rows of classes) {
    const shares = dirichlet(alpha, parts, random);
    let sum = 0;
    let from = 0;
    for (let p = 0; p < parts; p++) {
      sum += shares[p]!;
      const to = p === parts - 1 ? rows.length : Math.round(sum * rows.length);
      for (; from < to; from++) dealt[p]!.push(rows[from]!);
    }
  }
  for (const part of dealt) if (part.length === 0) part.push(largest(dealt).pop()!);
  return dealt.map((part) => Uint32Array.from(part).sort());
}

const largest = (parts: number[][]): number[] =>
  parts.reduce((most, part) => (part.length > most.length ? part : most));

interface Groups {
  /** Plural noun for errors. */
  readonly what: string;
  readonly of: Int32Array;
  /** The groups in the order in which they are dealt. */
  readonly order: Uint32Array;
  readonly rows: Uint32Array;
}

/** Whole groups, each to the part with the fewest rows so far; with as many parts as groups, in order. */
function byGroup({ what, of: groupOf, order, rows }: Groups, parts: number): Uint32Array[] {
  const groups = order.length;
  const sizes = new Float64Array(groups);
  for (const row of rows) sizes[groupOf[row]!] = sizes[groupOf[row]!]! + 1;
  const present = order.filter((group) => sizes[group]! > 0);
  if (present.length < parts)
    throw impossible(`${present.length} ${what} cannot be split over ${parts} parts`);
  const partOf = new Int32Array(groups);
  const load = new Float64Array(parts);
  for (const group of present) {
    const part = load.indexOf(Math.min(...load));
    partOf[group] = part;
    load[part] = load[part]! + sizes[group]!;
  }
  const dealt = Array.from(load, (size) => new Uint32Array(size));
  const filled = new Uint32Array(parts);
  for (const row of rows) {
    const part = partOf[groupOf[row]!]!;
    dealt[part]![filled[part]!] = row;
    filled[part] = filled[part]! + 1;
  }
  return dealt;
}

const byNature = (natural: NaturalSites, column: string, parts: number): Uint32Array[] =>
  byGroup(
    {
      what: `values of ${column}`,
      of: natural.of,
      order: allRows(natural.names.length),
      rows: allRows(natural.of.length),
    },
    parts,
  );

function byUser(dataset: Dataset, rows: Uint32Array, parts: number, random: Random): Uint32Array[] {
  if (dataset.kind !== "ratings") throw impossible("only ratings can be split by user");
  const order = random.shuffle(allRows(dataset.userCount));
  return byGroup({ what: "users", of: dataset.users, order, rows }, parts);
}
