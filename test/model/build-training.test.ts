/** Built models train: every gradient against central differences, whole models on data. */
import { describe, expect, test } from "vitest";
import type { Batch, DataShape, TextDataset } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { createLearner } from "../../src/model/create.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import { createRuntime } from "../../src/model/onnx/run.ts";
import { sequential } from "../../src/model/onnx/sequential.ts";
import { type LayerSpec, SequentialSpec } from "../../src/model/spec.ts";
import { bound, CASES } from "./build-cases.ts";
import { BATCH, filled, prepare } from "./build-run.ts";
import { firstRows, images } from "./fixtures.ts";
import { expectClose, uniform } from "./numeric.ts";

const runtime = createRuntime();
const engine = await runtime.engine();

describe("a training step of every layer", () => {
  test.each(CASES.filter(({ tensors }) => tensors.length > 0))(
    "$title: gradients of all tensors equal central differences",
    async (one) => {
      const built = sequential(one);
      const values = filled(built);
      const { graph, made, output } = bound(built, BATCH, true);
      graph.input("direction", { type: "float32", shape: graph.shapeOf(output) });
      values.set("direction", uniform(createRandom(2), graph.shapeOf(output)).values);
      const weighted = graph.emit("Mul", [output, "direction"]);
      const loss = graph.emit("ReduceSum", [weighted], { keepdims: { int: 0 } });
      const forward = await prepare(engine, graph.build("forward", [loss]));
      const names = [...built.starts.keys()];
      const gradients = [...differentiate(graph, loss, names).values()];
      const own = gradients.map((name) => graph.emit("Identity", [name]));
      const step = await prepare(engine, graph.build("step", own));
      const found = await step.run(values);
      for (const [i, name] of names.entries()) {
        const tensor = values.get(name) as Float32Array;
        const numeric = new Float64Array(tensor.length);
        for (let k = 0; k < tensor.length; k++) {
          const value = tensor[k] as number;
          const at = async (shifted: number): Promise<number> => {
            tensor[k] = shifted;
            return (await forward.run(values))[0]?.[0] as number;
          };
          numeric[k] = ((await at(value + STEP)) - (await at(value - STEP))) / (2 * STEP);
          tensor[k] = value;
        }
        expect(
          numeric.some((slope) => Math.abs(slope) > 1e-3),
          name,
        ).toBe(true);
        expectClose(found[i] as Float32Array, numeric, name, 2e-2);
      }
      const averages = built.model.initializers.filter(({ name }) => name.includes("running"));
      expect([...made.states.keys()]).toEqual(averages.map(({ name }) => name));
      await forward.release();
      await step.release();
    },
  );
});

const STEP = 1e-2;

describe("whole models learn", () => {
  const words = "the quick brown fox jumps over the lazy dog. ".repeat(12);
  const letters = [...new Set(words)];
  const length = 16;
  const text: TextDataset = {
    kind: "text",
    rows: words.length - length - 1,
    tokens: Uint8Array.from(words, (letter) => letters.indexOf(letter)),
    starts: Uint32Array.from({ length: words.length - length - 1 }, (_, i) => i),
    length,
    vocabulary: letters.length,
  };
  const language: DataShape = { kind: "text", length, vocabulary: letters.length };
  const picture: DataShape = { kind: "dense", shape: [2, 6, 7], classes: 3 };
  const residual = (...layers: LayerSpec[]): LayerSpec => ({ residual: layers });

  test.each<[string, unknown[], DataShape, number]>([
    [
      "a transformer",
      [
        { embedding: 24 },
        "positions",
        residual("layerNorm", { attention: { heads: 2, causal: true } }, { dropout: 0.1 }),
        residual("layerNorm", { dense: 48 }, "gelu", { dense: 24 }),
        "layerNorm",
        { dense: letters.length },
      ],
      language,
      0.5,
    ],
    ["an LSTM", [{ embedding: 24 }, { lstm: 32 }, { dense: letters.length }], language, 0.5],
    ["a GRU", [{ embedding: 24 }, { gru: 32 }, { dense: letters.length }], language, 0.5],
    [
      "a residual network",
      [
        { conv: 6, kernel: 3, bias: false },
        "batchNorm",
        "relu",
        residual(
          { conv: 8, kernel: 3, stride: 2, padding: "same", bias: false },
          "batchNorm",
          "relu",
          { conv: 8, kernel: 3, stride: 1, padding: "same", bias: false },
          "batchNorm",
        ),
        "relu",
        "globalAveragePool",
        { dense: 3 },
      ],
      picture,
      0.4,
    ],
    [
      "a depthwise network",
      [
        { conv: 6, kernel: 1 },
        "silu",
        { depthwiseConv: 3, stride: 2 },
        { groupNorm: 3 },
        "silu",
        "flatten",
        { dense: 3 },
      ],
      picture,
      0.4,
    ],
  ])("%s", async (_, layers, data, below) => {
    const model = SequentialSpec.parse({ kind: "sequential", layers });
    const learner = createLearner({ model, data }, runtime);
    const parameters = learner.initialise(createRandom(1));
    const trained = learner.layout.trained;
    const update = new Float32Array(parameters.length);
    const squares = new Float32Array(trained);
    const dataset = data.kind === "text" ? text : images(16);
    let loss = Number.POSITIVE_INFINITY;
    for (let step = 0; step < 120 && loss > below; step++) {
      const rows = data.kind === "text" ? firstRows(16).map((row) => row * 3) : firstRows(16);
      const batch: Batch = { dataset, rows, draw: { worker: 0, clock: step } };
      loss = (await learner.step(parameters, batch, update)).loss;
      for (let k = 0; k < parameters.length; k++) {
        const slope = update[k] as number;
        if (k >= trained) {
          parameters[k] = (parameters[k] as number) + slope;
          continue;
        }
        const square = 0.95 * (squares[k] as number) + 0.05 * slope * slope;
        squares[k] = square;
        parameters[k] = (parameters[k] as number) - (0.005 * slope) / (Math.sqrt(square) + 1e-6);
      }
    }
    expect(loss).toBeLessThan(below);
    await learner.close();
  });
});
