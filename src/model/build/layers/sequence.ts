/**
 * Layers on token numbers [batch, time] and on sequences [batch, time, features].
 *
 * Token and position vectors start with deviation 1 / sqrt(features), so about of length one, both alike.
 */
import type { LayerSpec } from "../../layer-spec.ts";
import type { ModelValue } from "../../onnx/model.ts";
import {
  batched,
  exampleShape,
  type Layer,
  type LayerContext,
  layerError,
  sequenceShape,
} from "../layer.ts";

export const embedding: Layer<Extract<LayerSpec, { embedding: number }>> = (at, spec) => {
  const { builder, input, name } = at;
  const vocabulary = spec.vocabulary ?? at.vocabulary;
  if (input.type !== "int64") throw layerError(at, "needs token numbers", "data of kind: text");
  if (vocabulary === undefined) throw layerError(at, "needs the size of its vocabulary");
  const size = spec.embedding;
  const deviation = 1 / Math.sqrt(size);
  const weight = builder.weight(`${name}.weight`, [vocabulary, size], {
    kind: "normal",
    deviation,
  });
  const shape = batched(at, [...exampleShape(input), size]);
  return builder.node("Gather", [weight, input], { axis: { int: 0 } }, { name, shape });
};

export const positions: Layer<"positions"> = (at) => {
  const { builder, input, name } = at;
  const { time, features } = sequenceShape(at);
  const deviation = 1 / Math.sqrt(features);
  const weight = builder.weight(`${name}.weight`, [time, features], { kind: "normal", deviation });
  return builder.node("Add", [input, weight], {}, { name, shape: input.shape });
};

export const lstm: Layer<Extract<LayerSpec, { lstm: number }>> = (at, spec) =>
  recurrent(at, { operator: "LSTM", gates: 4, hidden: spec.lstm, last: spec.last ?? false });

/** With the reset gate after the product, as PyTorch and cuDNN have it. */
export const gru: Layer<Extract<LayerSpec, { gru: number }>> = (at, spec) =>
  recurrent(at, { operator: "GRU", gates: 3, hidden: spec.gru, last: spec.last ?? false });

interface Recurrent {
  readonly operator: "LSTM" | "GRU";
  readonly gates: number;
  readonly hidden: number;
  readonly last: boolean;
}

/**
 * Weights as the operator wants them: W [1, gates * hidden, in], R [1, gates * hidden, hidden] and B
 * [1, 2 * gates * hidden], gates in ONNX's order. Starting values: uniform within 1 / sqrt(hidden).
 */
function recurrent(at: LayerContext, { operator, gates, hidden, last }: Recurrent): ModelValue {
  const { builder, name } = at;
  const { time, features } = sequenceShape(at);
  const batch = at.input.shape[0] ?? "batch";
  const start = { kind: "uniform", limit: 1 / Math.sqrt(hidden) } as const;
  const tensors = [
    builder.weight(`${name}.W`, [1, gates * hidden, features], start),
    builder.weight(`${name}.R`, [1, gates * hidden, hidden], start),
    builder.weight(`${name}.B`, [1, 2 * gates * hidden], start),
  ];
  const steps = builder.transpose(at.input, [1, 0, 2], `${name}/steps`);
  const results = [
    { name: last ? "" : `${name}/states`, shape: [time, 1, batch, hidden] },
    ...(last ? [{ name: `${name}/state`, shape: [1, batch, hidden] }] : []),
  ];
  const outputs = builder.nodes(
    operator,
    [steps, ...tensors],
    {
      hidden_size: { int: hidden },
      ...(operator === "GRU" ? { linear_before_reset: { int: 1 } } : {}),
    },
    results,
  );
  const state = outputs.at(-1) as ModelValue;
  const squeeze = (axis: number, result: string): ModelValue =>
    builder.node(
      "Squeeze",
      [state, builder.ints([axis])],
      {},
      {
        name: result,
        shape: state.shape.filter((_, i) => i !== axis),
      },
    );
  if (last) return squeeze(0, name);
  return builder.transpose(squeeze(1, `${name}/sequence`), [1, 0, 2], name);
}
