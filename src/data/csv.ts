/**
 * CSV tables by a schema. Reading keeps a table as it is: missing numbers are NaN, categories have their
 * names; encode.ts turns it into features.
 */
import { type ByteSource, badData, sharedInts } from "./bytes.ts";
import type { CsvSchema } from "./csv-schema.ts";
import { GrowingFloats, GrowingInts, Names } from "./growing.ts";
import type { NaturalSites } from "./partition.ts";
import { type CsvRecord, csvRecords, parseNumber } from "./text.ts";

export interface NumericColumn {
  readonly kind: "numeric";
  readonly name: string;
  /** NaN where missing. */
  readonly values: Float32Array;
}

export interface CategoricalColumn {
  readonly kind: "categorical";
  readonly name: string;
  readonly names: readonly string[];
  /** Numbers of `names`, -1 where missing. */
  readonly codes: Int32Array;
}

export type FeatureColumn = NumericColumn | CategoricalColumn;

export interface CsvTable {
  readonly rows: number;
  readonly features: readonly FeatureColumn[];
  /** Class indices or numbers. */
  readonly labels: Int32Array | Float32Array;
  /** Names of the classes; empty for regression. */
  readonly classes: readonly string[];
  /** The site column, or the files if there are several. */
  readonly natural: NaturalSites | undefined;
}

export interface NamedSource {
  readonly file: string;
  readonly source: ByteSource;
}

/** Reads the files one after another as one table. They share the schema and have equal columns. */
export async function readCsv(files: readonly NamedSource[], schema: CsvSchema): Promise<CsvTable> {
  let table: TableReader | undefined;
  for (const { file, source } of files) {
    let header: readonly string[] | undefined = schema.names;
    for await (const record of csvRecords(source, file, schema.delimiter)) {
      const isHeader = header === undefined;
      header ??= record.fields;
      table ??= new TableReader(header, schema, record);
      table.expectHeader(header, record);
      if (!isHeader) table.add(record);
    }
  }
  if (table === undefined || table.rows === 0)
    throw badData({ file: files.map(({ file }) => file).join(", "), message: "holds no rows" });
  return table.finish(files.length > 1);
}

type Builder =
  | { readonly kind: "numeric"; readonly at: number; readonly values: GrowingFloats }
  | {
      readonly kind: "categorical";
      readonly at: number;
      readonly names: Names;
      readonly codes: GrowingInts;
    };

class TableReader {
  readonly #schema: CsvSchema;
  readonly #header: readonly string[];
  readonly #missing: ReadonlySet<string>;
  readonly #features: readonly Builder[];
  readonly #label: number;
  readonly #site: number;
  readonly #numbers = new GrowingFloats();
  readonly #classes = new Names();
  readonly #siteOf = new GrowingInts();
  readonly #sites = new Names();
  readonly #fileOf = new GrowingInts();
  readonly #files = new Names();

  constructor(header: readonly string[], schema: CsvSchema, { place }: CsvRecord) {
    this.#schema = schema;
    this.#header = header;
    this.#missing = new Set(schema.missing);
    for (const name of Object.keys(schema.columns))
      if (!header.includes(name))
        throw badData({
          ...place,
          message: `there is no column ${name}`,
          fix: `there are ${header.join(", ")}`,
        });
    const roles = header.map((name) => schema.columns[name] ?? schema.others);
    this.#label = roles.indexOf("label");
    this.#site = roles.indexOf("site");
    if (this.#label < 0 || this.#label !== roles.lastIndexOf("label"))
      throw badData({ ...place, message: "the schema must name one label column" });
    this.#features = roles.flatMap((kind, at): Builder[] => {
      if (kind === "numeric") return [{ kind, at, values: new GrowingFloats() }];
      if (kind !== "categorical") return [];
      return [{ kind, at, names: new Names(), codes: new GrowingInts() }];
    });
    if (this.#features.length === 0)
      throw badData({ ...place, message: "the schema names no feature" });
    if (schema.label.as === "class")
      for (const name of schema.label.classes ?? []) this.#classes.numberOf(canonical(name));
  }

