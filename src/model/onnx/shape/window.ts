/**
 * Shapes of operators that slide a window over the spatial axes: convolutions and pools, 1-D and up.
 * `auto_pad` is resolved here, once, as https://onnx.ai/onnx/operators/onnx__Conv.html has it.
 */
import { shapeError, unsupportedError } from "../errors.ts";
import {
  intAttribute,
  intsAttribute,
  type Node,
  stringAttribute,
  type TensorType,
} from "../graph.ts";
import { required, type ShapeContext, type ShapeRule } from "./rule.ts";

/** How a window moves. All arrays have one entry a spatial axis; `pads` has all begins, then all ends. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** The window of a convolution or pool over an input of the sizes `spatial`. */
export function windowOf(
  node: Node,
  kernel: readonly number[],
  spatial: readonly number[],
): Window {
  const unpadded = unpaddedWindow(node, kernel);
  const mode = stringAttribute(node, "auto_pad", "NOTSET");
  if (mode === "NOTSET") return { ...unpadded, pads: perAxis(node, "pads", kernel, 0, 2) };
  if (mode === "VALID") return unpadded;
  if (unpadded.dilations.some((dilation) => dilation > 1))
    throw unsupportedError(
      node,
      `ONNX Runtime does not run auto_pad ${mode} with dilations`,
      "write the pads out",
    );
  const totals = spatial.map((size, axis) => {
    const stride = unpadded.strides[axis] ?? 1;
    return Math.max(0, (Math.ceil(size / stride) - 1) * stride + spanOf(unpadded, axis) - size);
  });
  return { ...unpadded, pads: halves(node, totals, mode) };
}

/**
 * The window of a ConvTranspose over an input of the sizes `spatial`, and the sizes of its output:
 * stride * (size - 1) + output_padding + span - pads.
 */
export function transposedWindowOf(
  node: Node,
  kernel: readonly number[],
  spatial: readonly number[],
): { window: Window; sizes: readonly number[] } {
  const unpadded = unpaddedWindow(node, kernel);
  const extra = perAxis(node, "output_padding", kernel, 0);
  const full = spatial.map(
    (size, axis) =>
      (unpadded.strides[axis] ?? 1) * (size - 1) + (extra[axis] ?? 0) + spanOf(unpadded, axis),
  );
  const mode = stringAttribute(node, "auto_pad", "NOTSET");
  const given = intsAttribute(node, "output_shape", []);
  const cropTo = (wanted: readonly number[]): readonly number[] =>
    halves(
      node,
      full.map((size, axis) => Math.max(0, size - (wanted[axis] ?? 0))),
      mode,
    );
  let { pads } = unpadded;
  if (given.length > 0) {
    if (given.length !== kernel.length || given.some((size, axis) => size > (full[axis] ?? 0)))
      throw unsupportedError(
        node,
        `output_shape [${given.join()}] is larger than the window reaches, [${full.join()}]`,
        "use output_padding",
      );
    pads = cropTo(given);
  } else if (mode === "NOTSET") pads = perAxis(node, "pads", kernel, 0, 2);
  else if (mode !== "VALID")
    pads = cropTo(spatial.map((size, axis) => size * (unpadded.strides[axis] ?? 1)));
  const window = { ...unpadded, pads };
  return { window, sizes: full.map((size, axis) => size - padOf(window, axis)) };
}

const unpaddedWindow = (node: Node, kernel: readonly number[]): Window => ({
  kernel,
  strides: perAxis(node, "strides", kernel, 1),
  dilations: perAxis(node, "dilations", kernel, 1),
  pads: [...kernel, ...kernel].fill(0),
});

/** An attribute with `times` entries a spatial axis. */
function perAxis(
  node: Node,
  name: string,
  kernel: readonly number[],
  fallback: number,
  times = 1,
): readonly number[] {
  const count = kernel.length * times;
  const values = intsAttribute(node, name, Array(count).fill(fallback));
  if (values.length !== count || values.some((value) => value < fallback))
    throw unsupportedError(
      node,
      `${name} [${values.join()}] must be ${count} numbers of at least ${fallback}`,
    );
  return values;
}

/** Pads of these totals; where one is odd, SAME_UPPER has the larger half at the end. */
function halves(node: Node, totals: readonly number[], mode: string): number[] {
  if (!["NOTSET", "SAME_UPPER", "SAME_LOWER"].includes(mode))
    throw unsupportedError(node, `auto_pad ${mode} is not supported`);
  const less = totals.map((total) => Math.floor(total / 2));
  const more = totals.map((total) => Math.ceil(total / 2));
  return mode === "SAME_UPPER" ? [...less, ...more] : [...more, ...less];
}

/** Number of elements that a dilated kernel spans on an axis. */
export const spanOf = (window: Window, axis: number): number =>
  (window.dilations[axis] ?? 1) * ((window.kernel[axis] ?? 1) - 1) + 1;

export const padOf = (window: Window, axis: number): number =>
  (window.pads[axis] ?? 0) + (window.pads[axis + window.kernel.length] ?? 0);

