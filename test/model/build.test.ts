/** Models from the builder: names, shapes, starting values and the graph that binding gives. */
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { initialise, initialiseTensors } from "../../src/model/initialise.ts";
import { createLayout } from "../../src/model/layout.ts";
import { bindModel } from "../../src/model/onnx/bind.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { buildSequential, parametersOf, sequentialModel } from "../../src/model/onnx/sequential.ts";
import { SequentialSpec } from "../../src/model/spec.ts";
import { conv, LAYERS, SHAPE } from "./fixtures.ts";

describe("the first layers", () => {
  test.each(
    Object.entries({
      ...LAYERS,
      strided: [conv(3, 2, { stride: 2 }), "relu", "flatten", { dense: 3 }],
    }),
  )("%s: names, starting values and nodes as before", (_, layers) => {
    const spec = SequentialSpec.parse({ kind: "sequential", layers });
    const { model, starts } = sequentialModel(spec, { kind: "dense", shape: SHAPE, classes: 3 });
    const parameters = parametersOf(spec, SHAPE);
    expect([...starts.keys()]).toEqual(parameters.map(({ name }) => name));
    const layout = createLayout(parameters);
    expect(initialiseTensors(layout, starts, createRandom(5))).toEqual(
      initialise(layout, parameters, createRandom(5)),
    );

    const old = new GraphBuilder();
    old.input("features", { type: "float32", shape: [4, ...SHAPE] });
    const bound = new GraphBuilder();
    bound.input("features", { type: "float32", shape: [4, ...SHAPE] });
    for (const { name, shape } of parameters) {
      old.input(name, { type: "float32", shape });
      bound.input(name, { type: "float32", shape });
    }
    buildSequential(old, spec, "features");
    const names = new Set(starts.keys());
    bindModel(bound, model, {
      inputs: new Map([["features", "features"]]),
      fed: names,
      trained: names,
      training: true,
    });
    const kernel = (graph: GraphBuilder) =>
      graph.nodes.map(({ operator, outputs }) => [
        operator,
        ...outputs,
        ...graph.shapeOf(outputs[0] ?? ""),
      ]);
    expect(kernel(bound)).toEqual(kernel(old));
  });
});
