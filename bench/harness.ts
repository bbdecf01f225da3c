/**
 * How speed is measured here: each case warms up, then runs several times, the cases taking turns so that a
 * noisy minute hits all of them; the median is reported with the median absolute deviation, and as a ratio to
 * a baseline of the same run, because machines differ and shared ones wander. Read differences under 25 % as
 * ties.
 *
 *   const report = await measure("learners", [{ name, unit: "steps/s", run }, …], { baseline: name });
 *   print(report);            // a table; with --json on the command line JSON
 */
import { cpus, totalmem } from "node:os";

export interface Case {
  readonly name: string;
  /** Unit of the rate: "steps/s". */
  readonly unit: string;
  /** Does the work once; answers how many units it did. Setting up belongs into `before`. */
  readonly run: () => number | Promise<number>;
  readonly before?: () => void | Promise<void>;
  /** The least rate that the project promises. */
  readonly goal?: number;
}

export interface MeasureOptions {
  readonly warmups?: number;
  readonly runs?: number;
  /** Name of the case to which the others are compared. */
  readonly baseline?: string;
}

export interface Row {
  readonly name: string;
  readonly unit: string;
  /** Median rate, and the median absolute deviation from it. */
  readonly median: number;
  readonly deviation: number;
  readonly runs: number;
  readonly ratio: number | undefined;
  readonly goal: number | undefined;
}

export interface Report {
  readonly title: string;
  readonly machine: string;
  readonly baseline: string | undefined;
  readonly rows: readonly Row[];
}

export async function measure(
  title: string,
  cases: readonly Case[],
  options: MeasureOptions = {},
): Promise<Report> {
  const { warmups = 1, runs = 5, baseline } = options;
  const rates = cases.map((): number[] => []);
  for (let turn = -warmups; turn < runs; turn++)
    for (const [index, { before, run }] of cases.entries()) {
      await before?.();
      const start = performance.now();
      const count = await run();
      const seconds = (performance.now() - start) / 1000;
      if (turn >= 0) rates[index]!.push(count / seconds);
    }
  const medians = rates.map(median);
  const base = medians[cases.findIndex(({ name }) => name === baseline)];
  return {
    title,
    machine: machine(),
    baseline,
    rows: cases.map(({ name, unit, goal }, index) => {
      const middle = medians[index]!;
      return {
        name,
        unit,
        median: middle,
        deviation: median(rates[index]!.map((rate) => Math.abs(rate - middle))),
        runs,
        ratio: base === undefined ? undefined : middle / base,
        goal,
      };
    }),
  };
}

/** A table, or JSON if the command line says `--json`. */
export function print(report: Report): void {
  if (process.argv.includes("--json")) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  const width = Math.max(...report.rows.map(({ name }) => name.length));
  const lines = [`${report.title}   (${report.machine})`];
  for (const { name, unit, median: rate, deviation, ratio, goal } of report.rows)
    lines.push(
      [
        `  ${name.padEnd(width)}`,
        `${format(rate).padStart(10)} ${unit}`,
        `± ${format(deviation)}`,
        ratio === undefined ? "" : `${ratio.toFixed(2)} x ${report.baseline}`,
        goal === undefined ? "" : `goal ${format(goal)}: ${rate >= goal ? "met" : "MISSED"}`,
      ]
        .filter((part) => part !== "")
        .join("   "),
    );
  process.stdout.write(`${lines.join("\n")}\n`);
}

export function machine(): string {
  const processors = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const model = processors[0]?.model ?? "unknown processor";
  return `${processors.length} x ${model}, ${memory} GiB, Node ${process.versions.node}, ${process.platform}`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

const format = (value: number): string =>
  value.toLocaleString(
    "en",
    value < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 },
  );
