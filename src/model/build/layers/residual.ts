/**
 * Residual blocks (He et al., "Deep Residual Learning", 2015): what the layers answer plus their input. Where
 * shapes differ, a 1x1 convolution with a stride, or a dense layer, projects the input.
 */
import type { LayerSpec } from "../../layer-spec.ts";
import { sameShape } from "../../onnx/graph.ts";
import type { ModelValue } from "../../onnx/model.ts";
import {
  batched,
  exampleShape,
  type Layer,
  type LayerContext,
  layerError,
  startOf,
} from "../layer.ts";
import { linear } from "./dense.ts";

export const residual: Layer<Extract<LayerSpec, { residual: unknown }>> = (at, spec) => {
  const { builder, input, name } = at;
  const inner = at.within(spec.residual, "residual");
  const shape = exampleShape(inner);
  const shortcut = sameShape(exampleShape(input), shape) ? input : project(at, shape);
  return builder.node("Add", [inner, shortcut], {}, { name, shape: inner.shape });
};

function project(at: LayerContext, wanted: readonly number[]): ModelValue {
  const { builder, input, name } = at;
  const given = exampleShape(input);
  const weight = `${name}.shortcut.weight`;
  const rank = given.length;
  if (rank === wanted.length && sameShape(given.slice(0, -1), wanted.slice(0, -1)) && rank < 3)
    return linear(at, {
      input,
      out: wanted.at(-1) ?? 0,
      weight,
      bias: undefined,
      name: `${name}/shortcut`,
    });
  const [from = 0, ...sizes] = given;
  const [to = 0, ...after] = wanted;
  const strides = sizes.map((size, axis) => Math.round(size / (after[axis] ?? 0)));
  const reached = sizes.map((size, axis) => Math.ceil(size / (strides[axis] ?? 1)));
  if (rank !== wanted.length || !sameShape(reached, after))
    throw layerError(at, `answers [${wanted.join(", ")}], to which its input cannot be added`);
  const tensor = builder.weight(weight, [to, from, ...sizes.map(() => 1)], startOf(at, from, to));
  return builder.node(
    "Conv",
    [input, tensor],
    { kernel_shape: { ints: sizes.map(() => 1) }, strides: { ints: strides } },
    { name: `${name}/shortcut`, shape: batched(at, wanted) },
  );
}
