/** A summary as a table for the terminal. */
import type { Summary } from "./summary.ts";

/** Longest names and lists of operators that are shown whole. */
const NAME = 28;
const OPERATORS = 32;

/**
 * One line a layer, then totals:
 *
 *     layer   operators  output        parameters     FLOPs
 *     conv1   Conv       1x32x28x28           832     1.3 M
 */
export function formatSummary(summary: Summary): string {
  const { layers, batch } = summary;
  const table = [
    ["layer", "operators", "output", "parameters", "FLOPs"],
    ...layers.map(({ name, operators, shape, parameters, flops }) => [
      cut(name, NAME),
      cut(operators.join(" "), OPERATORS),
      shape.join("x"),
      parameters === 0 ? "" : grouped(parameters),
      flops === 0 ? "" : scaled(flops),
    ]),
  ];
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => (i < 3 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  const rule = "-".repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  lines.splice(1, 0, rule);
  const more = [
    [summary.frozen, "frozen"],
    [summary.state, "of state"],
  ] as const;
  const counts = more.flatMap(([count, what]) => (count > 0 ? [`${grouped(count)} ${what}`] : []));
  return [
    ...lines,
    rule,
    `parameters: ${[`${grouped(summary.trained)} trained`, ...counts].join(", ")}; ${scaled(summary.bytes)}B`,
    `FLOPs with a batch of ${batch}: ${scaled(summary.forwardFlops)} forward, ${scaled(summary.stepFlops)} a training step`,
  ].join("\n");
}

const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, width - 1)}…`;

/** 1 663 370 */
const grouped = (value: number): string =>
  String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, " ");

/** `832 `, `1.3 M`, `24 G`: powers of ten, two digits at least. */
function scaled(value: number): string {
  const units = ["", "k", "M", "G", "T", "P"];
  let unit = 0;
  let rest = value;
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${unit > 0 && rest < 9.95 ? rest.toFixed(1) : rest.toFixed(0)} ${units[unit]}`;
}
