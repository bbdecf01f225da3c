/** The shape arithmetic that exporters write, folded while a graph is built: only what computes stays. */
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { ELEMENT_TYPES, type Initializer } from "../../src/model/onnx/graph.ts";

const int64 = (shape: readonly number[], ...values: readonly number[]): Initializer => ({
  name: "",
  type: "int64",
  shape,
  data: BigInt64Array.from(values, BigInt),
});
const float32 = (shape: readonly number[], ...values: readonly number[]): Initializer => ({
  name: "",
  type: "float32",
  shape,
  data: Float32Array.from(values),
});

describe("exporters' shape arithmetic leaves nothing behind", () => {
  const start = (dims: readonly number[]): GraphBuilder => {
    const graph = new GraphBuilder();
    graph.input("x", { type: "float32", shape: dims });
    return graph;
  };
  const scalar = (graph: GraphBuilder, value: number): string =>
    graph.constant(graph.freshName("n"), int64([], value));

  test("x.view(x.size(0), -1): Shape, Gather, Unsqueeze, Concat, Reshape", () => {
    const graph = start([8, 3, 4]);
    const batch = graph.emit("Gather", [graph.emit("Shape", ["x"]), scalar(graph, 0)]);
    const first = graph.emit("Unsqueeze", [batch, graph.ints([0])]);
    const wanted = graph.emit("Concat", [first, graph.ints([-1])], { axis: { int: 0 } });
    const y = graph.emit("Reshape", ["x", wanted]);
    expect(graph.shapeOf(y)).toEqual([8, 12]);
    expect(graph.nodes.map(({ operator }) => operator)).toEqual(["Reshape"]);
  });

  test("attention: view(b, t, heads, c // heads).transpose(1, 2)", () => {
    const graph = start([2, 5, 12]);
    const sizes = [0, 1, 2].map((axis) =>
      graph.emit("Gather", [graph.emit("Shape", ["x"]), scalar(graph, axis)]),
    );
    const each = graph.emit("Div", [sizes[2] as string, scalar(graph, 3)]);
    const whole = graph.emit("Cast", [each], { to: { int: ELEMENT_TYPES.int64 } });
    const parts = [sizes[0] as string, sizes[1] as string, scalar(graph, 3), whole].map((name) =>
      graph.emit("Unsqueeze", [name, graph.ints([0])]),
    );
    const wanted = graph.emit("Concat", parts, { axis: { int: 0 } });
    const heads = graph.emit("Transpose", [graph.emit("Reshape", ["x", wanted])], {
      perm: { ints: [0, 2, 1, 3] },
    });
    expect(graph.shapeOf(heads)).toEqual([2, 3, 5, 4]);
    expect(graph.nodes.map(({ operator }) => operator)).toEqual(["Reshape", "Transpose"]);
  });

  test("a causal mask: ConstantOfShape, Trilu, Equal, Where, Slice, Expand", () => {
    const graph = start([2, 3, 6]);
    const length = graph.emit("Shape", ["x"], { start: { int: 1 }, end: { int: 2 } });
    const square = graph.emit("Concat", [graph.ints([4]), graph.ints([4])], { axis: { int: 0 } });
    const ones = graph.emit("ConstantOfShape", [square], {
      value: { tensor: float32([1], 1) },
    });
    const lower = graph.emit("Trilu", [ones], { upper: { int: 0 } });
    const hidden = graph.emit("Equal", [lower, graph.scalar(0)]);
    const low = graph.constant("low", float32([], Number.NEGATIVE_INFINITY));
    const bias = graph.emit("Where", [hidden, low, graph.scalar(0)]);
    const cut = [0, 1].reduce(
      (value, axis) => graph.emit("Slice", [value, graph.ints([0]), length, graph.ints([axis])]),
      bias,
    );
    const batch = graph.emit("Shape", ["x"], { end: { int: 1 } });
    const square3 = graph.emit("Concat", [batch, length, length], { axis: { int: 0 } });
    const mask = graph.emit("Expand", [cut, square3]);
    const down = Number.NEGATIVE_INFINITY;
    const one = [0, down, down, 0, 0, down, 0, 0, 0];
    expect(graph.constantOf(mask)).toEqual([...one, ...one]);
    expect(graph.nodes).toEqual([]);
  });

  test("-1 for sizes to keep: ConstantOfShape, Mul, Equal, Where, Expand (torch.expand)", () => {
    const graph = start([1, 5]);
    const given = graph.ints([7, -1]);
    const ones = graph.emit("ConstantOfShape", [graph.emit("Shape", [given])], {
      value: { tensor: int64([1], 1) },
    });
    const unset = graph.emit("Equal", [given, graph.emit("Mul", [ones, graph.ints([-1])])]);
    const y = graph.emit("Expand", ["x", graph.emit("Where", [unset, ones, given])]);
    expect(graph.shapeOf(y)).toEqual([7, 5]);
    expect(graph.nodes.map(({ operator }) => operator)).toEqual(["Expand"]);
  });

  test("pads in PyTorch's order: Concat, Reshape, Slice backwards, Transpose, Reshape, Cast", () => {
    const graph = start([2, 3]);
    const missing = graph.emit("ConstantOfShape", [graph.ints([2])], {
      value: { tensor: int64([1], 0) },
    });
    const all = graph.emit("Concat", [graph.ints([1, 2]), missing], { axis: { int: 0 } });
    const rows = graph.emit("Reshape", [all, graph.ints([-1, 2])]);
    const far = graph.constant("far", {
      type: "int64",
      shape: [1],
      data: BigInt64Array.of(-(2n ** 63n) + 1n),
    });
    const back = graph.emit("Slice", [
      rows,
      graph.ints([-1]),
      far,
      graph.ints([0]),
      graph.ints([-1]),
    ]);
    const flat = graph.emit("Reshape", [
      graph.emit("Transpose", [back], { perm: { ints: [1, 0] } }),
      graph.ints([-1]),
    ]);
    const pads = graph.emit("Cast", [flat], { to: { int: ELEMENT_TYPES.int64 } });
    expect(graph.shapeOf(graph.emit("Pad", ["x", pads]))).toEqual([2, 6]);
    expect(graph.nodes.map(({ operator }) => operator)).toEqual(["Pad"]);
  });
});
