/** Text in columns that fits the terminal: the least important columns go first. */
export interface Column {
  readonly head: string;
  readonly cells: readonly string[];
  readonly align?: "left" | "right" | undefined;
  /** Columns with the highest number are left out first where there is no room; 0 stays. */
  readonly rank?: number | undefined;
}

const ESCAPE = String.fromCharCode(27);
const CODES = new RegExp(`${ESCAPE}\\[[0-9;]*m`, "g");

/** Cells that the text takes, colours not counted. */
export const widthOf = (text: string): number => [...text.replace(CODES, "")].length;

const padded = (text: string, width: number, align: "left" | "right"): string => {
  const space = " ".repeat(Math.max(0, width - widthOf(text)));
  return align === "left" ? text + space : space + text;
};

/** Lines, the heads first; no line is wider than `width` unless the columns of rank 0 are. */
export function layout(columns: readonly Column[], width: number, head = true): string[] {
  const sized = columns.map((column) => ({
    ...column,
    width: Math.max(head ? widthOf(column.head) : 0, ...column.cells.map(widthOf)),
  }));
  let shown = sized;
  const total = (): number =>
    shown.reduce((sum, column) => sum + column.width, 0) + 2 * Math.max(0, shown.length - 1);
  while (total() > width) {
    const worst = Math.max(...shown.map((column) => column.rank ?? 0));
    if (worst === 0) break;
    const last = shown.findLastIndex((column) => (column.rank ?? 0) === worst);
    shown = shown.filter((_, i) => i !== last);
  }
  const height = Math.max(0, ...columns.map((column) => column.cells.length));
  const line = (of: (column: (typeof sized)[number]) => string): string =>
    shown
      .map((column) => padded(of(column), column.width, column.align ?? "right"))
      .join("  ")
      .trimEnd();
  return [
    ...(head ? [line((column) => column.head)] : []),
    ...Array.from({ length: height }, (_, i) => line((column) => column.cells[i] ?? "")),
  ];
}

/** The text cut to the width, with an ellipsis. Only for text without colours. */
export const clipped = (text: string, width: number): string =>
  [...text].length <= width ? text : `${[...text].slice(0, Math.max(0, width - 1)).join("")}…`;

const LEVELS = "▁▂▃▄▅▆▇█";

/** The last values as a row of bars, from the smallest to the largest. */
export function sparkline(values: readonly number[], width: number): string {
  if (values.length === 0) return "";
  const count = Math.min(width, values.length);
  const picked = Array.from(
    { length: count },
    (_, i) => values[Math.floor(((i + 1) * values.length) / count) - 1]!,
  );
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  return picked
    .map((value) => LEVELS[Math.min(7, Math.floor(((value - low) / span) * 8))])
    .join("");
}

/** A bar of `width` cells, `share` of it full. */
export function progressBar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return "━".repeat(full) + "┄".repeat(width - full);
}

/** Lines of at most `width`, broken at spaces. */
export function wrapped(text: string, width: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
