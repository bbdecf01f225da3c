/**
 * Gradients of convolutions, groups included. g = dLoss/dY.
 *
 * Weights: dW[o,i,k] = sum over n,y of X[n,i, y*stride + k*dilation - pad] * g[n,o,y]. With channels enough,
 * that is one matrix product for each place k of the kernel; depthwise, one product element by element; else
 * a convolution of X by g with batch and channel axes exchanged and stride and dilation exchanged. (Its
 * output is as small as the kernel: ONNX Runtime takes two to seven times as long for it.)
 * Input: the transposed convolution of g by W, padded at the end where the stride left elements unread. At
 * stride 1 that is the convolution by W with channels exchanged and the kernel read backwards.
 * ConvTranspose is the same read backwards: its input is narrow, its output wide.
 */
import type { GraphBuilder } from "../builder.ts";
import { intAttribute, sizeOf } from "../graph.ts";
import { padOf, spanOf, transposedWindowOf, type Window, windowOf } from "../shape/window.ts";
import { type GradientContext, type GradientRule, inputOf, reshape } from "./rule.ts";

/** A window slides over `wide` ([batch, group * depth, ...]) and meets `narrow` ([batch, filters, ...]). */
interface Meeting {
  readonly graph: GraphBuilder;
  readonly wide: string;
  readonly narrow: string;
  /** [filters, depth, ...kernel] */
  readonly weights: readonly number[];
  readonly window: Window;
  readonly group: number;
}

const groupOf = (at: GradientContext): number => intAttribute(at.node, "group", 1);
const spaceOf = (graph: GraphBuilder, value: string): readonly number[] =>
  graph.shapeOf(value).slice(2);

const conv: GradientRule = (at) => {
  const { graph, upstream } = at;
  const weights = graph.shapeOf(inputOf(at, 1));
  const wide = inputOf(at, 0);
  const window = windowOf(at.node, weights.slice(2), spaceOf(graph, wide));
  const group = groupOf(at);
  return [
    at.needs(0) ? inputGradient(at, window) : undefined,
    at.needs(1)
      ? weightGradient({ graph, wide, narrow: upstream, weights, window, group })
      : undefined,
    at.needs(2) ? channelSum(graph, upstream) : undefined,
  ];
};

const convTranspose: GradientRule = (at) => {
  const { graph, upstream } = at;
  const [narrow, w] = [inputOf(at, 0), inputOf(at, 1)];
  const weights = graph.shapeOf(w);
  const { window } = transposedWindowOf(at.node, weights.slice(2), spaceOf(graph, narrow));
  const group = groupOf(at);
  return [
    at.needs(0) ? transposedInputGradient(at, window) : undefined,
    at.needs(1)
      ? weightGradient({ graph, wide: upstream, narrow, weights, window, group })
      : undefined,
    at.needs(2) ? channelSum(graph, upstream) : undefined,
  ];
};

function inputGradient(at: GradientContext, window: Window): string {
  const { graph, upstream } = at;
  const group = groupOf(at);
  const w = inputOf(at, 1);
  const flipped = flippedPads(window);
  if (flipped && gainsByFlip(at))
    return graph.emit("Conv", [upstream, flip(graph, group === 1 ? exchanged(graph, w) : w)], {
      dilations: { ints: window.dilations },
      pads: { ints: flipped },
      group: { int: group },
    });
  const made = spaceOf(graph, upstream);
  const unread = spaceOf(graph, inputOf(at, 0)).map((size, axis) => {
    const reached = (window.strides[axis] ?? 1) * ((made[axis] ?? 1) - 1) + spanOf(window, axis);
    return size + padOf(window, axis) - reached;
  });
  return graph.emit("ConvTranspose", [upstream, w], {
    strides: { ints: window.strides },
    dilations: { ints: window.dilations },
    pads: { ints: window.pads },
    output_padding: { ints: unread },
    group: { int: group },
  });
}

/**
 * ONNX Runtime convolves faster than it convolves transposed where channels come in no narrower than they
 * leave, and where flipping the kernel is little beside the work.
 */
function gainsByFlip(at: GradientContext): boolean {
  const { graph, upstream } = at;
  const group = groupOf(at);
  const [filters = 0, depth = 0] = graph.shapeOf(inputOf(at, 1));
  if (group > 1) return depth === 1 && filters === group;
  const [batch = 0, , ...made] = graph.shapeOf(upstream);
  return depth >= filters && batch * sizeOf(made) >= 1024;
}

