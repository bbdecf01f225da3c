/** The same training in Node and in a real browser, on every runtime: results equal within 1e-4. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { createLearner } from "../../src/model/create.ts";
import { createRuntime } from "../../src/model/onnx/run.ts";
import { type SequentialSpec, SequentialSpec as Spec } from "../../src/model/spec.ts";
import { type OpenPage, openPage } from "./serve.ts";
import { train } from "./train.js";

type Job = { model: SequentialSpec; data: { shape: number[]; classes: number } };
type Result = Awaited<ReturnType<typeof train>>;

const model = (layers: unknown[]): SequentialSpec => Spec.parse({ kind: "sequential", layers });
const data = { shape: [2, 8, 8], classes: 3 };
const JOBS: Readonly<Record<string, Job>> = {
  MLP: { model: model(["flatten", { dense: 16 }, "relu", { dense: 3 }]), data },
  "CNN with batch normalisation and dropout": {
    model: model([
      { conv: 4, kernel: 3 },
      "batchNorm",
      "relu",
      { maxPool: 2 },
      "flatten",
      { dropout: 0.25 },
      { dense: 3 },
    ]),
    data,
  },
};

const inNode = (job: Job, only: "native" | "wasm"): Promise<Result> =>
  train({ createLearner, createRandom, runtime: createRuntime({ only }) }, job);

const inPage = ({ page }: OpenPage, job: Job & { only?: string }): Promise<Result> =>
  page.evaluate(`import("/test/browser/page.js").then(({ run }) => run(${JSON.stringify(job)}))`);

function expectSame(actual: Result, wanted: Result): void {
  const scale = Math.max(...wanted.parameters.map(Math.abs));
  expect(actual.parameters.length).toBe(wanted.parameters.length);
  const far = actual.parameters.findIndex(
    (value, i) => !(Math.abs(value - (wanted.parameters[i] as number)) <= 1e-4 * scale),
  );
  expect(far, `parameter ${far}`).toBe(-1);
  actual.losses.forEach((loss, i) => {
    expect(Math.abs(loss - (wanted.losses[i] as number))).toBeLessThan(1e-4);
  });
  expect(actual.judged.correct).toBe(wanted.judged.correct);
}

describe.each(Object.entries(JOBS))("%s", (_, job) => {
  let native: Result;
  let open: OpenPage;
  beforeAll(async () => {
    native = await inNode(job, "native");
    open = await openPage(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]);
  });
  afterAll(() => open?.close());

  test("WebAssembly in Node", async () => {
    const wasm = await inNode(job, "wasm");
    expect(wasm.runtime).toBe("wasm");
    expectSame(wasm, native);
  });

  test("WebAssembly in Chromium", async () => {
    const result = await inPage(open, { ...job, only: "wasm" });
    expect(result.runtime).toBe("wasm");
    expectSame(result, native);
  });

  test("WebGPU in Chromium, chosen by itself where there is an adapter", async () => {
    const result = await inPage(open, job);
    expect(result.runtime, open.said.join("\n")).toBe("webgpu");
    expectSame(result, native);
  });
});
