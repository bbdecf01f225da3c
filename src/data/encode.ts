/**
 * Tables as features: numbers shifted and scaled, categories one-hot. Means, deviations and categories are
 * those of the training rows, so that test rows have no say in them. They are taken from a *survey* of the training
 * rows; surveys of parts of them merge to that of all.
 */
import type { DenseDataset } from "../core/dataset.ts";
import { sharedFloats } from "./bytes.ts";
import type { CategoricalColumn, CsvTable, FeatureColumn, NumericColumn } from "./csv.ts";
import { sortedNames } from "./csv-labels.ts";
import { type Moments, meanAndVariance, mergeMoments, momentsOf } from "./moments.ts";

/** What features a column makes depends on this alone. */
export type ColumnSurvey =
  | { readonly kind: "numeric"; readonly name: string; readonly moments: Moments }
  /** The names that occur, sorted. */
  | { readonly kind: "categorical"; readonly name: string; readonly names: readonly string[] };

export const surveyColumns = (table: CsvTable, rows: Uint32Array): readonly ColumnSurvey[] =>
  table.features.map((column) => surveyColumn(column, rows));

function surveyColumn(column: FeatureColumn, rows: Uint32Array): ColumnSurvey {
  const { kind, name } = column;
  if (kind === "numeric") {
    const moments = momentsOf(Float64Array.from(rows, (row) => column.values[row]!));
    return { kind, name, moments };
  }
  const seen = new Set<number>();
  for (const row of rows) if (column.codes[row]! >= 0) seen.add(column.codes[row]!);
  return { kind, name, names: sortedNames([...seen].map((code) => column.names[code]!)) };
}

/** Of the same columns. */
export const mergeColumns = (
  a: readonly ColumnSurvey[],
  b: readonly ColumnSurvey[],
): readonly ColumnSurvey[] =>
  a.map((one, index) => {
    const other = b[index];
    if (one.kind === "numeric" && other?.kind === "numeric")
      return { ...one, moments: mergeMoments(one.moments, other.moments) };
    if (one.kind === "categorical" && other?.kind === "categorical")
      return { ...one, names: sortedNames([...new Set([...one.names, ...other.names])]) };
    throw new Error(`column ${index} is of two kinds`);
  });

/** Numbers that each column's features take. */
export const widthOf = (surveys: readonly ColumnSurvey[]): number =>
  surveys.reduce((sum, one) => sum + (one.kind === "numeric" ? 1 : one.names.length), 0);

/** One column's part of the features. */
interface Encoding {
  readonly width: number;
  /** Writes the features of `row` at `at`; the features are zero before. */
  write(row: number, features: Float32Array, at: number): void;
}

/** Encodes all rows of the table. Missing numbers become the mean, missing or new categories no category. */
export const encodeTable = (
  table: CsvTable,
  trainRows: Uint32Array,
  standardise: boolean,
): DenseDataset => encodeAs(table, surveyColumns(table, trainRows), standardise);

/** As `encodeTable`. @param surveys of the table's columns, over all training rows. */
export function encodeAs(
  table: CsvTable,
  surveys: readonly ColumnSurvey[],
  standardise: boolean,
): DenseDataset {
  const encodings = table.features.map((column, index): Encoding => {
    const survey = surveys[index];
    if (column.kind === "numeric" && survey?.kind === "numeric")
      return encodeNumbers(column, survey.moments, standardise);
    if (column.kind === "categorical" && survey?.kind === "categorical")
      return encodeCategories(column, survey.names);
    throw new Error(`column ${column.name} was not surveyed`);
  });
  const width = widthOf(surveys);
  const features = sharedFloats(table.rows * width);
  for (let row = 0, at = 0; row < table.rows; row++) {
    for (const encoding of encodings) {
      encoding.write(row, features, at);
      at += encoding.width;
    }
  }
  return {
    kind: "dense",
    rows: table.rows,
    shape: [width],
    features,
    scale: 1,
    offset: 0,
    labels: table.labels,
    classes: table.classes.length,
  };
}

function encodeNumbers(
  { values }: NumericColumn,
  moments: Moments,
  standardise: boolean,
): Encoding {
  const { mean, variance } = meanAndVariance(moments);
  const shift = standardise ? mean : 0;
  const scale = standardise && variance > 0 ? 1 / Math.sqrt(variance) : 1;
  return {
    width: 1,
    write: (row, features, at) => {
      const value = values[row]!;
      features[at] = ((Number.isNaN(value) ? mean : value) - shift) * scale;
    },
  };
}

function encodeCategories({ names, codes }: CategoricalColumn, kept: readonly string[]): Encoding {
  const placeOf = new Map(kept.map((name, place) => [name, place]));
  const places = names.map((name) => placeOf.get(name) ?? -1);
  return {
    width: kept.length,
    write: (row, features, at) => {
      const place = places[codes[row]!] ?? -1;
      if (place >= 0) features[at + place] = 1;
    },
  };
}
