/**
 * Gradients of convolutions. g = dLoss/dY.
 *
 * Weights: dW[o,i,k] = sum over n,y of X[n,i, y*stride + k*dilation - pad] * g[n,o,y], which is itself a
 * convolution of X by g with batch and channel axes exchanged and stride and dilation exchanged.
 * Input: the transposed convolution of g by W, padded at the end where the stride left elements unread.
 */
import { unsupportedError } from "../errors.ts";
import { intAttribute } from "../graph.ts";
import { spanOf, type Window, windowOf } from "../shape/window.ts";
import { type GradientContext, type GradientRule, inputOf } from "./rule.ts";

const conv: GradientRule = (at) => {
  if (intAttribute(at.node, "group", 1) !== 1)
    throw unsupportedError(at.node, "groups have no gradient yet", "use group 1");
  const window = windowOf(at.node, at.graph.shapeOf(inputOf(at, 1)).slice(2));
  return [
    at.needs(0) ? inputGradient(at, window) : undefined,
    at.needs(1) ? weightGradient(at, window) : undefined,
    inputOf(at, 2) !== "" && at.needs(2) ? biasGradient(at) : undefined,
  ];
};

function inputGradient(at: GradientContext, window: Window): string {
  const { graph, upstream } = at;
  const wanted = graph.shapeOf(inputOf(at, 0)).slice(2);
  const made = graph.shapeOf(upstream).slice(2);
  const rank = window.kernel.length;
  const unread = wanted.map((size, axis) => {
    const reached = (window.strides[axis] ?? 1) * ((made[axis] ?? 1) - 1) + spanOf(window, axis);
    return size - reached + (window.pads[axis] ?? 0) + (window.pads[axis + rank] ?? 0);
  });
  return graph.emit("ConvTranspose", [upstream, inputOf(at, 1)], {
    strides: { ints: window.strides },
    dilations: { ints: window.dilations },
    pads: { ints: window.pads },
    output_padding: { ints: unread },
  });
}

function weightGradient(at: GradientContext, window: Window): string {
  const { graph, upstream } = at;
  const weights = graph.shapeOf(inputOf(at, 1));
  const exchanged = (name: string): string => graph.emit("Transpose", [name], exchange(weights));
  const product = graph.emit("Conv", [exchanged(inputOf(at, 0)), exchanged(upstream)], {
    strides: { ints: window.dilations },
    dilations: { ints: window.strides },
    pads: { ints: window.pads },
  });
  return exchanged(crop(at, product, window.kernel));
}

/** Exchanges the first two axes. */
const exchange = (shape: readonly number[]): { perm: { ints: readonly number[] } } => ({
  perm: { ints: [1, 0, ...shape.slice(2).map((_, axis) => axis + 2)] },
});

/** A stride may leave the end of the input unread; the product is longer there. */
function crop(at: GradientContext, product: string, kernel: readonly number[]): string {
  const { graph } = at;
  const spatial = graph.shapeOf(product).slice(2);
  if (spatial.every((size, axis) => size === kernel[axis])) return product;
  const axes = kernel.map((_, axis) => axis + 2);
  return graph.emit("Slice", [
    product,
    graph.ints(kernel.map(() => 0)),
    graph.ints(kernel),
    graph.ints(axes),
  ]);
}

function biasGradient(at: GradientContext): string {
  const axes = at.graph.shapeOf(at.upstream).flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  return at.graph.emit("ReduceSum", [at.upstream, at.graph.ints(axes)], { keepdims: { int: 0 } });
}

export const convGradients = { Conv: conv } satisfies Record<string, GradientRule>;
