/**
 * Proves that the package works as its users get it, also without the optional native library: packs it,
 * installs the tarball without optional dependencies into an empty folder and trains softmax regression
 * there. Needs `npm run build` before. Prints JSON: { losses, seconds, messages }.
 *   node scripts/test-pack.mjs
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const PROGRAM = `
import { createLearner, createRuntime } from "pangaea/model";
const rows = 64;
const features = Float32Array.from({ length: rows * 8 }, (_, k) => Math.sin(k * k));
const labels = Int32Array.from({ length: rows }, (_, i) => (features[i * 8] > features[i * 8 + 1] ? 1 : 0));
const dataset = { kind: "dense", rows, shape: [8], features, scale: 1, offset: 0, labels, classes: 2 };
const spec = {
  model: { kind: "sequential", layers: [{ dense: 2 }], loss: "softmax-cross-entropy", l2: 0 },
  data: { kind: "dense", shape: [8], classes: 2 },
};
const runtime = createRuntime({ warn: (message) => console.error(message) });
const losses = [];
for (let run = 0; run < 2; run++) {
  const learner = createLearner(spec, runtime);
  const parameters = new Float32Array(learner.layout.length);
  const out = new Float32Array(parameters.length);
  const batch = { dataset, rows: Uint32Array.from({ length: rows }, (_, i) => i) };
  for (let step = 0; step < 50; step++) {
    const { loss } = await learner.step(parameters, batch, out);
    if (step === 0 || step === 49) losses.push(loss);
    for (let k = 0; k < out.length; k++) parameters[k] -= out[k];
  }
  await learner.close();
}
console.log(JSON.stringify({ losses }));
`;

const npm = (args, cwd) =>
  execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

if (!existsSync(join(root, "dist", "model", "index.js"))) {
  process.stderr.write("dist/ is missing. Run: npm run build\n");
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), "pangaea-pack-"));
try {
  const start = Date.now();
  const [packed] = JSON.parse(
    npm(["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root),
  );
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  npm(
    [
      "install",
      join(folder, packed.filename),
      "--omit=optional",
      "--ignore-scripts",
      "--prefer-offline",
      "--no-audit",
      "--no-fund",
    ],
    folder,
  );
  if (existsSync(join(folder, "node_modules", "onnxruntime-node")))
    throw new Error("onnxruntime-node was installed although optional packages were left out");
  writeFileSync(join(folder, "train.mjs"), PROGRAM);
  const run = spawnSync(process.execPath, ["train.mjs"], { cwd: folder, encoding: "utf8" });
  if (run.status !== 0) throw new Error(`the program failed:\n${run.stderr}`);
  const messages = run.stderr.split("\n").filter(Boolean);
  const seconds = (Date.now() - start) / 1000;
  process.stdout.write(`${JSON.stringify({ ...JSON.parse(run.stdout), seconds, messages })}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
