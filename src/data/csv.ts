/**
 * CSV tables by a schema. Reading keeps a table as it is: missing numbers are NaN, categories have their
 * names; encode.ts turns it into features.
 */
import { type ByteSource, badData } from "./bytes.ts";
import { canonical, type LabelReader, labelReader, numberOf } from "./csv-labels.ts";
import type { CsvSchema } from "./csv-schema.ts";
import { GrowingFloats, GrowingInts, Names } from "./growing.ts";
import type { NaturalSites } from "./partition.ts";
import { type CsvRecord, csvRecords } from "./text.ts";

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
  /** For each file, the rows up to its end. */
  readonly rowsUpTo: readonly number[];
}

export interface NamedSource {
  readonly file: string;
  readonly source: ByteSource;
}

/** Reads the files one after another as one table. They share the schema and have equal columns. */
export async function readCsv(files: readonly NamedSource[], schema: CsvSchema): Promise<CsvTable> {
  let table: TableReader | undefined;
  const rowsUpTo: number[] = [];
  for (const { file, source } of files) {
    let header: readonly string[] | undefined = schema.names;
    for await (const record of csvRecords(source, file, schema.delimiter)) {
      const isHeader = header === undefined;
      header ??= record.fields;
      table ??= new TableReader(header, schema, record);
      table.expectHeader(header, record);
      if (!isHeader) table.add(record);
    }
    rowsUpTo.push(table?.rows ?? 0);
  }
  if (table === undefined || table.rows === 0)
    throw badData({ file: files.map(({ file }) => file).join(", "), message: "holds no rows" });
  return { ...table.finish(files.length > 1), rowsUpTo };
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
  readonly #labels: LabelReader;
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
          fix: `there are ${header.map((other) => `"${other}"`).join(", ")}`,
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
    this.#labels = labelReader(schema.label);
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
        column.values.push(missing ? Number.NaN : numberOf(text, this.#header[column.at]!, place));
    }
    this.#numbers.push(this.#labels.read(label, place));
    this.#siteOf.push(this.#site < 0 ? 0 : this.#sites.numberOf(fields[this.#site]!));
    this.#fileOf.push(this.#files.numberOf(place.file));
  }

  finish(severalFiles: boolean): Omit<CsvTable, "rowsUpTo"> {
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
    const labels = this.#labels.finish(this.#numbers.shared());
    return { rows: this.rows, features, natural, ...labels };
  }
}
