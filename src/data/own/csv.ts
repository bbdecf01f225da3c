/** CSV tables of which each site has its own: columns, categories and classes are those of all sites. */
import { invariant } from "../../core/errors.ts";
import { gunzipped } from "../bytes.ts";
import { readCsv } from "../csv.ts";
import { sortedNames } from "../csv-labels.ts";
import type { CsvSchema } from "../csv-schema.ts";
import { encodeAs, mergeColumns, surveyColumns } from "../encode.ts";
import type { NamedBytes } from "../idx.ts";
import { allRows } from "../rows.ts";
import type { About, Held } from "./contract.ts";
import { renumbered } from "./joined.ts";

type AboutCsv = Extract<About, { readonly kind: "csv" }>;

/** The files are read one after another as one table. */
export async function holdCsv(files: readonly NamedBytes[], schema: CsvSchema): Promise<Held> {
  const sources = await Promise.all(
    files.map(async ({ file, bytes }) => ({ file, source: await gunzipped(bytes, file) })),
  );
  const table = await readCsv(sources, schema);
  const columns = surveyColumns(table, allRows(table.rows));
  const { rows, classes } = table;
  return {
    rows,
    about: { kind: "csv", columns, classes },
    finish: (about) => {
      invariant(about.kind === "csv", "all sites have data of one kind");
      const data = encodeAs(table, about.columns, schema.standardise);
      const place = classes.map((name) => about.classes.indexOf(name));
      return { ...data, labels: renumbered(data.labels, place), classes: about.classes.length };
    },
  };
}

export const mergeCsv = (a: AboutCsv, b: AboutCsv): AboutCsv => ({
  kind: "csv",
  columns: mergeColumns(a.columns, b.columns),
  classes: mergeClasses(a.classes, b.classes),
});

/** Where the schema lists the classes they are the same everywhere; else they are those that occur. */
export const mergeClasses = (a: readonly string[], b: readonly string[]): readonly string[] =>
  a.length === b.length && a.every((name, index) => name === b[index])
    ? a
    : sortedNames([...new Set([...a, ...b])]);
