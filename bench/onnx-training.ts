/**
 * Training steps per second on one core (gather the batch, forward, backward, SGD into flat parameters):
 * ours on ONNX Runtime beside PyTorch on one thread and TensorFlow.js on WebAssembly, taking turns.
 *   PANGAEA_PYTHON=python PANGAEA_TFJS=folder npx tsx bench/onnx-training.ts [subject …] [--json]
 * PANGAEA_PYTHON is a Python that has PyTorch, PANGAEA_TFJS a folder in which
 * `npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm` was run; who is missing is said and left out.
 */
import { shapeOf } from "../src/core/dataset.ts";
import { createKernels } from "../src/core/kernels/create.ts";
import { createRandom } from "../src/core/random.ts";
import { createLearner } from "../src/model/create.ts";
import { createRuntime, type RuntimeName } from "../src/model/onnx/run.ts";
import { SequentialSpec } from "../src/model/spec.ts";
import { type Case, measure, print, type Report } from "./harness.ts";
import { type Peer, startPeer } from "./peers/peer.ts";
import { ROWS, SUBJECTS, type Subject } from "./subjects.ts";

/** Trains `steps` times and answers that. */
type Train = (steps: number) => Promise<number>;

/** Ours: the steps of a worker, its arrays in shared memory. */
function ours(subject: Subject, only: RuntimeName): { train: Train; about: string } {
  const dataset = subject.dataset();
  const rows = Uint32Array.from({ length: subject.batch }, (_, i) => (i * 31) % ROWS);
  const model = SequentialSpec.parse({
    kind: "sequential",
    layers: subject.layers,
    loss: "softmax-cross-entropy",
  });
  const learner = createLearner({ model, data: shapeOf(dataset) }, createRuntime({ only }));
  const { length } = learner.layout;
  const kernels = createKernels();
  const parameters = kernels.allocate(length);
  const gradients = kernels.allocate(length);
  parameters.set(learner.initialise(createRandom(2)));
  const train: Train = async (steps) => {
    for (let step = 0; step < steps; step++) {
      await learner.step(parameters, { dataset, rows }, gradients);
      kernels.axpy(parameters, -0.01, gradients);
    }
    return steps;
  };
  const megaflops = (learner.flops(subject.batch) / 1e6).toFixed(0);
  return { train, about: `${length} parameters, ${megaflops} MFLOP a step` };
}

const ROUND_SECONDS = 1;

/** Rounds of about a second: the warm-up finds out how many steps that is. */
function paced(name: string, train: Train): Case {
  let steps = 0;
  return {
    name,
    unit: "steps/s",
    async run() {
      if (steps > 0) return train(steps);
      await train(2);
      const start = performance.now();
      const count = await train(3);
      const each = (performance.now() - start) / 1000 / count;
      steps = Math.max(1, Math.round(ROUND_SECONDS / each));
      return train(steps);
    },
  };
}

async function peers(): Promise<{ python?: Peer; tfjs?: Peer }> {
  const { PANGAEA_PYTHON: python, PANGAEA_TFJS: folder } = process.env;
  const missing = (name: string, why: string): undefined => {
    process.stderr.write(`${name} is left out: ${why}\n`);
  };
  const started = {
    python: python
      ? await startPeer(python, "pytorch.py")
      : "PANGAEA_PYTHON names no Python that has PyTorch",
    tfjs: folder
      ? await startPeer(process.execPath, "tfjs.mjs", { PANGAEA_TFJS: folder })
      : "PANGAEA_TFJS names no folder with @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm",
  };
  return {
    ...(typeof started.python === "string"
      ? missing("PyTorch", started.python)
      : { python: started.python }),
    ...(typeof started.tfjs === "string"
      ? missing("TensorFlow.js", started.tfjs)
      : { tfjs: started.tfjs }),
  };
}

/** How many times as fast as each peer ours is, and what is promised. */
function sayRatios(subject: Subject, { rows }: Report): void {
  if (process.argv.includes("--json")) return;
  const native = rows[0]?.median ?? 0;
  for (const { name, median } of rows.slice(2)) {
    const goal = name.startsWith("PyTorch") ? 1 : subject.name === "softmax" ? 6 : 8;
    const ratio = native / median;
    const verdict = ratio >= goal ? "met" : "MISSED";
    process.stdout.write(`  ours is ${ratio.toFixed(2)} x ${name}, goal ${goal} x: ${verdict}\n`);
  }
}

const { python, tfjs } = await peers();
const chosen = process.argv.slice(2).filter((word) => !word.startsWith("--"));
for (const subject of SUBJECTS) {
  if (chosen.length > 0 && !chosen.includes(subject.name)) continue;
  const native = ours(subject, "native");
  const wasm = ours(subject, "wasm");
  const cases = [
    paced("pangaea, native", native.train),
    paced("pangaea, WebAssembly", wasm.train),
    ...[python, tfjs].flatMap((peer) =>
      peer ? [paced(peer.name, (steps) => peer.train(subject.name, steps))] : [],
    ),
  ];
  const title = `onnx-training: ${subject.name}, batch ${subject.batch}, ${native.about}`;
  const report = await measure(title, cases, python ? { baseline: python.name } : {});
  print(report);
  sayRatios(subject, report);
}
python?.close();
tfjs?.close();
process.exit();
