/**
 * Normalisations in the forms that train: statistics of the batch with their running averages, and groups
 * and instances as rows of a LayerNormalization, which has the gradient.
 *
 * Running averages follow ONNX (https://onnx.ai/onnx/operators/onnx__BatchNormalization.html): new = momentum
 * * old + (1 - momentum) * batch, with the population's variance. PyTorch differs in one thing: it puts the
 * sample's variance (times m / (m - 1) for m elements a channel) into the average.
 */
import type { GraphBuilder } from "../builder.ts";
import { shapeError } from "../errors.ts";
import { channelSum } from "../gradient/conv.ts";
import { reshape } from "../gradient/rule.ts";
import { axisOf, floatAttribute, intAttribute, intsAttribute, sizeOf } from "../graph.ts";
import { inputAt, type Lowering, type LoweringContext } from "./rule.ts";

/**
 * In training a layer whose scale is trained uses the batch's statistics; a frozen one its running ones.
 *
 * The statistics are reductions, and the kernel runs in its inference form: ONNX Runtime's training form
 * writes the new averages into the buffers of the old ones, also where those are fed or read again.
 * `momentum` 0, which that form ignores, tells the gradient rule that the statistics are the batch's own.
 */
const batchNormalization: Lowering = (at) => {
  const { graph, node } = at;
  const [x = "", scale = "", bias = "", ...running] = node.inputs;
  const epsilon = { epsilon: { float: floatAttribute(node, "epsilon", 1e-5) } };
  const marked = intAttribute(node, "training_mode", 0) === 1;
  if (!at.training || !(marked || at.isTrained(scale)))
    return [
      graph.emit("BatchNormalization", [x, scale, bias, ...running], epsilon, node.name),
      ...running,
    ];
  const mean = channelMean(graph, x);
  const space = graph.shapeOf(x).slice(2);
  const wide = reshape(graph, mean, [graph.shapeOf(mean)[0] ?? 0, ...space.map(() => 1)]);
  const centred = graph.emit("Sub", [x, wide]);
  const variance = channelMean(graph, graph.emit("Mul", [centred, centred]));
  const attributes = { ...epsilon, momentum: { float: 0 } };
  const inputs = [x, scale, bias, mean, variance];
  return [
    graph.emit("BatchNormalization", inputs, attributes, node.name),
    runningAverage(at, 3, mean),
    runningAverage(at, 4, variance),
  ];
};

/** Mean over all axes but the second, [channels]. */
function channelMean(graph: GraphBuilder, value: string): string {
  const shape = graph.shapeOf(value);
  const share = (shape[1] ?? 0) / sizeOf(shape);
  return graph.emit("Mul", [channelSum(graph, value), graph.scalar(share)]);
}

/** The new running average of input `index`, which is kept where that is state. */
function runningAverage(at: LoweringContext, index: number, statistic: string): string {
  const { graph } = at;
  const old = inputAt(at, index);
  const momentum = floatAttribute(at.node, "momentum", 0.9);
  const average = graph.emit("Add", [
    graph.emit("Mul", [at.stateOf(old), graph.scalar(momentum)]),
    graph.emit("Mul", [statistic, graph.scalar(1 - momentum)]),
  ]);
  if (graph.constantOf(old) === undefined) at.updateState(old, average);
  return average;
}

const groupNormalization: Lowering = (at) => [
  normaliseGroups(at, intAttribute(at.node, "num_groups", 1)),
];

/** An instance is a group of one channel. ONNX Runtime's own kernel has no gradient but judges in one pass. */
const instanceNormalization: Lowering = (at) =>
  at.training ? [normaliseGroups(at, at.graph.shapeOf(inputAt(at, 0))[1] ?? 1)] : undefined;

function normaliseGroups(at: LoweringContext, groups: number): string {
  const { graph } = at;
  const x = inputAt(at, 0);
  const shape = graph.shapeOf(x);
  const [batch = 0, channels = 0, ...space] = shape;
  if (groups < 1 || channels % groups !== 0)
    throw shapeError(at.node, [graph.typeOf(x)], `channels do not divide into ${groups} groups`);
  const width = (channels / groups) * sizeOf(space);
  const ones = graph.constant(graph.freshName("ones"), {
    type: "float32",
    shape: [width],
    data: new Float32Array(width).fill(1),
  });
  const rows = reshape(graph, x, [batch, groups, width]);
  const normal = graph.emit("LayerNormalization", [rows, ones], {
    epsilon: { float: floatAttribute(at.node, "epsilon", 1e-5) },
  });
  // Operator set 18 had one scale a group, 21 has one a channel.
  const scale = inputAt(at, 1);
  const perGroup = graph.shapeOf(scale)[0] !== channels;
  const wide = perGroup ? normal : reshape(graph, normal, shape);
  const [scales, biases] = [1, 2].map((i) => {
    const value = inputAt(at, i);
    const ones = perGroup ? [1] : space.map(() => 1);
    return reshape(graph, value, [graph.shapeOf(value)[0] ?? 0, ...ones]);
  }) as [string, string];
  const scaled = graph.emit("Add", [graph.emit("Mul", [wide, scales]), biases]);
  return reshape(graph, scaled, shape);
}

