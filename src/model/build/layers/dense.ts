/** Fully connected layers: y = x W' + b with W [out, in]. */
import type { ModelValue } from "../../onnx/model.ts";
import {
  batched,
  exampleShape,
  type Layer,
  type LayerContext,
  layerError,
  startOf,
} from "../layer.ts";

export const dense: Layer<{ dense: number; bias?: boolean | undefined }> = (at, spec) => {
  const shape = exampleShape(at.input);
  if (shape.length !== 1 && shape.length !== 2)
    throw layerError(at, "needs one axis", "put `flatten` before it");
  const { input, name } = at;
  return linear(at, { input, out: spec.dense, weight: `${name}.weight`, bias: biasOf(name, spec) });
};

/** Name of a layer's constants, if it has them. */
export const biasOf = (
  name: string,
  spec: { readonly bias?: boolean | undefined },
): string | undefined => (spec.bias === false ? undefined : `${name}.bias`);

export interface Linear {
  readonly input: ModelValue;
  readonly out: number;
  /** Names of the tensors. */
  readonly weight: string;
  readonly bias: string | undefined;
  /** Columns of the input that one output depends on and back; as the weight's shape says if absent. */
  readonly fans?: { readonly fanIn: number; readonly fanOut: number };
  /** Name of the result: the layer's own if absent. */
  readonly name?: string;
}

/**
 * The product on the last axis. A sequence is laid out as one matrix of batch * time rows: as fast as MatMul on
 * three axes, forward and backward, but the weight keeps PyTorch's layout and the Gemm adds the constants.
 */
export function linear(
  at: LayerContext,
  { input, out, weight, bias, fans, name = at.name }: Linear,
) {
  const { builder } = at;
  const shape = exampleShape(input);
  const width = shape.at(-1) ?? 0;
  const { fanIn, fanOut } = fans ?? { fanIn: width, fanOut: out };
  const tensors = [builder.weight(weight, [out, width], startOf(at, fanIn, fanOut))];
  if (bias !== undefined) tensors.push(builder.weight(bias, [out], { kind: "zeros" }));
  const product = (rows: ModelValue, result: string): ModelValue =>
    builder.node(
      "Gemm",
      [rows, ...tensors],
      { transB: { int: 1 } },
      { name: result, shape: batched(at, [out]) },
    );
  if (shape.length === 1) return product(input, name);
  const rows = builder.reshape(input, [-1, width], {
    name: `${name}/rows`,
    shape: ["batch * time", width],
  });
  return builder.reshape(product(rows, `${name}/product`), [-1, ...shape.slice(0, -1), out], {
    name,
    shape: batched(at, [...shape.slice(0, -1), out]),
  });
}
