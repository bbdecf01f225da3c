/** A model from a file is trained and goes home: plain ONNX, safetensors and npz with the same numbers. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { readSafetensors } from "../../src/codec/safetensors.ts";
import { createRandom } from "../../src/core/random.ts";
import { readModel } from "../../src/model/onnx/proto/read.ts";
import { writeModelFile } from "../../src/model/onnx/proto/write.ts";
import { sequential } from "../../src/model/onnx/sequential.ts";
import { startedModel } from "../../src/model/started.ts";
import { fakeIo } from "./fake-io.ts";

let folder: string;
const layers = [
  { conv: 3, kernel: 3, padding: "same", stride: 2 },
  "batchNorm",
  "relu",
  "flatten",
  { dropout: 0.1 },
  { dense: 10 },
] as const;

const experiment = (between: object): string =>
  JSON.stringify({
    version: 1,
    name: "mine",
    data: { kind: "digits", rows: 400, testRows: 100 },
    model: { kind: "onnx", path: "mine.onnx" },
    optimizer: { kind: "sgd", learningRate: 0.1 },
    batch: 20,
    sites: { count: 2, workers: 1 },
    between,
    stop: { maxClocks: 6 },
  });

const cli = async (...words: string[]) => {
  const io = fakeIo(folder);
  const code = await runCli(words, io);
  return { code, out: io.stdout(), err: io.stderr() };
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pangaea-export-"));
  const built = sequential({ input: [1, 28, 28], layers: [...layers] });
  const started = startedModel(built, createRandom(3));
  const named = { ...started, metadata: { author: "somebody" }, documentation: "a small one" };
  await writeFile(join(folder, "mine.onnx"), writeModelFile(named));
  await writeFile(join(folder, "one.json"), experiment({ kind: "gaia" }));
  await writeFile(join(folder, "apart.json"), experiment({ kind: "none" }));
  for (const name of ["one", "apart"]) {
    const ran = await cli("run", `${name}.json`, "--out", name, "--threads", "0", "--json");
    expect(ran.code, ran.err).toBe(0);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const bytesOf = (path: string): Promise<Buffer> => readFile(join(folder, path));

describe("pangaea export", () => {
  test("onnx: the file's own names and metadata, trained values, nothing of the training", async () => {
    const done = await cli("export", "one", "--out", "home.onnx");
    expect(done.code, done.err).toBe(0);
    expect(done.out).toContain("home.onnx  8 tensors");
    const before = readModel(await bytesOf("mine.onnx"));
    const after = readModel(await bytesOf("home.onnx"));
    expect(after.metadata).toMatchObject({
      author: "somebody",
      "pangaea.weights": expect.any(String),
    });
    expect(after.documentation).toBe("a small one");
    expect(after.inputs).toEqual(before.inputs);
    expect(after.outputs).toEqual(before.outputs);
    expect(after.nodes.map(({ operator }) => operator)).not.toContain("Dropout");
    const { tensors } = readSafetensors(await bytesOf("one/model.safetensors"));
    for (const { name, data } of tensors) {
      const find = (model: typeof after) => model.initializers.find((one) => one.name === name);
      expect(find(after)?.data).toEqual(data);
      expect(find(after)?.data).not.toEqual(find(before)?.data);
    }
  });

  test("onnx: runs in ONNX Runtime for any batch, and equals what the trained tensors compute", async () => {
    await cli("export", "one", "--out", "again.onnx");
    const session = await InferenceSession.create(await bytesOf("again.onnx"));
    const random = createRandom(8);
    const pixels = Float32Array.from({ length: 3 * 784 }, () => random.next());
    const run = async (data: Float32Array, rows: number): Promise<Float32Array> => {
      const feeds = { [session.inputNames[0] as string]: new Tensor(data, [rows, 1, 28, 28]) };
      const results = await session.run(feeds);
      return results[session.outputNames[0] as string]?.data as Float32Array;
    };
    const all = await run(pixels, 3);
    const { tensors } = readSafetensors(await bytesOf("one/model.safetensors"));
    const wanted = plainOutput(pixels.subarray(0, 784), (name) => {
      const tensor = tensors.find((one) => one.name === name);
      return tensor?.data as Float32Array;
    });
    wanted.forEach((value, i) => {
      expect(all[i]).toBeCloseTo(value, 4);
    });
    const last = await run(pixels.slice(2 * 784), 1);
    last.forEach((value, i) => {
      expect(all[20 + i]).toBeCloseTo(value, 4);
    });
  });

  test("safetensors and npz of one site", async () => {
    const done = await cli("export", "apart", "--format", "safetensors", "--site", "site-1");
    expect(done.code, done.err).toBe(0);
    const own = readSafetensors(await bytesOf("apart/models/site-1.safetensors"));
    expect(readSafetensors(await bytesOf("apart/site-1.safetensors")).tensors).toEqual(own.tensors);
    expect((await cli("export", "apart", "--format", "npz", "--site", "site-0")).code).toBe(0);
    const npz = await bytesOf("apart/site-0.npz");
    expect(npz.includes("dense1.weight.npy")).toBe(true);
  });

  test.each([
    [["apart"], 2, "every site of this run has a model of its own"],
    [["apart", "--site", "rome"], 2, "sites: site-0, site-1"],
    [["nowhere"], 3, "holds no trained model"],
    [["one", "--out", "mine.onnx"], 2, "is already there"],
    [["one", "--format", "pickle"], 2, "onnx, safetensors, npz"],
  ])("%j is refused", async (words, code, message) => {
    const done = await cli("export", ...words);
    expect(done.code).toBe(code);
    expect(done.err).toContain(message);
  });
});

/** Convolution (stride 2, same padding), running averages, ReLU, dense: in plain loops. */
function plainOutput(image: Float32Array, of: (name: string) => Float32Array): number[] {
  const at = (name: string, index: number): number => of(name)[index] as number;
  const hidden: number[] = [];
  for (let filter = 0; filter < 3; filter++)
    for (let y = 0; y < 14; y++)
      for (let x = 0; x < 14; x++) {
        let sum = at("conv1.bias", filter);
        for (let i = 0; i < 3; i++)
          for (let j = 0; j < 3; j++) {
            const [row, column] = [2 * y + i, 2 * x + j];
            if (row < 28 && column < 28)
              sum +=
                (image[row * 28 + column] as number) * at("conv1.weight", filter * 9 + i * 3 + j);
          }
        const deviation = Math.sqrt(at("batchNorm1.running_var", filter) + 1e-5);
        const normal = (sum - at("batchNorm1.running_mean", filter)) / deviation;
        const value = normal * at("batchNorm1.weight", filter) + at("batchNorm1.bias", filter);
        hidden.push(Math.max(0, value));
      }
  return Array.from({ length: 10 }, (_, k) =>
    hidden.reduce(
      (sum, value, i) => sum + value * at("dense1.weight", k * 588 + i),
      at("dense1.bias", k),
    ),
  );
}