/** Pads under which a transposed convolution of stride 1 is a convolution by the flipped kernel. */
function flippedPads(window: Window): readonly number[] | undefined {
  const rank = window.kernel.length;
  const pads = window.pads.map((pad, i) => spanOf(window, i % rank) - 1 - pad);
  return window.strides.every((stride) => stride === 1) && pads.every((pad) => pad >= 0)
    ? pads
    : undefined;
}

/** Each axis of the kernel backwards: all its places in turn, backwards. */
function flip(graph: GraphBuilder, weights: string): string {
  const shape = graph.shapeOf(weights);
  const places = sizeOf(shape.slice(2));
  if (places === 1) return weights;
  const folded = reshape(graph, weights, [...shape.slice(0, 2), places]);
  const ints = [-1, -1 - places, 2, -1].map((value) => graph.ints([value]));
  return reshape(graph, graph.emit("Slice", [folded, ...ints]), shape);
}

/** [filters, depth, ...kernel] as [depth, filters, ...kernel]. */
function exchanged(graph: GraphBuilder, weights: string): string {
  const [filters = 0, depth = 0, ...kernel] = graph.shapeOf(weights);
  const folded = reshape(graph, weights, [filters, depth, sizeOf(kernel)]);
  const turned = graph.emit("Transpose", [folded], EXCHANGE);
  return reshape(graph, turned, [depth, filters, ...kernel]);
}

/** Convolving g by the weights as they stand: [channels, filters / group, ...kernel] are a Conv's. */
function transposedInputGradient(at: GradientContext, window: Window): string {
  const { graph, upstream } = at;
  const product = graph.emit("Conv", [upstream, inputOf(at, 1)], {
    strides: { ints: window.strides },
    dilations: { ints: window.dilations },
    pads: { ints: window.pads },
    group: { int: groupOf(at) },
  });
  return crop(graph, product, spaceOf(graph, inputOf(at, 0)));
}

function weightGradient(at: Meeting): string {
  const [filters, depth = 0] = at.weights;
  if (sizeOf(at.window.kernel) > MANY_PLACES) return byConvolution(at);
  if (depth === 1 && filters === at.group) return byShifts(at);
  return depth >= 8 ? byPlaces(at) : byConvolution(at);
}

/** More places make more nodes than they save. */
const MANY_PLACES = 32;

/**
 * With channels last, what place k of the kernel meets is a Slice of few long rows. (ONNX Runtime transposes
 * fast where one axis moves; hence two steps where there are groups.)
 */
function byPlaces(at: Meeting): string {
  const { graph, window, group, weights } = at;
  const [filters = 0, depth = 0] = weights;
  const batch = graph.shapeOf(at.wide)[0] ?? 0;
  const made = spaceOf(graph, at.narrow);
  const rows = batch * sizeOf(made);
  const wide = padded(graph, channelsLast(at), window);
  const folded = reshape(graph, at.narrow, [batch, filters, sizeOf(made)]);
  const exchanged = graph.emit("Transpose", [folded], EXCHANGE);
  const narrow = reshape(graph, exchanged, [group, filters / group, rows]);
  const products = placesOf(window.kernel).map((place) => {
    const met = reshape(graph, metAt(at, wide, place), [group, rows, depth]);
    return reshape(graph, graph.emit("MatMul", [narrow, met]), [filters, depth, 1]);
  });
  return reshape(graph, joined(graph, products), weights);
}

/** One filter a channel: each place of the kernel is a product element by element, summed. */
function byShifts(at: Meeting): string {
  const { graph, window, weights } = at;
  const [filters = 0] = weights;
  const [batch = 0, , ...sizes] = graph.shapeOf(at.wide);
  const rows = [batch * filters, sizeOf(spaceOf(graph, at.narrow))];
  const wide = padded(graph, reshape(graph, at.wide, [batch * filters, ...sizes]), window);
  const narrow = reshape(graph, at.narrow, rows);
  const bare = { keepdims: { int: 0 } };
  const sums = placesOf(window.kernel).map((place) => {
    const met = reshape(graph, metAt(at, wide, place), rows);
    const product = graph.emit("Mul", [met, narrow]);
    const sum = graph.emit("ReduceSum", [product, graph.ints([1])], bare);
    return reshape(graph, sum, [batch, filters, 1]);
  });
  const total = graph.emit("ReduceSum", [joined(graph, sums), graph.ints([0])], bare);
  return reshape(graph, total, weights);
}

