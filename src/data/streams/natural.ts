/** The order of the data themselves, dealt over the sites: each row once, in its order. */
import type { NaturalSites } from "../partition.ts";
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
  if (deal === "contiguous") return grouped(rows, sites, (row) => siteOfRow(row, rows, sites));
  if (deal === "interleaved") return grouped(rows, sites, (row) => row % sites);
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
  return grouped(rows, sites, (row) => natural.of[row]!);
}

/** Stretches whose lengths differ by one at most. */
const siteOfRow = (row: number, rows: number, sites: number): number =>
  Math.floor(((row + 1) * sites - 1) / rows);

function grouped(rows: number, sites: number, siteOf: (row: number) => number): Uint32Array[] {
  const dealt = Array.from({ length: sites }, (): number[] => []);
  for (let row = 0; row < rows; row++) dealt[siteOf(row)]!.push(row);
  return dealt.map((own) => Uint32Array.from(own));
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
