/** Layers that only move elements. */
import { sizeOf } from "../../onnx/graph.ts";
import { batched, exampleShape, type Layer, type LayerContext, layerError } from "../layer.ts";

export const flatten: Layer<"flatten"> = (at) => to(at, [sizeOf(exampleShape(at.input))]);

export const reshape: Layer<{ reshape: readonly number[] }> = (at, spec) => {
  const size = sizeOf(exampleShape(at.input));
  if (sizeOf(spec.reshape) !== size)
    throw layerError(at, `has ${sizeOf(spec.reshape)} elements, not ${size}`);
  return to(at, spec.reshape);
};

const to = (at: LayerContext, shape: readonly number[]) =>
  at.builder.reshape(at.input, [-1, ...shape], { name: at.name, shape: batched(at, shape) });
