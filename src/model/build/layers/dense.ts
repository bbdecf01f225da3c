/** Fully connected layers: y = x W' + b with W [out, in]. */
import type { LayerSpec } from "../../spec.ts";
import { batched, exampleShape, type Layer, layerError, startOf } from "../layer.ts";

type Dense = Extract<LayerSpec, { dense: number }>;

export const dense: Layer<Dense> = (at, { dense: out }) => {
  const { builder, input, name } = at;
  const shape = exampleShape(input);
  const [width = 0] = shape;
  if (shape.length !== 1) throw layerError(at, "needs one axis", "put `flatten` before it");
  const weight = builder.weight(`${name}.weight`, [out, width], startOf(at, width, out));
  const bias = builder.weight(`${name}.bias`, [out], { kind: "zeros" });
  return builder.node(
    "Gemm",
    [input, weight, bias],
    { transB: { int: 1 } },
    { name, shape: batched(at, [out]) },
  );
};
