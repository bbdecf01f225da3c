/** Gradients of pools. g = dLoss/dY. */
import type { GraphBuilder } from "../builder.ts";
import { ELEMENT_TYPES, intAttribute, intsAttribute, sizeOf } from "../graph.ts";
import { type Window, windowOf } from "../shape/window.ts";
import { formula } from "./formula.ts";
import { type GradientContext, type GradientRule, inputOf, outputOf, reshape } from "./rule.ts";

function windowAt(at: GradientContext): Window {
  const kernel = intsAttribute(at.node, "kernel_shape", []);
  return windowOf(at.node, kernel, at.graph.shapeOf(inputOf(at, 0)).slice(2));
}

/**
 * Each gradient goes back to the element that won its window, the first of those that tie. Windows that do
 * not overlap: MaxUnpool. Windows that do: an element may win twice, so scatter and add.
 */
const maxPool: GradientRule = (at) => {
  const { graph, upstream } = at;
  const shape = graph.shapeOf(inputOf(at, 0));
  const window = windowAt(at);
  if (areApart(window, shape.slice(2), graph.shapeOf(upstream).slice(2))) {
    const indices = firstOfFour(at, window) ?? graph.extraOutput(at.node, 1);
    return [
      graph.emit("MaxUnpool", [upstream, indices, graph.ints(shape)], {
        kernel_shape: { ints: window.kernel },
        strides: { ints: window.strides },
      }),
    ];
  }
  const indices = graph.extraOutput(at.node, 1);
  const count = sizeOf(graph.shapeOf(upstream));
  const zeros = graph.emit("Expand", [graph.scalar(0), graph.ints([sizeOf(shape)])]);
  const scattered = graph.emit(
    "ScatterElements",
    [zeros, reshape(graph, indices, [count]), reshape(graph, upstream, [count])],
    { axis: { int: 0 }, reduction: { string: "add" } },
  );
  return [reshape(graph, scattered, shape)];
};

/**
 * Indices of the winners of windows of 2 x 2, by three more pools: of each window's first element, its first
 * row and its first column. Which of these reach the maximum says where it stands. (ONNX Runtime takes ten
 * times as long for a pool that answers indices.) Undefined for other windows.
 */
function firstOfFour(at: GradientContext, { kernel, strides }: Window): string | undefined {
  const { graph } = at;
  const [y, x] = [outputOf(at), inputOf(at, 0)];
  const [batch = 0, channels = 0, height = 0, width = 0] = graph.shapeOf(x);
  const [, , rows = 0, columns = 0] = graph.shapeOf(y);
  const [down = 1, along = 1] = strides;
  const fits = rows * down >= height && columns * along >= width;
  if (kernel.join() !== "2,2" || !fits) return undefined;
  const { op, mask } = formula(at);
  const reached = (part: readonly number[]): string => {
    const attributes = { kernel_shape: { ints: part }, strides: { ints: strides } };
    return mask(op("Equal", graph.emit("MaxPool", [x], attributes), y));
  };
  const ahead = op(
    "Max",
    op("Mul", reached([1, 1]), width + 1),
    op("Mul", reached([1, 2]), width),
    reached([2, 1]),
  );
  const lasts = Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return row * down * width + column * along + width + 1;
  });
  const images = Array.from({ length: batch * channels }, (_, i) => i * height * width);
  const local = op(
    "Sub",
    reshape(graph, graph.ints(lasts), [rows, columns]),
    graph.emit("Cast", [ahead], { to: { int: ELEMENT_TYPES.int64 } }),
  );
  return op("Add", local, reshape(graph, graph.ints(images), [batch, channels, 1, 1]));
}

/** Whether windows neither overlap nor reach beyond the image: MaxUnpool's terms. */
const areApart = (
  { kernel, strides, dilations, pads }: Window,
  sizes: readonly number[],
  made: readonly number[],
): boolean =>
  pads.every((pad) => pad === 0) &&
  kernel.every((size, axis) => {
    const [stride, dilation] = [strides[axis] ?? 1, dilations[axis] ?? 1];
    const reached = ((made[axis] ?? 1) - 1) * stride + size;
    return size <= stride && dilation === 1 && reached <= (sizes[axis] ?? 0);
  });

