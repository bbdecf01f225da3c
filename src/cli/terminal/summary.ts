/** The table at the end of a run or comparison. */
import { bytes, digits, dollars, percent, seconds } from "../../run/format.ts";
import type { CompareRow } from "../../run/rows.ts";
import { type Column, layout } from "./columns.ts";
import type { Paint } from "./paint.ts";
import { streamSummary } from "./streams.ts";

/** Lines of the table; at 80 columns the less important numbers are left to the report. */
export function summaryLines(rows: readonly CompareRow[], width: number, color: Paint): string[] {
  if (rows.some((row) => row.streams)) return streamSummary(rows, width, color);
  const lan = rows.find((row) => row.name === "lan");
  const some = (of: (row: CompareRow) => unknown): boolean =>
    rows.some((row) => of(row) !== undefined);
  const column = (head: string, rank: number, of: (row: CompareRow) => string): Column => ({
    head,
    rank,
    cells: rows.map(of),
  });
  const left = (head: string, rank: number, of: (row: CompareRow) => string): Column => ({
    ...column(head, rank, of),
    align: "left",
  });
  const columns: Column[] = [
    left("run", 0, (row) => color.strong(row.name)),
    left("within", 5, (row) => row.within),
    left("between", 7, (row) => row.between),
    column("to target", 0, (row) => target(row, color)),
    ...(lan?.reachedTarget ? [column("of LAN", 2, (row) => ratio(row, lan))] : []),
    ...(some((row) => row.final.accuracy)
      ? [column("accuracy", 0, (row) => optional(row.final.accuracy, (x) => percent(x, 2)))]
      : []),
    ...(some((row) => row.final.rmse)
      ? [column("RMSE", 0, (row) => optional(row.final.rmse, (x) => x.toFixed(4)))]
      : []),
    column("loss", rows.some(({ diverged }) => diverged) ? 0 : 8, lossText),
    column("clocks", 6, (row) => String(Math.round(row.clocks))),
    column("WAN", 0, (row) => bytes(row.wanBytes)),
    column("LAN", 9, (row) => bytes(row.lanBytes)),
    column("egress", 1, (row) => dollars(row.egressDollars)),
    column("compute", 3, (row) => seconds(row.computeSeconds)),
    ...(some((row) => row.wireSeconds)
      ? [column("wire", 4, (row) => optional(row.wireSeconds, seconds))]
      : []),
    column("wait", 2, (row) => seconds(Math.max(0, row.waitSeconds - (row.wireSeconds ?? 0)))),
    ...(some((row) => row.significantFraction)
      ? [column("significant", 6, (row) => optional(row.significantFraction, (x) => percent(x, 2)))]
      : []),
  ];
  const [head = "", ...lines] = layout(columns, width);
  return [color.faint(head), ...lines];
}

const lossText = (row: CompareRow): string =>
  row.diverged ? "diverged" : (row.final.loss?.toFixed(4) ?? "-");

const optional = (value: number | undefined, text: (value: number) => string): string =>
  value === undefined ? "-" : text(value);

function target(row: CompareRow, color: Paint): string {
  if (row.reachedTarget === null) return color.faint("none set");
  if (!row.reachedTarget || row.timeToTargetSeconds === null) return color.bad("not reached");
  const spread = row.spread?.timeToTargetSeconds;
  const text = seconds(row.timeToTargetSeconds);
  return color.good(spread ? `${text} ± ${seconds(spread.deviation)}` : text);
}

const ratio = (row: CompareRow, lan: CompareRow): string =>
  row.timeToTargetSeconds === null || !lan.timeToTargetSeconds
    ? "-"
    : `${digits(row.timeToTargetSeconds / lan.timeToTargetSeconds)}x`;
