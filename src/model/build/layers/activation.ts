/** Activations: element by element, but for softmax. */

import type { LayerSpec } from "../../layer-spec.ts";
import type { Attributes } from "../../onnx/graph.ts";
import type { Layer } from "../layer.ts";

const activation =
  (operator: string, attributes: Attributes = {}): Layer<LayerSpec> =>
  ({ builder, input, name }) =>
    builder.node(operator, [input], attributes, { name, shape: input.shape });

export const elu: Layer<"elu" | { elu: number }> = (at, spec) =>
  activation("Elu", { alpha: { float: spec === "elu" ? 1 : spec.elu } })(at, spec);
export const gelu = activation("Gelu", { approximate: { string: "none" } });
export const leakyRelu: Layer<"leakyRelu" | { leakyRelu: number }> = (at, spec) =>
  activation("LeakyRelu", { alpha: { float: spec === "leakyRelu" ? 0.01 : spec.leakyRelu } })(
    at,
    spec,
  );
export const relu = activation("Relu");
export const sigmoid = activation("Sigmoid");
export const softmax = activation("Softmax", { axis: { int: -1 } });
export const softplus = activation("Softplus");
export const tanh = activation("Tanh");

/** x * sigmoid(x) */
export const silu: Layer<"silu"> = ({ builder, input, name }) => {
  const { shape } = input;
  const gate = builder.node("Sigmoid", [input], {}, { name: `${name}/gate`, shape });
  return builder.node("Mul", [input, gate], {}, { name, shape });
};
