/** ONNX Runtime's native library and its WebAssembly build behind one contract. */
import { afterAll, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { createLearner } from "../../src/model/create.ts";
import type { Learner } from "../../src/model/learner.ts";
import { createRuntime } from "../../src/model/onnx/run.ts";
import { conv, curve, firstRows, images, LAYERS, sequential } from "./fixtures.ts";
import { expectClose } from "./numeric.ts";

const native = createRuntime({ only: "native" });
const wasm = createRuntime({ only: "wasm" });
const open: Learner[] = [];
afterAll(async () => {
  for (const learner of open) await learner.close();
});

const data = images(20);
const MODELS = [
  ["softmax", sequential(LAYERS.softmax, data), data],
  ["MLP", sequential(LAYERS.mlp, data, { l2: 0.1 }), data],
  ["CNN", sequential(LAYERS.cnn, data), data],
  [
    "strided CNN",
    sequential([conv(3, 2, { stride: 2 }), "relu", "flatten", { dense: 3 }], data),
    data,
  ],
  ["regression", sequential([{ dense: 1 }], curve(20), { loss: "squared-error" }), curve(20)],
] as const;

describe("native and WebAssembly", () => {
  test.each(MODELS)("agree within 1e-4 on %s", async (_, spec, dataset) => {
    const results = [];
    for (const runtime of [native, wasm]) {
      const learner = createLearner(spec, runtime);
      open.push(learner);
      const parameters = learner.initialise(createRandom(1));
      const out = new Float32Array(parameters.length);
      const batch = { dataset, rows: firstRows(9) };
      const { loss } = await learner.step(parameters, batch, out);
      results.push({ loss, out, judged: await learner.judge(parameters, batch) });
    }
    const [a, b] = results;
    expect(a?.loss).toBeCloseTo(b?.loss ?? Number.NaN, 4);
    expectClose(a?.out ?? [], b?.out ?? [], "gradient", 1e-4);
    expect(a?.judged.lossSum).toBeCloseTo(b?.judged.lossSum ?? Number.NaN, 3);
    expect(a?.judged.correct).toBe(b?.judged.correct);
  });

  test("each says what it is", async () => {
    expect((await native.engine()).name).toBe("native");
    expect((await wasm.engine()).name).toBe("wasm");
  });

  test("a runtime is loaded once", async () => {
    const runtime = createRuntime();
    expect(await runtime.engine()).toBe(await runtime.engine());
  });
});
