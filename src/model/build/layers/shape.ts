/** Layers that only move elements. */
import { sizeOf } from "../../onnx/graph.ts";
import { batched, exampleShape, type Layer } from "../layer.ts";

/** One axis after the batch. */
export const flatten: Layer<"flatten"> = (at) => {
  const { builder, input, name } = at;
  const size = sizeOf(exampleShape(input));
  const shape = batched(at, [size]);
  return builder.node("Reshape", [input, builder.ints([-1, size])], {}, { name, shape });
};
