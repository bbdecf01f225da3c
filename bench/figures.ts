/**
 * The figures of docs/systems.md: each is an experiment file in bench/figures, compared row by row through the
 * command line; this prints its table as Markdown, with the machine.
 *   npm run build && npx tsx bench/figures.ts cnn [more names] [-- flags of pangaea compare]
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { CompareRow } from "../src/run/rows.ts";
import { machine } from "./harness.ts";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const split = process.argv.indexOf("--");
const names = process.argv.slice(2, split < 0 ? undefined : split);
const flags = split < 0 ? [] : process.argv.slice(split + 1);

const seconds = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0);

function cells(row: CompareRow): string[] {
  const { accuracy, rmse } = row.final;
  const wire = row.wireSeconds ?? 0;
  return [
    row.name,
    row.timeToTargetSeconds === null ? "not reached" : seconds(row.timeToTargetSeconds),
    accuracy === undefined ? (rmse ?? 0).toFixed(4) : `${(100 * accuracy).toFixed(2)} %`,
    String(row.clocks),
    megabytes(row.wanBytes),
    row.egressDollars.toFixed(3),
    [row.computeSeconds, wire, row.waitSeconds - wire].map(seconds).join(" : "),
    row.significantFraction === undefined ? "" : `${(100 * row.significantFraction).toFixed(2)} %`,
  ];
}

const HEAD = [
  "row",
  "seconds to target",
  "final",
  "clocks",
  "WAN MB",
  "USD",
  "compute : wire : wait, s",
  "sent a clock",
];

for (const name of names) {
  const file = fileURLToPath(new URL(`./figures/${name}.yaml`, import.meta.url));
  const started = process.hrtime.bigint();
  const out = execFileSync(process.execPath, [main, "compare", file, "--json", ...flags], {
    encoding: "utf8",
    maxBuffer: 1e9,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { target, rows } = JSON.parse(out) as { target: unknown; rows: CompareRow[] };
  const took = Number(process.hrtime.bigint() - started) / 1e9;
  const lines = [HEAD, HEAD.map(() => "---"), ...rows.map(cells)];
  console.log(`### ${name}, target ${JSON.stringify(target)}\n`);
  for (const line of lines) console.log(`| ${line.join(" | ")} |`);
  console.log(`\n${machine()}; ${took.toFixed(0)} s of real time\n`);
}
