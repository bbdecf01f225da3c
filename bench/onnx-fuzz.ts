/**
 * A million mutated ONNX files, for the night: nothing but models and typed errors may come out of the reader,
 * within bounded time and memory. Prints inputs a second, how they ended, and the process's peak memory.
 *
 *   npx tsx bench/onnx-fuzz.ts              a million
 *   npx tsx bench/onnx-fuzz.ts 5e6 1e6      five million, from seed 1,000,000
 *
 * A seed that fails is named; `mutant(seed, corpus())` makes its file again.
 */
import { corpus, mutant, outcome } from "../test/model/onnx-fuzz.ts";
import { machine } from "./harness.ts";

const [count = 1e6, first = 0] = process.argv.slice(2).map(Number);
/** One file takes some tens of microseconds; a slow one would be a hang in the making. */
const SLOW_MILLISECONDS = 2_000;

const files = corpus();
const outcomes = new Map<string, number>();
let slowest = 0;
const start = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const bytes = mutant(seed, files);
  const before = performance.now();
  try {
    const name = outcome(bytes);
    outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
  const took = performance.now() - before;
  if (took > SLOW_MILLISECONDS) throw new Error(`seed ${seed} took ${took.toFixed(0)} ms`);
  slowest = Math.max(slowest, took);
}
const seconds = (performance.now() - start) / 1000;

const lines = [
  `onnx-fuzz   (${machine()})`,
  `  ${count.toLocaleString("en")} inputs, ${Math.round(count / seconds).toLocaleString("en")} inputs/s`,
  ...[...outcomes]
    .sort((a, b) => b[1] - a[1])
    .map(([name, times]) => `  ${name.padEnd(16)} ${times.toLocaleString("en").padStart(12)}`),
  `  slowest ${slowest.toFixed(1)} ms, peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`,
];
process.stdout.write(`${lines.join("\n")}\n`);