/** What the narrow value meets at one place of the kernel, from the padded [images, ...space, ...]. */
function metAt({ graph, window, narrow }: Meeting, wide: string, place: readonly number[]): string {
  const starts = place.map((k, axis) => k * (window.dilations[axis] ?? 1));
  const ends = spaceOf(graph, narrow).map(
    (size, axis) => (starts[axis] ?? 0) + (size - 1) * (window.strides[axis] ?? 1) + 1,
  );
  const axes = place.map((_, axis) => axis + 1);
  const ints = [starts, ends, axes, window.strides].map((values) => graph.ints(values));
  return graph.emit("Slice", [wide, ...ints]);
}

const joined = (graph: GraphBuilder, parts: readonly string[]): string =>
  parts.length === 1 ? (parts[0] ?? "") : graph.emit("Concat", parts, { axis: { int: 2 } });

const EXCHANGE = { perm: { ints: [1, 0, 2] } };

/** The wide value as [group * batch, ...space, depth]. */
function channelsLast({ graph, wide, group, weights: [, depth = 0] }: Meeting): string {
  const [batch = 0, , ...sizes] = graph.shapeOf(wide);
  const grouped = reshape(graph, wide, [batch * group, depth, sizeOf(sizes)]);
  const last = graph.emit("Transpose", [grouped], { perm: { ints: [0, 2, 1] } });
  const images = reshape(graph, last, [batch, group, sizeOf(sizes) * depth]);
  const first = group === 1 ? images : graph.emit("Transpose", [images], EXCHANGE);
  return reshape(graph, first, [group * batch, ...sizes, depth]);
}

/** Pads the spatial axes of [images, ...space, ...]. */
function padded(graph: GraphBuilder, value: string, { pads, kernel }: Window): string {
  if (pads.every((pad) => pad === 0)) return value;
  const rest = graph
    .shapeOf(value)
    .slice(1 + kernel.length)
    .map(() => 0);
  const [begins, ends] = [pads.slice(0, kernel.length), pads.slice(kernel.length)];
  return graph.emit("Pad", [value, graph.ints([0, ...begins, ...rest, 0, ...ends, ...rest])]);
}

/** Every index into a kernel, the last axis fastest. */
const placesOf = (kernel: readonly number[]): readonly (readonly number[])[] =>
  kernel.reduce<readonly (readonly number[])[]>(
    (places, size) =>
      places.flatMap((place) => Array.from({ length: size }, (_, k) => [...place, k])),
    [[]],
  );

function byConvolution(at: Meeting): string {
  const { graph, window, group, weights } = at;
  const [, depth = 0] = weights;
  const [batch = 0, , ...sizes] = graph.shapeOf(at.wide);
  const space = sizes.map((_, axis) => axis);
  const grouped = reshape(graph, at.wide, [batch, group, depth, ...sizes]);
  const wide = graph.emit("Transpose", [grouped], {
    perm: { ints: [2, 1, 0, ...space.map((axis) => axis + 3)] },
  });
  const exchange = { perm: { ints: [1, 0, ...space.map((axis) => axis + 2)] } };
  const narrow = graph.emit("Transpose", [at.narrow], exchange);
  const product = graph.emit(
    "Conv",
    [reshape(graph, wide, [depth, group * batch, ...sizes]), narrow],
    {
      strides: { ints: window.dilations },
      dilations: { ints: window.strides },
      pads: { ints: window.pads },
      group: { int: group },
    },
  );
  return graph.emit("Transpose", [crop(graph, product, window.kernel)], exchange);
}

/** A stride may leave the end of the wide value unread; the product is longer there. */
function crop(graph: GraphBuilder, product: string, sizes: readonly number[]): string {
  if (spaceOf(graph, product).every((size, axis) => size === sizes[axis])) return product;
  const axes = sizes.map((_, axis) => axis + 2);
  return graph.emit("Slice", [
    product,
    graph.ints(sizes.map(() => 0)),
    graph.ints(sizes),
    graph.ints(axes),
  ]);
}

/** Sums over all axes but the second. (Two reductions of neighbouring axes are faster than one.) */
export function channelSum(graph: GraphBuilder, value: string): string {
  const [batch = 0, channels = 0, ...sizes] = graph.shapeOf(value);
  const bare = { keepdims: { int: 0 } };
  const rows =
    sizes.length === 0
      ? value
      : graph.emit(
          "ReduceSum",
          [reshape(graph, value, [batch, channels, sizeOf(sizes)]), graph.ints([2])],
          bare,
        );
  return graph.emit("ReduceSum", [rows, graph.ints([0])], bare);
}

export const convGradients = {
  Conv: conv,
  ConvTranspose: convTranspose,
} satisfies Record<string, GradientRule>;
