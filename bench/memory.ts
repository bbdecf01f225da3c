/**
 * Memory of a training step: resident size of a process of its own before the first step, after it (library,
 * graph, buffers) and at its peak, for the models of bench/subjects.ts.
 *   npx tsx bench/memory.ts
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { shapeOf } from "../src/core/dataset.ts";
import { createRandom } from "../src/core/random.ts";
import { createLearner } from "../src/model/create.ts";
import { SequentialSpec } from "../src/model/spec.ts";
import { machine } from "./harness.ts";
import { ROWS, SUBJECTS } from "./subjects.ts";

const MIB = 2 ** 20;
const STEPS = 20;

interface Figures {
  readonly parameters: number;
  readonly before: number;
  readonly after: number;
  readonly peak: number;
}

async function measure(name: string): Promise<Figures> {
  const subject = SUBJECTS.find((one) => one.name === name);
  if (!subject) throw new Error(`no subject ${name}`);
  const dataset = subject.dataset();
  const model = SequentialSpec.parse({ kind: "sequential", layers: subject.layers });
  const learner = createLearner({ model, data: shapeOf(dataset) });
  const parameters = learner.initialise(createRandom(1));
  const out = new Float32Array(parameters.length);
  const rows = Uint32Array.from({ length: subject.batch }, (_, i) => (i * 31) % ROWS);
  const before = process.memoryUsage().rss;
  for (let step = 0; step < STEPS; step++) await learner.step(parameters, { dataset, rows }, out);
  const after = process.memoryUsage().rss;
  await learner.close();
  const peak = process.resourceUsage().maxRSS * 1024;
  return { parameters: parameters.length, before, after, peak };
}

const child = process.argv.indexOf("--child");
if (child > 0) {
  console.log(JSON.stringify(await measure(process.argv[child + 1] ?? "")));
} else {
  const columns = ["subject", "batch", "parameters MiB", "before MiB", "step adds MiB", "peak MiB"];
  console.log(`| ${columns.join(" | ")} |\n|${" --- |".repeat(columns.length)}`);
  for (const { name, batch } of SUBJECTS) {
    const self = fileURLToPath(import.meta.url);
    const flags = [...process.execArgv, self, "--child", name];
    const answer = execFileSync(process.execPath, flags, { encoding: "utf8" });
    const { parameters, before, after, peak } = JSON.parse(answer) as Figures;
    const sizes = [4 * parameters, before, after - before, peak].map((size) => size / MIB);
    console.log(`| ${[name, batch, ...sizes.map((size) => size.toFixed(1))].join(" | ")} |`);
  }
  console.log(machine());
}
