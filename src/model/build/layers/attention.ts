/**
 * Self-attention of several heads (Vaswani et al., "Attention Is All You Need", 2017): queries, keys and
 * values by one product, softmax(q k' / sqrt(d)) v for each head, and a product over all heads. Tensors are
 * named and laid out as those of PyTorch's MultiheadAttention.
 */
import type { ModelValue } from "../../onnx/model.ts";
import { batched, type Layer, type LayerContext, layerError, sequenceShape } from "../layer.ts";
import { linear } from "./dense.ts";

/** The lowest float32: added to a score it leaves a weight of exactly zero. */
const MASKED = -3.4028234663852886e38;

export const attention: Layer<{
  attention: { heads: number; causal?: boolean | undefined };
}> = (at, { attention: { heads, causal = false } }) => {
  const { builder, input, name } = at;
  const { time, features } = sequenceShape(at);
  if (features % heads !== 0)
    throw layerError(at, `has ${heads} heads, which do not divide ${features} features`);
  const size = features / heads;
  const [query, key, value] = projections(at, heads, size);
  const scaled = builder.node(
    "Mul",
    [query, builder.scalar(1 / Math.sqrt(size))],
    {},
    {
      name: `${name}/scaled`,
      shape: query.shape,
    },
  );
  const square = { shape: batched(at, [heads, time, time]) };
  const node = (operator: string, inputs: readonly ModelValue[], part: string): ModelValue =>
    builder.node(operator, inputs, {}, { name: `${name}/${part}`, ...square });
  let scores = node(
    "MatMul",
    [scaled, builder.transpose(key, [0, 1, 3, 2], `${name}/keys`)],
    "scores",
  );
  if (causal) scores = node("Add", [scores, mask(at, time)], "masked");
  const weights = builder.node(
    "Softmax",
    [scores],
    { axis: { int: -1 } },
    {
      name: `${name}/weights`,
      ...square,
    },
  );
  const mixed = builder.node(
    "MatMul",
    [weights, value],
    {},
    {
      name: `${name}/mixed`,
      shape: value.shape,
    },
  );
  const together = builder.reshape(
    builder.transpose(mixed, [0, 2, 1, 3], `${name}/together`),
    [-1, time, features],
    { name: `${name}/heads`, shape: input.shape },
  );
  return linear(at, {
    input: together,
    out: features,
    weight: `${name}.out_proj.weight`,
    bias: `${name}.out_proj.bias`,
  });
};

/** Queries, keys and values, each [batch, heads, time, size]. */
function projections(
  at: LayerContext,
  heads: number,
  size: number,
): readonly [ModelValue, ModelValue, ModelValue] {
  const { builder, name, input } = at;
  const { time, features } = sequenceShape(at);
  const joint = linear(at, {
    input,
    out: 3 * features,
    weight: `${name}.in_proj_weight`,
    bias: `${name}.in_proj_bias`,
    fans: { fanIn: features, fanOut: features },
    name: `${name}/projections`,
  });
  const parts = ["query", "key", "value"].map((part) => ({
    name: `${name}/${part}`,
    shape: input.shape,
  }));
  const split = builder.nodes(
    "Split",
    [joint],
    { axis: { int: -1 }, num_outputs: { int: 3 } },
    parts,
  );
  return split.map((part) => {
    const apart = builder.reshape(part, [-1, time, heads, size], {
      name: `${part.name}/apart`,
      shape: batched(at, [time, heads, size]),
    });
    return builder.transpose(apart, [0, 2, 1, 3], `${part.name}/heads`);
  }) as [ModelValue, ModelValue, ModelValue];
}

/** Zero where a step may look: at itself and before. */
function mask({ builder, name }: LayerContext, time: number): ModelValue {
  const data = new Float32Array(time * time);
  for (let row = 0; row < time; row++) data.fill(MASKED, row * time + row + 1, (row + 1) * time);
  return builder.tensor(`${name}.mask`, [time, time], data);
}
