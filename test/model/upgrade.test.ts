/** Nodes of older operator sets, and the same brought to ours: ONNX Runtime computes the same from both. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import {
  type Attributes,
  type Initializer,
  type Node,
  sizeOf,
} from "../../src/model/onnx/graph.ts";
import type { Model } from "../../src/model/onnx/model.ts";
import { OPSET, writeModelFile } from "../../src/model/onnx/proto/write.ts";
import { upgradeNode } from "../../src/model/onnx/upgrade.ts";

interface Example {
  readonly opset: number;
  readonly operator: string;
  /** Shapes of float32 inputs, or constants. */
  readonly inputs: readonly (readonly number[] | Initializer)[];
  readonly attributes?: Attributes;
  readonly outputs?: number;
  /** Axes of each output. */
  readonly rank?: number;
}

const ints = (name: string, values: readonly number[]): Initializer => ({
  name,
  type: "int64",
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

const isConstant = (input: Example["inputs"][number]): input is Initializer => "data" in input;
const nameOf = (input: Example["inputs"][number], index: number): string =>
  isConstant(input) ? input.name : `x${index}`;

/** The example as a file of its own operator set, and as one of ours. */
function both(example: Example): readonly [old: Model, upgraded: Model, node: Node] {
  const { opset, operator, inputs, attributes = {}, outputs = 1, rank = 0 } = example;
  const node: Node = {
    name: "it",
    operator,
    inputs: inputs.map(nameOf),
    outputs: Array.from({ length: outputs }, (_, i) => `y${i}`),
    attributes,
  };
  const graph = new GraphBuilder();
  inputs.forEach((input, i) => {
    if (isConstant(input)) graph.constant(input.name, input);
    else graph.input(nameOf(input, i), { type: "float32", shape: input });
  });
  const upgraded = upgradeNode(graph, node, opset);
  const around = graph.build(
    "around",
    [...new Set(upgraded.inputs)].filter((name) => name),
  );
  const model = (version: number, nodes: readonly Node[], constants: readonly Initializer[]) => ({
    name: "g",
    irVersion: 8,
    opset: version,
    domains: {},
    producer: "",
    documentation: "",
    metadata: {},
    nodes,
    inputs: inputs.flatMap((input, i) =>
      isConstant(input)
        ? []
        : [{ name: nameOf(input, i), type: "float32" as const, shape: input.map(() => "") }],
    ),
    outputs: upgraded.outputs.map((name) => ({
      name,
      type: "float32" as const,
      shape: Array<string>(rank).fill(""),
    })),
    initializers: constants,
  });
  return [
    model(opset, [node], inputs.filter(isConstant)),
    model(OPSET, [...around.nodes, upgraded], around.initializers),
    upgraded,
  ];
}

async function run(model: Model, feeds: Readonly<Record<string, Tensor>>): Promise<unknown> {
  const session = await InferenceSession.create(writeModelFile(model), { logSeverityLevel: 4 });
  const results = await session.run(feeds);
  await session.release();
  return Object.entries(results).map(([name, { dims, data }]) => ({ name, dims, data }));
}

async function expectSame(example: Example): Promise<Node> {
  const [old, upgraded, node] = both(example);
  const random = createRandom(5);
  const feeds = Object.fromEntries(
    example.inputs.flatMap((input, i) => {
      if (isConstant(input)) return [];
      const data = Float32Array.from({ length: sizeOf(input) }, () => 0.5 + random.next());
      return [[nameOf(input, i), new Tensor("float32", data, [...input])]];
    }),
  );
  expect(await run(upgraded, feeds)).toEqual(await run(old, feeds));
  return node;
}

const REDUCTIONS = [
  ...["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"],
  ...["ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"],
];

describe("reductions before 18 had their axes as attribute", () => {
  test.each(REDUCTIONS)("%s", async (operator) => {
    const inputs = [[2, 3, 4]];
    for (const [axes, keepdims] of [
      [[1], 0],
      [[-1, 0], 1],
      [undefined, 1],
    ] as const) {
      const rank = keepdims ? 3 : 2;
      const attributes = { keepdims: { int: keepdims }, ...(axes ? { axes: { ints: axes } } : {}) };
      const node = await expectSame({ opset: 13, operator, inputs, attributes, rank });
      expect(Object.keys(node.attributes)).toEqual(["keepdims"]);
      expect(node.inputs).toHaveLength(axes ? 2 : 1);
    }
  });

  test("no axes in the list: over all of them", () => {
    const [, , node] = both({
      opset: 17,
      operator: "ReduceMax",
      inputs: [[2, 3]],
      attributes: { axes: { ints: [] } },
    });
    expect(node).toMatchObject({ inputs: ["x0"], attributes: {} });
  });

  test("those of 18 and later, and ReduceSum, stay as they are", () => {
    const axes = ints("axes", [1]);
    for (const [operator, opset] of [
      ["ReduceMean", 18],
      ["ReduceSum", 13],
    ] as const) {
      const [old, , node] = both({ opset, operator, inputs: [[2, 3], axes] });
      expect(node).toEqual(old.nodes[0]);
    }
  });
});

describe("Split before 18 did not say the number of parts", () => {
  test("equal parts", async () => {
    const node = await expectSame({
      ...{ opset: 13, operator: "Split", inputs: [[2, 6]], outputs: 3, rank: 2 },
      attributes: { axis: { int: 1 } },
    });
    expect(node.attributes["num_outputs"]).toEqual({ int: 3 });
  });

  test("given parts", async () => {
    const node = await expectSame({
      ...{ opset: 17, operator: "Split", inputs: [[2, 6], ints("parts", [1, 5])] },
      ...{ attributes: { axis: { int: 1 } }, outputs: 2, rank: 2 },
    });
    expect(Object.keys(node.attributes)).toEqual(["axis"]);
  });
});

describe("BatchNormalization before 14", () => {
  const inputs = [[2, 3, 4], [3], [3], [3], [3]];
  test("with one output it judges", async () => {
    const node = await expectSame({ opset: 13, operator: "BatchNormalization", inputs, rank: 3 });
    expect(node.attributes["training_mode"]).toEqual({ int: 0 });
  });

  test("with five it trained; the saved statistics have no successor", () => {
    const [, , node] = both({ opset: 13, operator: "BatchNormalization", inputs, outputs: 5 });
    expect(node.attributes["training_mode"]).toEqual({ int: 1 });
    expect(node.outputs).toEqual(["y0", "y1", "y2"]);
  });

  test("of 14 keeps its mode", () => {
    const attributes = { training_mode: { int: 1 } };
    const [old, , node] = both({
      ...{ opset: 14, operator: "BatchNormalization", inputs, attributes, outputs: 3 },
    });
    expect(node).toEqual(old.nodes[0]);
  });
});

describe("GroupNormalization before 21 scaled each group", () => {
  test.each([1, 2, 6])("%i groups of 6 channels", async (groups) => {
    const node = await expectSame({
      ...{ opset: 18, operator: "GroupNormalization", inputs: [[2, 6, 3, 3], [groups], [groups]] },
      attributes: { num_groups: { int: groups }, epsilon: { float: 1e-3 } },
      rank: 4,
    });
    expect(node.inputs.slice(1)).not.toContain("x1");
  });

  test("channels that do not divide are refused", () => {
    expect(() =>
      both({
        ...{ opset: 18, operator: "GroupNormalization", inputs: [[2, 5, 3, 3], [2], [2]] },
        attributes: { num_groups: { int: 2 } },
      }),
    ).toThrow(/node it \(GroupNormalization\): num_groups is 2, of 5 channels/);
  });
});

test("Cast of 24 loses the rounding of eight-bit floats; other newer nodes stay", () => {
  const attributes = { to: { int: 1 }, round_mode: { string: "up" } };
  const [, , node] = both({ opset: 24, operator: "Cast", inputs: [[2]], attributes });
  expect(node.attributes).toEqual({ to: { int: 1 } });
  const [old, , swish] = both({ opset: 24, operator: "Swish", inputs: [[2]] });
  expect(swish).toEqual(old.nodes[0]);
});
