/** Puts a row of layers on a value, one after another. */
import type { ModelValue } from "../onnx/model.ts";
import type { LayerSpec } from "../spec.ts";
import type { ModelBuilder } from "./builder.ts";
import type { Layer, LayerContext, Place } from "./layer.ts";
import { relu } from "./layers/activation.ts";
import { conv } from "./layers/conv.ts";
import { dense } from "./layers/dense.ts";
import { maxPool } from "./layers/pool.ts";
import { flatten } from "./layers/shape.ts";

/** "relu" and "dense" of `{ dense: 10 }`: the first key says what a layer is. */
export const kindOf = (layer: LayerSpec): string =>
  typeof layer === "string" ? layer : (Object.keys(layer)[0] as string);

const LAYERS: Readonly<Record<string, Layer<never>>> = { conv, dense, flatten, maxPool, relu };

const TOP: Place = { path: ["model", "layers"], rectified: false };

export function applyLayers(
  builder: ModelBuilder,
  input: ModelValue,
  layers: readonly LayerSpec[],
  place: Place = TOP,
): ModelValue {
  let value = input;
  layers.forEach((spec, i) => {
    const kind = kindOf(spec);
    const layer = LAYERS[kind] as Layer<LayerSpec>;
    const context: LayerContext = {
      builder,
      input: value,
      name: builder.layerName(kind),
      spec,
      path: [...place.path, i],
      rectified: isRectified(layers.slice(i + 1), place),
    };
    value = layer(context, spec);
  });
  return value;
}

const RECTIFIERS: ReadonlySet<string> = new Set(["relu"]);
/** Layers that only choose and move elements. */
const PASSIVE: ReadonlySet<string> = new Set(["flatten", "maxPool"]);

function isRectified(following: readonly LayerSpec[], place: Place): boolean {
  const next = following.map(kindOf).find((kind) => !PASSIVE.has(kind));
  return next === undefined ? place.rectified : RECTIFIERS.has(next);
}
