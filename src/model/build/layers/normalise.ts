/**
 * Normalisations: subtract a mean, divide by a deviation, scale and shift by learnt values (Ioffe and
 * Szegedy 2015; Ba et al. 2016; Wu and He 2018; Zhang and Sennrich 2019). Epsilons are PyTorch's.
 */
import type { Attributes } from "../../onnx/graph.ts";
import type { ModelValue } from "../../onnx/model.ts";
import { exampleShape, type Layer, type LayerContext, layerError } from "../layer.ts";

const EPSILON = 1e-5;
/** ONNX counts what the old average keeps: PyTorch's momentum 0.1 is 0.9 here. */
const KEPT = 0.9;

const scaleAndShift = ({ builder, name }: LayerContext, size: number): ModelValue[] => [
  builder.weight(`${name}.weight`, [size], { kind: "ones" }),
  builder.weight(`${name}.bias`, [size], { kind: "zeros" }),
];

const channelsOf = (at: LayerContext): number => exampleShape(at.input)[0] ?? 0;
const featuresOf = (at: LayerContext): number => exampleShape(at.input).at(-1) ?? 0;

const normalised = (
  { builder, input, name }: LayerContext,
  operator: string,
  tensors: readonly ModelValue[],
  attributes: Attributes,
): ModelValue =>
  builder.node(operator, [input, ...tensors], attributes, { name, shape: input.shape });

/** Stands as it judges; binding it for training makes it normalise by the batch and update its averages. */
export const batchNorm: Layer<"batchNorm"> = (at) => {
  const { builder, name } = at;
  const size = channelsOf(at);
  const learnt = scaleAndShift(at, size);
  const averages = [
    builder.tensor(`${name}.running_mean`, [size], new Float32Array(size)),
    builder.tensor(`${name}.running_var`, [size], new Float32Array(size).fill(1)),
  ];
  return normalised(at, "BatchNormalization", [...learnt, ...averages], {
    epsilon: { float: EPSILON },
    momentum: { float: KEPT },
    training_mode: { int: 0 },
  });
};

export const instanceNorm: Layer<"instanceNorm"> = (at) => {
  spatial(at);
  return normalised(at, "InstanceNormalization", scaleAndShift(at, channelsOf(at)), {
    epsilon: { float: EPSILON },
  });
};

export const groupNorm: Layer<{ groupNorm: number }> = (at, { groupNorm: groups }) => {
  spatial(at);
  const size = channelsOf(at);
  if (size % groups !== 0) throw layerError(at, `does not divide ${size} channels`);
  return normalised(at, "GroupNormalization", scaleAndShift(at, size), {
    epsilon: { float: EPSILON },
    num_groups: { int: groups },
  });
};

export const layerNorm: Layer<"layerNorm"> = (at) =>
  normalised(at, "LayerNormalization", scaleAndShift(at, featuresOf(at)), {
    axis: { int: -1 },
    epsilon: { float: EPSILON },
  });

/** x / sqrt(mean(x^2) + epsilon) * weight; the operator of that name is younger than our operator set. */
export const rmsNorm: Layer<"rmsNorm"> = (at) => {
  const { builder, input, name } = at;
  const { shape } = input;
  const one = [...shape.slice(0, -1), 1];
  const node = (operator: string, inputs: ModelValue[], part: string, of = one): ModelValue =>
    builder.node(operator, inputs, {}, { name: `${name}/${part}`, shape: of });
  const squares = node("Mul", [input, input], "squares", [...shape]);
  const mean = node("ReduceMean", [squares, builder.ints([-1])], "mean");
  const root = node("Sqrt", [node("Add", [mean, builder.scalar(EPSILON)], "kept")], "root");
  const unit = node("Div", [input, root], "unit", [...shape]);
  const weight = builder.weight(`${name}.weight`, [featuresOf(at)], { kind: "ones" });
  return builder.node("Mul", [unit, weight], {}, { name, shape });
};

function spatial(at: LayerContext): void {
  if (at.input.shape.length < 3) throw layerError(at, "needs [channels, ...space]", "layerNorm");
}
