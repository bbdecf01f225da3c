/** The columns of a comparison of runs on streams, for terminal and report alike. */
import { bytes, digits, percent, seconds } from "./format.ts";
import type { CompareRow } from "./rows.ts";
import type { StreamMeasures } from "./stream-measures.ts";

export interface StreamColumn {
  readonly head: string;
  /** What it is, for the report. */
  readonly title: string;
  /** Columns with the highest number are left out first where there is no room. */
  readonly rank: number;
  readonly text: (row: CompareRow) => string;
}

/** The row that ships everything to one place: the yardstick of bytes, sizes and training. */
export const centralOf = (rows: readonly CompareRow[]): CompareRow | undefined =>
  rows.find((row) => row.between === "centralize" && row.streams !== undefined);

/** Beside the yardstick: `1520x less`, `1.2x more`, `the same`, `none`. */
export function beside(value: number, of: number): string {
  if (of === 0) return "-";
  if (value === 0) return "none";
  const [less, more] = [digits(of / value), digits(value / of)];
  if (less === "1.00" || more === "1.00") return "the same";
  return value < of ? `${less}x less` : `${more}x more`;
}

/** Operations: `812`, `4.1 M`, `12.3 G`. */
export function operations(value: number): string {
  const units = ["", " k", " M", " G", " T", " P"];
  let unit = 0;
  let rest = value;
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(rest) : digits(rest)}${units[unit]}`;
}

/** @param rows all of them runs on streams. */
export function streamColumns(rows: readonly CompareRow[]): readonly StreamColumn[] {
  const central = centralOf(rows);
  const shifted = rows.some((row) => (row.streams?.shifts ?? 0) > 0);
  const asked = rows.some((row) => (row.streams?.requests ?? 0) > 0);
  const noticed = rows.some((row) => (row.streams?.drifts ?? 0) > 0);
  return [
    ...quality(shifted),
    column("WAN bytes", 0, "Bytes on wide-area links", (row) =>
      spread(row, "wanBytes", bytes(row.wanBytes), bytes),
    ),
    ...(central
      ? [
          column("than central", 2, "Its bytes beside those of centralised learning", (row) =>
            beside(row.wanBytes, central.wanBytes),
          ),
        ]
      : []),
    column("model bytes", 3, "Bytes of the model at a site, mean", (row) =>
      of(row, ({ modelBytes }) => bytes(modelBytes)),
    ),
    ...ratio("than central", 5, "Model bytes", central, (one) => one.modelBytes),
    column("train ops", 4, "Operations of training of each model that is trained, mean", (row) =>
      of(row, ({ trainFlops }) => operations(trainFlops)),
    ),
    ...ratio("than central", 6, "Training", central, (one) => one.trainFlops),
    ...(asked || noticed ? asking() : []),
    column("time", 9, "The world's time", (row) => seconds(row.seconds)),
  ];
}

function quality(shifted: boolean): StreamColumn[] {
  const error = column("error", 0, "Wrong predictions over all batches", (row) =>
    of(row, (one) => spread(row, "streams.error", percent(one.error, 2), (x) => percent(x, 2))),
  );
  if (!shifted) return [error];
  return [
    error,
    column("error after shifts", 1, "Error over the first 50 batches after each shift", (row) =>
      of(row, (one) => optional(one.errorAfterShifts, (x) => percent(x, 2))),
    ),
    column(
      "batches to adapt",
      0,
      "Batches from a shift until the moving error is within 2 points of its later stable level",
      (row) =>
        of(row, (one) =>
          spread(row, "streams.adaptationBatches", optional(one.adaptationBatches, digits), digits),
        ),
    ),
    column("adapted", 7, "Share of the shifts after which a stable level was reached", (row) =>
      of(row, (one) => optional(one.adapted, (x) => percent(x, 0))),
    ),
  ];
}

const asking = (): StreamColumn[] => [
  column("asked/taken/not", 7, "Requests, accepted and rejected portions", (row) =>
    of(row, (one) =>
      [one.requests, one.accepted, one.rejected].map((x) => String(Math.round(x))).join("/"),
    ),
  ),
  column("false asks/1000", 8, "Requests without a shift before them, in 1,000 batches", (row) =>
    of(row, (one) => digits(one.falseRequestsPer1000)),
  ),
  column("batches to notice", 8, "Batches from a shift to the first drift noticed", (row) =>
    of(row, (one) => optional(one.detectionDelay, digits)),
  ),
];

const column = (
  head: string,
  rank: number,
  title: string,
  text: (row: CompareRow) => string,
): StreamColumn => ({ head, rank, title, text });

const ratio = (
  head: string,
  rank: number,
  what: string,
  central: CompareRow | undefined,
  value: (one: StreamMeasures) => number,
): StreamColumn[] =>
  central?.streams
    ? [
        column(head, rank, `${what} beside those of centralised learning`, (row) =>
          of(row, (one) => beside(value(one), value(central.streams as StreamMeasures))),
        ),
      ]
    : [];

const of = ({ streams }: CompareRow, text: (one: StreamMeasures) => string): string =>
  streams ? text(streams) : "-";

const optional = (value: number | null, text: (value: number) => string): string =>
  value === null ? "-" : text(value);

/** With its deviation where several seeds were run. */
function spread(row: CompareRow, key: string, text: string, of: (value: number) => string): string {
  const found = row.spread?.[key];
  return found && found.count > 1 ? `${text} ± ${of(found.deviation)}` : text;
}