  get rows(): number {
    return this.#numbers.length;
  }

  expectHeader(header: readonly string[], { fields, place }: CsvRecord): void {
    if (
      header === this.#header
        ? fields.length !== header.length
        : header.join() !== this.#header.join()
    )
      throw badData({
        ...place,
        message: `has ${fields.length} columns, not the ${this.#header.length} of the schema`,
      });
  }

  add({ fields, place }: CsvRecord): void {
    const label = fields[this.#label]!;
    if (this.#missing.has(label)) return;
    if (
      this.#schema.missingRows === "drop" &&
      this.#features.some(({ at }) => this.#missing.has(fields[at]!))
    )
      return;
    for (const column of this.#features) {
      const text = fields[column.at]!;
      const missing = this.#missing.has(text);
      if (column.kind === "categorical")
        column.codes.push(missing ? -1 : column.names.numberOf(canonical(text)));
      else
        column.values.push(
          missing ? Number.NaN : this.#number(text, this.#header[column.at]!, place),
        );
    }
    this.#numbers.push(this.#target(label, place));
    this.#siteOf.push(this.#site < 0 ? 0 : this.#sites.numberOf(fields[this.#site]!));
    this.#fileOf.push(this.#files.numberOf(place.file));
  }

  #number(text: string, name: string, place: CsvRecord["place"]): number {
    const value = parseNumber(text);
    if (value === undefined)
      throw badData({ ...place, message: `${name} is "${text}", which is no number` });
    return value;
  }

  #target(text: string, place: CsvRecord["place"]): number {
    const { label } = this.#schema;
    if (label.as === "number") return this.#number(text, "the label", place);
    if (label.as === "above")
      return this.#number(text, "the label", place) > label.threshold ? 1 : 0;
    const known = this.#classes.size;
    const index = this.#classes.numberOf(canonical(text));
    if (label.classes && index >= known)
      throw badData({
        ...place,
        message: `label "${text}" is out of range`,
        fix: `the classes are ${label.classes.join(", ")}`,
      });
    return index;
  }

  finish(severalFiles: boolean): CsvTable {
    const { label } = this.#schema;
    const natural =
      this.#site >= 0
        ? { names: this.#sites.list(), of: this.#siteOf.shared() }
        : severalFiles
          ? { names: this.#files.list(), of: this.#fileOf.shared() }
          : undefined;
    const features = this.#features.map((column): FeatureColumn => {
      const name = this.#header[column.at]!;
      return column.kind === "numeric"
        ? { kind: "numeric", name, values: column.values.shared() }
        : { kind: column.kind, name, names: column.names.list(), codes: column.codes.shared() };
    });
    const table = { rows: this.rows, features, natural };
    const numbers = this.#numbers.shared();
    if (label.as === "number") return { ...table, labels: numbers, classes: [] };
    const labels = sharedInts(this.rows);
    if (label.as === "above") {
      labels.set(numbers);
      return {
        ...table,
        labels,
        classes: [`at most ${label.threshold}`, `above ${label.threshold}`],
      };
    }
    const found = this.#classes.list();
    const classes = label.classes?.map(canonical) ?? sortedNames(found);
    const place = found.map((name) => classes.indexOf(name));
    for (let row = 0; row < this.rows; row++) labels[row] = place[numbers[row]!]!;
    return { ...table, labels, classes };
  }
}

/** Numbers as names are equal where the numbers are: 1.0 is 1. */
function canonical(name: string): string {
  const value = parseNumber(name);
  return value === undefined ? name : String(value);
}

/** By number where all are numbers, else by text. */
export const sortedNames = (names: readonly string[]): readonly string[] =>
  names.every((name) => parseNumber(name) !== undefined)
    ? [...names].sort((a, b) => Number(a) - Number(b))
    : [...names].sort();
