/**
 * Tables as features: numbers shifted and scaled, categories one-hot. Means, deviations and categories are
 * those of the training rows, so that test rows have no say in them.
 */
import type { DenseDataset } from "../core/dataset.ts";
import { sharedFloats } from "./bytes.ts";
import type { CategoricalColumn, CsvTable, NumericColumn } from "./csv.ts";
import { sortedNames } from "./csv-labels.ts";

/** One column's part of the features. */
interface Encoding {
  readonly width: number;
  /** Writes the features of `row` at `at`; the features are zero before. */
  write(row: number, features: Float32Array, at: number): void;
}

/** Encodes all rows of the table. Missing numbers become the mean, missing or new categories no category. */
export function encodeTable(
  table: CsvTable,
  trainRows: Uint32Array,
  standardise: boolean,
): DenseDataset {
  const encodings = table.features.map((column) =>
    column.kind === "numeric"
      ? encodeNumbers(column, trainRows, standardise)
      : encodeCategories(column, trainRows),
  );
  const width = encodings.reduce((sum, encoding) => sum + encoding.width, 0);
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
  trainRows: Uint32Array,
  standardise: boolean,
): Encoding {
  const present = Float64Array.from(trainRows, (row) => values[row]!).filter(
    (v) => !Number.isNaN(v),
  );
  const count = Math.max(1, present.length);
  const mean = present.reduce((sum, value) => sum + value, 0) / count;
  const variance = present.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
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

function encodeCategories({ names, codes }: CategoricalColumn, trainRows: Uint32Array): Encoding {
  const seen = new Set<number>();
  for (const row of trainRows) if (codes[row]! >= 0) seen.add(codes[row]!);
  const kept = sortedNames([...seen].map((code) => names[code]!));
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