/** x * scale / sqrt(mean(x^2) + epsilon) over the axes from `axis` on (Zhang and Sennrich 2019). */
const rmsNormalization: Lowering = (at) => {
  const { graph, node } = at;
  const x = inputAt(at, 0);
  const rank = graph.shapeOf(x).length;
  const first = axisOf(intAttribute(node, "axis", -1), rank);
  const axes = graph.ints(Array.from({ length: rank - first }, (_, i) => first + i));
  const mean = graph.emit("ReduceMean", [graph.emit("Mul", [x, x]), axes]);
  const epsilon = graph.scalar(floatAttribute(node, "epsilon", 1e-5));
  const root = graph.emit("Sqrt", [graph.emit("Add", [mean, epsilon])]);
  return [graph.emit("Mul", [graph.emit("Div", [x, root]), inputAt(at, 1)])];
};

/** x / |x| along one axis; a norm below 1e-12 counts as that. */
const lpNormalization: Lowering = (at) => {
  const { graph, node } = at;
  const x = inputAt(at, 0);
  const axes = graph.ints([axisOf(intAttribute(node, "axis", -1), graph.shapeOf(x).length)]);
  const sumOf = (value: string, least: number): string =>
    graph.emit("Max", [graph.emit("ReduceSum", [value, axes]), graph.scalar(least)]);
  const norm =
    intAttribute(node, "p", 2) === 1
      ? sumOf(graph.emit("Abs", [x]), 1e-12)
      : graph.emit("Sqrt", [sumOf(graph.emit("Mul", [x, x]), 1e-24)]);
  return [graph.emit("Div", [x, norm])];
};

/** (x - mean) / (deviation + 1e-9), as ONNX's own function has it. */
const meanVarianceNormalization: Lowering = (at) => {
  const { graph, node } = at;
  const x = inputAt(at, 0);
  const axes = graph.ints(intsAttribute(node, "axes", [0, 2, 3]));
  const centred = graph.emit("Sub", [x, graph.emit("ReduceMean", [x, axes])]);
  const variance = graph.emit("ReduceMean", [graph.emit("Mul", [centred, centred]), axes]);
  const spread = graph.emit("Add", [graph.emit("Sqrt", [variance]), graph.scalar(1e-9)]);
  return [graph.emit("Div", [centred, spread])];
};

/** x / (bias + alpha * mean of x^2 over `size` neighbouring channels)^beta (Krizhevsky et al. 2012). */
const localResponseNormalization: Lowering = (at) => {
  const { graph, node } = at;
  if (!at.training) return undefined;
  const x = inputAt(at, 0);
  const shape = graph.shapeOf(x);
  const [batch = 0, channels = 0, ...space] = shape;
  const size = intAttribute(node, "size", 1);
  const square = reshape(graph, graph.emit("Mul", [x, x]), [batch, 1, channels, sizeOf(space)]);
  const pads = [Math.floor((size - 1) / 2), 0, Math.ceil((size - 1) / 2), 0];
  const mean = graph.emit("AveragePool", [square], {
    kernel_shape: { ints: [size, 1] },
    pads: { ints: pads },
    count_include_pad: { int: 1 },
  });
  const base = addScaled(
    graph,
    floatAttribute(node, "bias", 1),
    mean,
    floatAttribute(node, "alpha", 1e-4),
  );
  const power = graph.emit("Pow", [base, graph.scalar(floatAttribute(node, "beta", 0.75))]);
  return [graph.emit("Div", [x, reshape(graph, power, shape)])];
};

const addScaled = (graph: GraphBuilder, offset: number, value: string, factor: number): string =>
  graph.emit("Add", [graph.emit("Mul", [value, graph.scalar(factor)]), graph.scalar(offset)]);

export const normaliseLowerings = {
  BatchNormalization: batchNormalization,
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  LRN: localResponseNormalization,
  LpNormalization: lpNormalization,
  MeanVarianceNormalization: meanVarianceNormalization,
  RMSNormalization: rmsNormalization,
} satisfies Record<string, Lowering>;
