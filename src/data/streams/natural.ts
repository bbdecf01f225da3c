/** The order of the data themselves, dealt over the sites: each row once, in its order. */
import type { NaturalSites } from "../partition.ts";
import { allRows } from "../rows.ts";
import type { Shift } from "./contract.ts";
import { badStream } from "./errors.ts";
import type { WorkloadSpec } from "./spec.ts";

type Natural = Extract<WorkloadSpec, { readonly kind: "natural" }>;

/** Rows of each site, ascending. */
export function dealNatural(
  { deal }: Natural,
  rows: number,
  sites: number,
  natural: NaturalSites | undefined,
): readonly Uint32Array[] {
  const all = allRows(rows);
  if (deal === "contiguous")
    return each(sites, (s) =>
      all.subarray(Math.floor((rows * s) / sites), Math.floor((rows * (s + 1)) / sites)),
    );
  if (deal === "interleaved") return each(sites, (s) => all.filter((row) => row % sites === s));
  if (!natural || natural.names.length !== sites)
    throw badStream({
      path: ["workload", "deal"],
      message: natural
        ? `the data name ${natural.names.length} sites, the run has ${sites}`
        : "the data name no sites",
      fix: natural
        ? `sites: { count: ${natural.names.length} }`
        : "make a column the site in the schema, or use interleaved or contiguous",
    });
  return each(sites, (s) => all.filter((row) => natural.of[row] === s));
}

/** Known changes as a site meets them: in the batch that holds its first changed row, if one comes. */
export const naturalShifts = (
  { changes }: Natural,
  rows: Uint32Array,
  batchSize: number,
): readonly Shift[] =>
  [...changes]
    .sort((a, b) => a.row - b.row)
    .flatMap(({ row, what }) => {
      const at = rows.findIndex((own) => own >= row);
      return at < 0 || (at === 0 && rows[0] !== row)
        ? []
        : [{ batch: Math.floor(at / batchSize), what, classes: [] }];
    });

const each = (sites: number, rowsOf: (site: number) => Uint32Array): Uint32Array[] =>
  Array.from({ length: sites }, (_, site) => rowsOf(site));
