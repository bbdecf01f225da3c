/** Gradients of pools: each output's gradient goes back to the element that won its window. */
import { intsAttribute, sizeOf } from "../graph.ts";
import { windowOf } from "../shape/window.ts";
import { type GradientRule, inputOf, reshape } from "./rule.ts";

/** Windows that do not overlap: MaxUnpool. Windows that do: an element may win twice, so scatter and add. */
const maxPool: GradientRule = (at) => {
  const { graph, upstream } = at;
  const shape = graph.shapeOf(inputOf(at, 0));
  const indices = graph.extraOutput(at.node, 1);
  const window = windowOf(at.node, intsAttribute(at.node, "kernel_shape", []));
  const apart = window.kernel.every(
    (size, axis) => size <= (window.strides[axis] ?? 1) && (window.dilations[axis] ?? 1) === 1,
  );
  if (apart && window.pads.every((pad) => pad === 0))
    return [
      graph.emit("MaxUnpool", [upstream, indices, graph.ints(shape)], {
        kernel_shape: { ints: window.kernel },
        strides: { ints: window.strides },
      }),
    ];
  const count = sizeOf(graph.shapeOf(upstream));
  const zeros = graph.emit("Expand", [graph.scalar(0), graph.ints([sizeOf(shape)])]);
  const scattered = graph.emit(
    "ScatterElements",
    [zeros, reshape(graph, indices, [count]), reshape(graph, upstream, [count])],
    { axis: { int: 0 }, reduction: { string: "add" } },
  );
  return [reshape(graph, scattered, shape)];
};

export const poolGradients = { MaxPool: maxPool } satisfies Record<string, GradientRule>;