/**
 * Averaging is separable: along one axis, y = A x with a constant matrix A of shares, whatever the strides,
 * pads and dilations. So the gradient is A^T g, one small matrix product an axis.
 */
const averagePool: GradientRule = (at) => {
  const { graph } = at;
  const sizes = graph.shapeOf(inputOf(at, 0)).slice(2);
  const window = windowAt(at);
  const includesPads = intAttribute(at.node, "count_include_pad", 0) === 1;
  let gradient = at.upstream;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    const made = graph.shapeOf(gradient)[axis + 2] ?? 0;
    const shares = sharesOf(window, axis, sizes[axis] ?? 0, made, includesPads);
    gradient = spread(graph, gradient, axis + 2, shares);
  }
  return [gradient];
};

/** [made, size]: the share that each element has in each window's average, along one axis. */
function sharesOf(
  window: Window,
  axis: number,
  size: number,
  made: number,
  includesPads: boolean,
): readonly (readonly number[])[] {
  const [stride, dilation] = [window.strides[axis] ?? 1, window.dilations[axis] ?? 1];
  const [begin, end] = [window.pads[axis] ?? 0, window.pads[axis + window.kernel.length] ?? 0];
  return Array.from({ length: made }, (_, index) => {
    const places = Array.from(
      { length: window.kernel[axis] ?? 1 },
      (_, k) => index * stride + k * dilation - begin,
    );
    const real = places.filter((place) => place >= 0 && place < size);
    const counted = includesPads ? places.filter((place) => place < size + end) : real;
    const row = Array<number>(size).fill(0);
    for (const place of real) row[place] = 1 / counted.length;
    return row;
  });
}

/** Multiplies `value` along one axis by the matrix [made, size] read backwards. */
function spread(
  graph: GraphBuilder,
  value: string,
  axis: number,
  shares: readonly (readonly number[])[],
): string {
  const shape = graph.shapeOf(value);
  const [made, size] = [shares.length, shares[0]?.length ?? 0];
  const wanted = shape.map((count, i) => (i === axis ? size : count));
  const [before, after] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
  const isLast = axis === shape.length - 1;
  const rows = isLast
    ? shares
    : Array.from({ length: size }, (_, x) => shares.map((row) => row[x] ?? 0));
  const matrix = graph.constant(graph.freshName("shares"), {
    type: "float32",
    shape: isLast ? [made, size] : [size, made],
    data: Float32Array.from(rows.flat()),
  });
  const product = isLast
    ? graph.emit("MatMul", [reshape(graph, value, [before, made]), matrix])
    : graph.emit("MatMul", [matrix, reshape(graph, value, [before, made, after])]);
  return reshape(graph, product, wanted);
}

const globalAveragePool: GradientRule = (at) => {
  const { graph, upstream } = at;
  const shape = graph.shapeOf(inputOf(at, 0));
  const share = graph.emit("Mul", [upstream, graph.scalar(1 / sizeOf(shape.slice(2)))]);
  return [graph.emit("Expand", [share, graph.ints(shape)])];
};

/** Elements that tie for the maximum share its gradient evenly. */
const globalMaxPool: GradientRule = (at) => {
  const { graph, upstream } = at;
  const shape = graph.shapeOf(inputOf(at, 0));
  const won = graph.emit("Cast", [graph.emit("Equal", [inputOf(at, 0), outputOf(at)])], {
    to: { int: ELEMENT_TYPES.float32 },
  });
  const axes = graph.ints(shape.slice(2).map((_, axis) => axis + 2));
  const winners = graph.emit("ReduceSum", [won, axes]);
  return [graph.emit("Mul", [won, graph.emit("Div", [upstream, winners])])];
};

export const poolGradients = {
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  MaxPool: maxPool,
} satisfies Record<string, GradientRule>;
