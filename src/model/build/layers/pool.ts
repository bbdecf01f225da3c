/** Pools: one value a window, or one a channel. */
import type { LayerSpec } from "../../layer-spec.ts";
import type { Attributes } from "../../onnx/graph.ts";
import type { ModelValue } from "../../onnx/model.ts";
import { batched, type Layer, type LayerContext, layerError } from "../layer.ts";
import { slide, spatialShape, type Window, windowAttributes } from "./window.ts";

interface Options {
  readonly stride?: number | undefined;
  readonly padding?: Window["padding"] | undefined;
}

export const maxPool: Layer<Extract<LayerSpec, { maxPool: number }>> = (at, spec) =>
  pool(at, "MaxPool", spec.maxPool, spec);

export const averagePool: Layer<Extract<LayerSpec, { averagePool: number }>> = (at, spec) =>
  pool(at, "AveragePool", spec.averagePool, spec);

function pool(at: LayerContext, operator: string, kernel: number, options: Options): ModelValue {
  const { channels, spatial } = spatialShape(at);
  const { stride = kernel, padding = "valid" } = options;
  const window: Window = { kernel, stride, dilation: 1, padding };
  const pooled = slide(window, spatial);
  if (pooled.some((size) => size < 1)) throw layerError(at, "is larger than its input");
  const attributes: Attributes = windowAttributes(window, spatial);
  const shape = batched(at, [channels, ...pooled]);
  return at.builder.node(operator, [at.input], attributes, { name: at.name, shape });
}

export const globalAveragePool: Layer<"globalAveragePool"> = (at) =>
  globalPool(at, "GlobalAveragePool");
export const globalMaxPool: Layer<"globalMaxPool"> = (at) => globalPool(at, "GlobalMaxPool");

/** One value a channel, without the spatial axes. */
function globalPool(at: LayerContext, operator: string): ModelValue {
  const { builder, input, name } = at;
  const { channels, spatial } = spatialShape(at);
  const shape = batched(at, [channels, ...spatial.map(() => 1)]);
  const pooled = builder.node(operator, [input], {}, { name: `${name}/pool`, shape });
  return builder.reshape(pooled, [-1, channels], { name, shape: batched(at, [channels]) });
}
