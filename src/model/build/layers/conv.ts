/** Convolutions over one or two spatial axes. Weights are [out, in / groups, ...kernel]. */
import type { LayerSpec } from "../../layer-spec.ts";
import { sizeOf } from "../../onnx/graph.ts";
import type { ModelValue } from "../../onnx/model.ts";
import { batched, type Layer, type LayerContext, layerError, startOf } from "../layer.ts";
import { biasOf } from "./dense.ts";
import { slide, spatialShape, transposed, type Window, windowAttributes } from "./window.ts";

type Spec<Key extends string> = Extract<LayerSpec, Record<Key, number>>;

export const conv: Layer<Spec<"conv">> = (at, spec) => {
  const { channels } = spatialShape(at);
  const groups = spec.groups ?? 1;
  if (channels % groups !== 0 || spec.conv % groups !== 0)
    throw layerError(at, `has ${groups} groups, which do not divide channels and filters`);
  const window: Window = { ...spec, dilation: spec.dilation ?? 1 };
  return convolve(at, window, spec.conv, groups, biasOf(at.name, spec));
};

export const depthwiseConv: Layer<Spec<"depthwiseConv">> = (at, spec) => {
  const { channels } = spatialShape(at);
  const window: Window = { ...spec, kernel: spec.depthwiseConv, dilation: spec.dilation ?? 1 };
  return convolve(at, window, channels, channels, biasOf(at.name, spec));
};

function convolve(
  at: LayerContext,
  window: Window,
  filters: number,
  groups: number,
  bias: string | undefined,
): ModelValue {
  const { builder, name } = at;
  const { channels, spatial } = spatialShape(at);
  const sizes = slide(window, spatial);
  if (sizes.some((size) => size < 1))
    throw layerError(at, "has a kernel larger than its input", "padding: same");
  const kernel = spatial.map(() => window.kernel);
  const fanIn = (channels / groups) * sizeOf(kernel);
  const fanOut = (filters / groups) * sizeOf(kernel);
  const shape = [filters, channels / groups, ...kernel];
  const inputs = [at.input, builder.weight(`${name}.weight`, shape, startOf(at, fanIn, fanOut))];
  if (bias !== undefined) inputs.push(builder.weight(bias, [filters], { kind: "zeros" }));
  const attributes = {
    ...windowAttributes(window, spatial),
    ...(groups === 1 ? {} : { group: { int: groups } }),
  };
  return builder.node("Conv", inputs, attributes, {
    name,
    shape: batched(at, [filters, ...sizes]),
  });
}

/** Weights are [in, out, ...kernel]. An output element is reached by kernel / stride elements on an axis. */
export const convTranspose: Layer<Spec<"convTranspose">> = (at, spec) => {
  const { builder, input, name } = at;
  const { channels, spatial } = spatialShape(at);
  const window: Window = { ...spec, dilation: 1 };
  const filters = spec.convTranspose;
  const { sizes, attributes } = transposed(window, spatial);
  const kernel = spatial.map(() => spec.kernel);
  const reach = Math.max(1, spec.kernel / spec.stride) ** spatial.length;
  const start = startOf(at, channels * reach, filters * reach);
  const inputs = [input, builder.weight(`${name}.weight`, [channels, filters, ...kernel], start)];
  const bias = biasOf(name, spec);
  if (bias !== undefined) inputs.push(builder.weight(bias, [filters], { kind: "zeros" }));
  const shape = batched(at, [filters, ...sizes]);
  return builder.node("ConvTranspose", inputs, attributes, { name, shape });
};