/** Sizes after the window. With `ceil_mode` a last window may hang over the end, but must start before it. */
function slide(at: ShapeContext, spatial: readonly number[], window: Window): number[] {
  const ceil = intAttribute(at.node, "ceil_mode", 0) === 1;
  return spatial.map((size, axis) => {
    const stride = window.strides[axis] ?? 1;
    const room = size + padOf(window, axis) - spanOf(window, axis);
    if (room < 0)
      throw shapeError(
        at.node,
        at.inputs,
        `a window of ${spanOf(window, axis)} does not fit into ${size + padOf(window, axis)}`,
        "use a smaller kernel or padding: same",
      );
    const last = ceil ? Math.ceil(room / stride) : Math.floor(room / stride);
    return ceil && last * stride >= size + (window.pads[axis] ?? 0) ? last : last + 1;
  });
}

/** [batch, channels, ...space] and weights of the same rank. */
function convolved(at: ShapeContext): { x: TensorType; w: TensorType; group: number } {
  const x = required(at, 0);
  const w = required(at, 1);
  const fail = (message: string): Error => shapeError(at.node, at.inputs, message);
  if (x.shape.length < 3 || w.shape.length !== x.shape.length)
    throw fail("the input must be [batch, channels, ...space]");
  const kernel = w.shape.slice(2);
  const declared = intsAttribute(at.node, "kernel_shape", kernel);
  if (declared.join() !== kernel.join())
    throw fail(`kernel_shape [${declared.join()}] is not that of the weights`);
  const group = intAttribute(at.node, "group", 1);
  if (group < 1 || (w.shape[0] ?? 0) % group !== 0)
    throw fail(`weights of ${w.shape[0]} do not divide into ${group} groups`);
  return { x, w, group };
}

function checkBias(at: ShapeContext, filters: number): void {
  const bias = at.inputs[2];
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== filters))
    throw shapeError(at.node, at.inputs, `the bias must have ${filters} elements`);
}

const conv: ShapeRule = (at) => {
  const { x, w, group } = convolved(at);
  const [batch = 0, channels = 0, ...spatial] = x.shape;
  const [filters = 0, depth = 0, ...kernel] = w.shape;
  if (channels !== depth * group)
    throw shapeError(
      at.node,
      at.inputs,
      `the input has ${channels} channels, the weights expect ${depth * group}`,
    );
  checkBias(at, filters);
  const sizes = slide(at, spatial, windowOf(at.node, kernel, spatial));
  return [{ type: x.type, shape: [batch, filters, ...sizes] }];
};

const convTranspose: ShapeRule = (at) => {
  const { x, w, group } = convolved(at);
  const [batch = 0, channels = 0, ...spatial] = x.shape;
  const [depth = 0, filters = 0, ...kernel] = w.shape;
  if (channels !== depth)
    throw shapeError(at.node, at.inputs, `${channels} channels meet weights for ${depth}`);
  checkBias(at, filters * group);
  const { sizes } = transposedWindowOf(at.node, kernel, spatial);
  if (sizes.some((size) => size < 1))
    throw shapeError(at.node, at.inputs, `pads leave nothing of the output: [${sizes.join()}]`);
  return [{ type: x.type, shape: [batch, filters * group, ...sizes] }];
};

const pool = (at: ShapeContext): TensorType => {
  const x = required(at, 0);
  const [batch = 0, channels = 0, ...spatial] = x.shape;
  const kernel = intsAttribute(at.node, "kernel_shape", []);
  if (kernel.length === 0 || kernel.length !== spatial.length)
    throw shapeError(at.node, at.inputs, `a kernel of ${kernel.length} axes does not fit`);
  const sizes = slide(at, spatial, windowOf(at.node, kernel, spatial));
  return { type: x.type, shape: [batch, channels, ...sizes] };
};

/** Answers the pooled values and, as second output, the flat index of each maximum. */
const maxPool: ShapeRule = (at) => {
  if (intAttribute(at.node, "storage_order", 0) !== 0)
    throw unsupportedError(at.node, "indices by columns (storage_order 1) are not supported");
  const pooled = pool(at);
  return [pooled, { type: "int64", shape: pooled.shape }];
};

const globalPool: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  if (shape.length < 3)
    throw shapeError(at.node, at.inputs, "the input must be [batch, channels, ...space]");
  return [{ type, shape: shape.map((size, axis) => (axis < 2 ? size : 1)) }];
};

const maxUnpool: ShapeRule = (at) => {
  const shape = at.constant(2);
  if (!shape) throw shapeError(at.node, at.inputs, "an output shape is needed");
  return [{ type: required(at, 0).type, shape }];
};

export const windowShapes = {
  AveragePool: (at) => [pool(at)],
  Conv: conv,
  ConvTranspose: convTranspose,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  MaxPool: maxPool,
  MaxUnpool: maxUnpool,
} satisfies Record<string, ShapeRule>;
