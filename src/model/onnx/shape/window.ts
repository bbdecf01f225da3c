/** Shapes of operators that slide a window over the spatial axes: convolutions and pools, 1-D and up. */
import { shapeError, unsupportedError } from "../errors.ts";
import { intAttribute, intsAttribute, type Node, stringAttribute } from "../graph.ts";
import { required, type ShapeContext, type ShapeRule } from "./rule.ts";

/** How a window moves. All arrays have one entry a spatial axis; `pads` has all begins, then all ends. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

export function windowOf(node: Node, kernel: readonly number[]): Window {
  if (stringAttribute(node, "auto_pad", "NOTSET") !== "NOTSET")
    throw unsupportedError(node, "auto_pad is not supported", "write the pads out");
  const ones = kernel.map(() => 1);
  return {
    kernel,
    strides: intsAttribute(node, "strides", ones),
    dilations: intsAttribute(node, "dilations", ones),
    pads: intsAttribute(node, "pads", [...kernel, ...kernel].fill(0)),
  };
}

/** Number of elements that a dilated kernel spans on an axis. */
export const spanOf = (window: Window, axis: number): number =>
  (window.dilations[axis] ?? 1) * ((window.kernel[axis] ?? 1) - 1) + 1;

const padOf = (window: Window, axis: number): number =>
  (window.pads[axis] ?? 0) + (window.pads[axis + window.kernel.length] ?? 0);

function slide(at: ShapeContext, spatial: readonly number[], window: Window): number[] {
  const round = intAttribute(at.node, "ceil_mode", 0) ? Math.ceil : Math.floor;
  return spatial.map((size, axis) => {
    const room = size + padOf(window, axis) - spanOf(window, axis);
    if (room < 0)
      throw shapeError(
        at.node,
        at.inputs,
        `a window of ${spanOf(window, axis)} does not fit into ${size + padOf(window, axis)}`,
        "use a smaller kernel or padding: same",
      );
    return round(room / (window.strides[axis] ?? 1)) + 1;
  });
}

const conv: ShapeRule = (at) => {
  const x = required(at, 0);
  const w = required(at, 1);
  if (x.shape.length < 3 || w.shape.length !== x.shape.length)
    throw shapeError(at.node, at.inputs, "the input must be [batch, channels, ...space]");
  const group = intAttribute(at.node, "group", 1);
  const [batch = 0, channels = 0, ...spatial] = x.shape;
  const [filters = 0, depth = 0, ...kernel] = w.shape;
  if (channels !== depth * group)
    throw shapeError(
      at.node,
      at.inputs,
      `the input has ${channels} channels, the weights expect ${depth * group}`,
    );
  return [
    { type: x.type, shape: [batch, filters, ...slide(at, spatial, windowOf(at.node, kernel))] },
  ];
};

const convTranspose: ShapeRule = (at) => {
  const x = required(at, 0);
  const w = required(at, 1);
  const [batch = 0, channels = 0, ...spatial] = x.shape;
  const [depth = 0, filters = 0, ...kernel] = w.shape;
  if (channels !== depth)
    throw shapeError(at.node, at.inputs, `${channels} channels meet weights for ${depth}`);
  const window = windowOf(at.node, kernel);
  const extra = intsAttribute(at.node, "output_padding", []);
  const grown = spatial.map(
    (size, axis) =>
      (window.strides[axis] ?? 1) * (size - 1) +
      (extra[axis] ?? 0) +
      spanOf(window, axis) -
      padOf(window, axis),
  );
  const shape = [batch, filters * intAttribute(at.node, "group", 1), ...grown];
  return [{ type: x.type, shape }];
};

/** Answers the pooled values and, as second output, the flat index of each maximum. */
const maxPool: ShapeRule = (at) => {
  const x = required(at, 0);
  const [batch = 0, channels = 0, ...spatial] = x.shape;
  const kernel = intsAttribute(at.node, "kernel_shape", []);
  if (kernel.length === 0 || kernel.length !== spatial.length)
    throw shapeError(at.node, at.inputs, `a kernel of ${kernel.length} axes does not fit`);
  const shape = [batch, channels, ...slide(at, spatial, windowOf(at.node, kernel))];
  return [
    { type: x.type, shape },
    { type: "int64", shape },
  ];
};

const maxUnpool: ShapeRule = (at) => {
  const shape = at.constant(2);
  if (!shape) throw shapeError(at.node, at.inputs, "an output shape is needed");
  return [{ type: required(at, 0).type, shape }];
};

export const windowShapes = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  MaxUnpool: maxUnpool,
} satisfies Record<string, ShapeRule>;
