/** What small networks hand over: the units that carry a class, where they go, the pair that votes. */
import { afterAll, describe, expect, test } from "vitest";
import { shapeOf } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { createLearner } from "../../src/model/create.ts";
import { GraphLearner } from "../../src/model/graph-learner.ts";
import { createTailored } from "../../src/model/online/create.ts";
import { partsOf } from "../../src/model/online/graph-shape.ts";
import { type GraphHost, GraphShared } from "../../src/model/online/graph-shared.ts";
import { GraphUnits } from "../../src/model/online/graph-units.ts";
import { GraphSpec } from "../../src/model/online/spec.ts";
import { writeModelFile } from "../../src/model/onnx/proto/write.ts";
import { createRuntime } from "../../src/model/onnx/run.ts";
import { sequentialModel } from "../../src/model/onnx/sequential.ts";
import type { LayerSpec } from "../../src/model/spec.ts";
import type { TailoredModel } from "../../src/model/tailored.ts";
import { makeTrainable } from "../../src/model/trainable.ts";
import { TrainingOptions } from "../../src/model/training-options.ts";
import { accuracyOn, allRows, blobs, countsOf, learnAll } from "./online-data.ts";

const data = blobs(31);
const shape = shapeOf(data);
const rows = allRows(data);
const LAYERS: LayerSpec[] = [{ dense: 16 }, "relu", { dense: 5 }];

const open: TailoredModel[] = [];
const make = (more: object, seed: number, host?: GraphHost): TailoredModel => {
  const spec = { kind: "graph" as const, layers: LAYERS, rate: 0.5, ...more };
  const model = createTailored(spec, shape, createRandom(seed), host);
  open.push(model);
  return model;
};
afterAll(async () => {
  for (const model of open) await model.close();
});

/** Two features, four units, three classes; weights as the numbers say. */
function units() {
  const dense = { kind: "dense", shape: [2], classes: 3 } as const;
  const built = sequentialModel({ layers: [{ dense: 4 }, "relu", { dense: 3 }] }, dense);
  const trainable = makeTrainable(built, dense, TrainingOptions.parse({}));
  const { layout } = new GraphLearner(trainable, 0, createRuntime());
  const parts = partsOf(trainable, layout);
  const parameters = Float32Array.from({ length: layout.length }, (_, k) => k + 1);
  return { parts, parameters, units: new GraphUnits(parts), layout };
}

describe("units", () => {
  test("the smallest set that carries 90 % of |weight * activation|, the most important first", () => {
    const { parts, parameters, units: found } = units();
    const row = parts.last.weight.offset + 1 * 4;
    parameters.set([2, -10, 0.5, 7], row);
    const activity = new Float32Array(12);
    // Products: 6, 10, 50, 0.7 of 66.7: 50 + 10 is 89.96 %.
    activity.set([3, 1, 100, 0.1], 4);
    expect(found.behind([1], parameters, activity)).toEqual([2, 1]);
    activity.set([3.5, 1, 100, 0.1], 4);
    // Three would be needed, and no more than half of the units may be replaced.
    expect(found.behind([1], parameters, activity)).toEqual([2, 1]);
    activity.set([3, 1.5, 100, 0.1], 4);
    expect(found.behind([1], parameters, activity)).toEqual([2, 1]);
    activity.set([0, 0, 100, 0.1], 4);
    expect(found.behind([1], parameters, activity)).toEqual([2]);
  });

  test("take the places that matter least at home, with their weights in and out", () => {
    const { parts, parameters, units: found } = units();
    const before = parameters.slice();
    const [last, hidden] = [parts.last, parts.before!];
    const activity = new Float32Array(12).fill(1);
    // At home, on classes 0 and 2, unit 1 does nothing, and unit 3 little.
    for (const c of [0, 2]) activity.set([5, 0, 5, 0.01], c * 4);
    const received = {
      classes: [{ c: 1, examples: 30, bias: -7 }],
      units: [
        { unit: 0, incoming: Float32Array.of(100, 200, 300), outgoing: Float32Array.of(9) },
        { unit: 2, incoming: Float32Array.of(-1, -2, -3), outgoing: Float32Array.of(8) },
      ],
    };
    found.place(received, parameters, activity, [0, 2], () => 1);
    const at = (tensor: { readonly offset: number }, k: number): number =>
      parameters[tensor.offset + k]!;
    expect([at(hidden.weight, 2), at(hidden.weight, 3), at(hidden.bias!, 1)]).toEqual([
      100, 200, 300,
    ]);
    expect([at(hidden.weight, 6), at(hidden.weight, 7), at(hidden.bias!, 3)]).toEqual([-1, -2, -3]);
    expect([0, 1, 2, 3].map((u) => at(last.weight, 4 + u))).toEqual([0, 9, 0, 8]);
    expect(at(last.bias!, 1)).toBe(-7);
    for (const c of [0, 2]) {
      expect([1, 3].map((u) => at(last.weight, c * 4 + u))).toEqual([0, 0]);
      for (const u of [0, 2])
        expect(at(last.weight, c * 4 + u)).toBe(before[last.weight.offset + c * 4 + u]);
      expect(at(last.bias!, c)).toBe(before[last.bias!.offset + c]);
    }
  });

  test("a site that has had enough examples of the class keeps its part of the row", () => {
    const { parts, parameters, units: found } = units();
    const before = parameters.slice();
    const received = { classes: [{ c: 1, examples: 100, bias: 0 }], units: [] };
    found.place(received, parameters, new Float32Array(12), [0], () => 0.25);
    for (let u = 0; u < 4; u++) {
      const k = parts.last.weight.offset + 4 + u;
      expect(parameters[k]).toBeCloseTo(0.75 * before[k]!, 5);
    }
    expect(parameters[parts.last.bias!.offset + 1]).toBeCloseTo(
      0.75 * before[parts.last.bias!.offset + 1]!,
      5,
    );
  });
});

