/** Pools: one value a window. */
import type { LayerSpec } from "../../spec.ts";
import { batched, type Layer, layerError } from "../layer.ts";
import { slide, spatialShape, type Window, windowAttributes } from "./window.ts";

type MaxPool = Extract<LayerSpec, { maxPool: number }>;

export const maxPool: Layer<MaxPool> = (at, spec) => {
  const { builder, input, name } = at;
  const { channels, spatial } = spatialShape(at);
  const window: Window = {
    kernel: spec.maxPool,
    stride: spec.maxPool,
    dilation: 1,
    padding: "valid",
  };
  const pooled = slide(window, spatial);
  if (pooled.some((size) => size < 1)) throw layerError(at, "is larger than its input");
  const shape = batched(at, [channels, ...pooled]);
  return builder.node("MaxPool", [input], windowAttributes(window, spatial), { name, shape });
};
