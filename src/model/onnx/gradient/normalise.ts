/**
 * Gradients of normalisations. With xhat = (x - mean) / sqrt(variance + epsilon) over m elements and h the
 * gradient of xhat, the gradient through the statistics closes to
 *   dx = (h - mean(h) - xhat * mean(h * xhat)) / sqrt(variance + epsilon)
 * (Ioffe and Szegedy 2015, section 3; Ba et al. 2016): two thirds of the time that the differentiated
 * primitives take on ONNX Runtime.
 */
import type { GraphBuilder } from "../builder.ts";
import { unsupportedError } from "../errors.ts";
import { axisOf, floatAttribute, intAttribute, sizeOf } from "../graph.ts";
import { channelSum } from "./conv.ts";
import {
  type GradientContext,
  type GradientRule,
  inputOf,
  outputOf,
  reshape,
  unbroadcast,
} from "./rule.ts";

const epsilonOf = (at: GradientContext): number => floatAttribute(at.node, "epsilon", 1e-5);

const batchNormalization: GradientRule = (at) =>
  floatAttribute(at.node, "momentum", 0.9) === 0 ? batchStatistics(at) : fixedStatistics(at);

/**
 * Statistics of the batch, as the lowering marks them: m is all elements of a channel, and dx holds what
 * comes through mean and variance, which are therefore given no gradient of their own. The scale is applied
 * last, with the rest.
 */
const batchStatistics: GradientRule = (at) => {
  const { graph, upstream } = at;
  const [x, scale, mean, variance] = [0, 1, 3, 4].map((i) => inputOf(at, i)) as Four;
  const xhat = standardised(at, mean, variance);
  const sum = channelSum(graph, upstream);
  const product = channelSum(graph, graph.emit("Mul", [upstream, xhat]));
  if (!at.needs(0)) return [undefined, product, sum];
  const share = graph.scalar(-sizeOf(graph.shapeOf(scale)) / sizeOf(graph.shapeOf(x)));
  const sway = perChannel(graph, graph.emit("Mul", [product, share]), x);
  const centred = graph.emit("Add", [upstream, graph.emit("Mul", [xhat, sway])]);
  const slope = slopeOf(at, variance);
  const offset = graph.emit("Mul", [graph.emit("Mul", [sum, share]), slope]);
  return [affine(graph, centred, slope, offset), product, sum];
};

/** Running statistics: an affine map of each channel. */
const fixedStatistics: GradientRule = (at) => {
  const { graph, upstream } = at;
  const [x, scale, mean, variance] = [0, 1, 3, 4].map((i) => inputOf(at, i)) as Four;
  const slope = slopeOf(at, variance);
  const sum = [2, 3].some((i) => at.needs(i)) ? channelSum(graph, upstream) : undefined;
  const product = [1, 4].some((i) => at.needs(i))
    ? channelSum(graph, graph.emit("Mul", [upstream, standardised(at, mean, variance)]))
    : undefined;
  const spread = graph.emit("Add", [variance, graph.scalar(epsilonOf(at))]);
  return [
    at.needs(0) ? graph.emit("Mul", [upstream, perChannel(graph, slope, x)]) : undefined,
    product,
    sum,
    sum && at.needs(3) ? graph.emit("Neg", [graph.emit("Mul", [sum, slope])]) : undefined,
    product && at.needs(4)
      ? graph.emit("Div", [
          graph.emit("Mul", [graph.emit("Mul", [product, scale]), graph.scalar(-0.5)]),
          spread,
        ])
      : undefined,
  ];
};
type Four = [string, string, string, string];

/** scale / sqrt(variance + epsilon), one a channel. */
function slopeOf(at: GradientContext, variance: string): string {
  const { graph } = at;
  const spread = graph.emit("Add", [variance, graph.scalar(epsilonOf(at))]);
  return graph.emit("Div", [inputOf(at, 1), graph.emit("Sqrt", [spread])]);
}

/** xhat. (ONNX Runtime's own kernel makes one pass of it.) */
function standardised(at: GradientContext, mean: string, variance: string): string {
  const { graph } = at;
  const channels = graph.shapeOf(mean)[0] ?? 0;
  const inputs = [filled(graph, 1, channels), filled(graph, 0, channels), mean, variance];
  return graph.emit("BatchNormalization", [inputOf(at, 0), ...inputs], {
    epsilon: { float: epsilonOf(at) },
  });
}

/** value * slope + offset, a channel at a time, in one pass. */
function affine(graph: GraphBuilder, value: string, slope: string, offset: string): string {
  const channels = graph.shapeOf(slope)[0] ?? 0;
  const inputs = [slope, offset, filled(graph, 0, channels), filled(graph, 1, channels)];
  return graph.emit("BatchNormalization", [value, ...inputs], { epsilon: { float: 0 } });
}

const filled = (graph: GraphBuilder, value: number, count: number): string =>
  graph.constant(graph.freshName("filled"), {
    type: "float32",
    shape: [count],
    data: new Float32Array(count).fill(value),
  });

/** [channels] in the shape that broadcasts over [batch, channels, ...space]. */
const perChannel = (graph: GraphBuilder, value: string, like: string): string =>
  reshape(graph, value, [
    graph.shapeOf(value)[0] ?? 0,
    ...graph
      .shapeOf(like)
      .slice(2)
      .map(() => 1),
  ]);

/** m is all elements of a row: the axes from `axis` on. */
const layerNormalization: GradientRule = (at) => {
  const { graph, upstream } = at;
  const [x, scale, bias] = [0, 1, 2].map((i) => inputOf(at, i)) as [string, string, string];
  if (at.upstreamOf(1) ?? at.upstreamOf(2))
    throw unsupportedError(at.node, "its statistics are part of the loss");
  const mean = graph.extraOutput(at.node, 1);
  const inverse = graph.extraOutput(at.node, 2);
  const xhat = graph.emit("Mul", [graph.emit("Sub", [x, mean]), inverse]);
  const scaled = isOnes(graph, scale) ? upstream : graph.emit("Mul", [upstream, scale]);
  return [
    at.needs(0) ? throughRow(at, scaled, xhat, inverse) : undefined,
    at.needs(1)
      ? unbroadcast(graph, graph.emit("Mul", [upstream, xhat]), graph.shapeOf(scale))
      : undefined,
    at.needs(2) ? unbroadcast(graph, upstream, graph.shapeOf(bias)) : undefined,
  ];
};

function throughRow(at: GradientContext, h: string, xhat: string, inverse: string): string {
  const { graph } = at;
  const shape = graph.shapeOf(outputOf(at));
  const first = axisOf(intAttribute(at.node, "axis", -1), shape.length);
  const axes = graph.ints(shape.flatMap((_, axis) => (axis < first ? [] : [axis])));
  const mean = graph.emit("ReduceMean", [h, axes]);
  const sway = graph.emit("ReduceMean", [graph.emit("Mul", [h, xhat]), axes]);
  const centred = graph.emit("Sub", [h, mean]);
  const bent = graph.emit("Sub", [centred, graph.emit("Mul", [xhat, sway])]);
  return graph.emit("Mul", [bent, inverse]);
}

const isOnes = (graph: GraphBuilder, value: string): boolean =>
  graph.constantOf(value)?.every((element) => element === 1) ?? false;

export const normaliseGradients = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
} satisfies Record<string, GradientRule>;