describe("the boosted pair", () => {
  test("votes with the donor for what only that knows, and lets it go when it knows as much itself", async () => {
    const [donor, target] = [make({ transfer: "boost" }, 1), make({ transfer: "boost" }, 2)];
    const without = (of: Uint32Array) => of.filter((row) => data.labels[row] !== 4);
    await learnAll(donor, data, rows.subarray(0, 1500));
    const own = without(rows.subarray(1500, 3000));
    await learnAll(target, data, own);
    const [alone, judged] = [target.bytes(), rows.subarray(3500)];
    const news = judged.filter((row) => data.labels[row] === 4);
    const packed = donor.pack({ classes: [4], maxBytes: 1e6 })!;
    expect(packed.length).toBeLessThanOrEqual(donor.bytes());
    target.merge(packed, { classes: [4], counts: countsOf(data, own) });
    // A parameter travels in four bits and is kept in four bytes.
    expect(packed.length).toBe(donor.portions()[0]!.bytes);
    expect(packed.length).toBeLessThan(0.25 * donor.bytes());
    expect(target.bytes()).toBe(alone + donor.bytes() - 12 - 8);
    const donors = await accuracyOn(donor, data, news);
    expect(await accuracyOn(target, data, news)).toBeGreaterThan(donors - 0.1);
    expect(await accuracyOn(target, data, without(judged))).toBeGreaterThan(0.9);
    for (let turn = 0; turn < 12; turn++) await learnAll(target, data, rows.subarray(0, 3000));
    expect(target.bytes()).toBe(alone);
    expect(await accuracyOn(target, data, judged)).toBeGreaterThan(0.93);
  });
});

describe("an ONNX file in place of layers", () => {
  test("learns the same, and hands the same over", async () => {
    const built = sequentialModel({ layers: LAYERS }, shape);
    const learner = createLearner({
      model: {
        kind: "sequential",
        layers: LAYERS,
        loss: "binary-cross-entropy",
        target: "label",
        l1: 0,
        l2: 0,
        inputs: {},
      },
      data: shape,
    });
    const start = learner.initialise(createRandom(1));
    const initializers = built.model.initializers.map((tensor) => {
      const place = learner.layout.tensors.find(({ name }) => name === tensor.name);
      if (!place) return tensor;
      return { ...tensor, data: start.slice(place.offset, place.offset + place.length) };
    });
    const file = writeModelFile({ ...built.model, initializers });
    const [a, b] = [make({}, 1), make({ layers: undefined }, 1, { file })];
    for (const model of [a, b]) await learnAll(model, data, rows.subarray(0, 800));
    expect(b.save()).toEqual(a.save());
    const request = { classes: [0, 3], maxBytes: 1e6 };
    expect(b.pack(request)).toEqual(a.pack(request));
  });

  test("without either, the way out is said", () => {
    expect(() => new GraphShared(GraphSpec.parse({ kind: "graph" }), shape, {})).toThrow(
      /dense: 32/,
    );
  });
});
