/** Convolutions over one or two spatial axes. */
import { sizeOf } from "../../onnx/graph.ts";
import type { LayerSpec } from "../../spec.ts";
import { batched, type Layer, layerError, startOf } from "../layer.ts";
import { slide, spatialShape, type Window, windowAttributes } from "./window.ts";

type Conv = Extract<LayerSpec, { conv: number }>;

export const conv: Layer<Conv> = (at, spec) => {
  const { builder, input, name } = at;
  const { channels, spatial } = spatialShape(at);
  const window: Window = {
    kernel: spec.kernel,
    stride: spec.stride,
    dilation: 1,
    padding: spec.padding,
  };
  const sizes = slide(window, spatial);
  if (sizes.some((size) => size < 1))
    throw layerError(at, "has a kernel larger than its input", "padding: same");
  const kernel = spatial.map(() => spec.kernel);
  const shape = [spec.conv, channels, ...kernel];
  const fanIn = sizeOf(shape.slice(1));
  const fanOut = spec.conv * sizeOf(kernel);
  const weight = builder.weight(`${name}.weight`, shape, startOf(at, fanIn, fanOut));
  const bias = builder.weight(`${name}.bias`, [spec.conv], { kind: "zeros" });
  return builder.node("Conv", [input, weight, bias], windowAttributes(window, spatial), {
    name,
    shape: batched(at, [spec.conv, ...sizes]),
  });
};
