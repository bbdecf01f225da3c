/** Puts a row of layers on a value, one after another. */

import type { LayerSpec } from "../layer-spec.ts";
import type { ModelValue } from "../onnx/model.ts";
import type { ModelBuilder } from "./builder.ts";
import type { Layer, LayerContext, Place } from "./layer.ts";
import * as activations from "./layers/activation.ts";
import { attention } from "./layers/attention.ts";
import { conv, convTranspose, depthwiseConv } from "./layers/conv.ts";
import { dense } from "./layers/dense.ts";
import { dropout } from "./layers/dropout.ts";
import * as normalisations from "./layers/normalise.ts";
import * as pools from "./layers/pool.ts";
import { residual } from "./layers/residual.ts";
import { embedding, gru, lstm, positions } from "./layers/sequence.ts";
import { flatten, reshape } from "./layers/shape.ts";

/** "relu", "dense": what a layer is called. */
export type LayerKind = LayerSpec extends infer Spec
  ? Spec extends string
    ? Spec
    : Exclude<keyof Spec, Options>
  : never;
type Options =
  | "bias"
  | "dilation"
  | "groups"
  | "kernel"
  | "last"
  | "padding"
  | "stride"
  | "vocabulary";
type SpecOf<Kind extends string> = Extract<LayerSpec, Kind | Readonly<Record<Kind, unknown>>>;

/** "relu" and "dense" of `{ dense: 10 }`: the first key says what a layer is. */
export const kindOf = (layer: LayerSpec): LayerKind =>
  (typeof layer === "string" ? layer : Object.keys(layer)[0]) as LayerKind;

const LAYERS: { readonly [Kind in LayerKind]: Layer<SpecOf<Kind>> } = {
  ...activations,
  ...normalisations,
  ...pools,
  attention,
  conv,
  convTranspose,
  dense,
  depthwiseConv,
  dropout,
  embedding,
  flatten,
  gru,
  lstm,
  positions,
  reshape,
  residual,
};

/** Layers at the top of a model. `vocabulary`: number of different tokens of the data. */
export const applyLayers = (
  builder: ModelBuilder,
  input: ModelValue,
  layers: readonly LayerSpec[],
  vocabulary?: number,
): ModelValue =>
  applyAt(builder, input, layers, { path: ["model", "layers"], rectified: false, vocabulary });

function applyAt(
  builder: ModelBuilder,
  input: ModelValue,
  layers: readonly LayerSpec[],
  place: Place,
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
      vocabulary: place.vocabulary,
      within(inner, key) {
        const { path, rectified, vocabulary } = context;
        const inside = { path: [...path, key], rectified, vocabulary };
        return applyAt(builder, context.input, inner, inside);
      },
    };
    value = layer(context, spec);
  });
  return value;
}

/** Activations that cut what is negative, or nearly so. */
const RECTIFIERS: ReadonlySet<string> = new Set(["elu", "gelu", "leakyRelu", "relu", "silu"]);
/** Layers between weights and their activation: they choose, move and rescale. */
const PASSIVE: ReadonlySet<string> = new Set([
  ...[
    "averagePool",
    "dropout",
    "flatten",
    "globalAveragePool",
    "globalMaxPool",
    "maxPool",
    "reshape",
  ],
  ...["batchNorm", "groupNorm", "instanceNorm", "layerNorm", "rmsNorm"],
]);

function isRectified(following: readonly LayerSpec[], place: Place): boolean {
  const next = following.map(kindOf).find((kind) => !PASSIVE.has(kind));
  return next === undefined ? place.rectified : RECTIFIERS.has(next);
}
