/** Shapes of operators that only move elements. */
import { shapeError, unsupportedError } from "../errors.ts";
import { axisOf, intAttribute, intsAttribute, sizeOf, stringAttribute } from "../graph.ts";
import { broadcast, required, type ShapeContext, type ShapeRule } from "./rule.ts";
import { axesOf, padsOf, slicesOf } from "./slice.ts";

const constant = (at: ShapeContext, index: number): readonly number[] => {
  const values = at.constant(index);
  if (!values) throw shapeError(at.node, at.inputs, `input ${index} is missing`);
  return values;
};

/** An axis attribute within [-rank, rank), or [-rank, rank] where the end is an axis too. */
export function axisAttribute(
  at: ShapeContext,
  fallback: number,
  rank: number,
  name = "axis",
): number {
  const given = intAttribute(at.node, name, fallback);
  const axis = axisOf(given, rank);
  if (axis < 0 || axis > rank)
    throw shapeError(at.node, at.inputs, `${name} ${given} is outside of rank ${rank}`);
  return axis;
}

/** Sizes of 0 are copied from the input, unless zeros are allowed; one size of -1 is what is left. */
const reshape: ShapeRule = (at) => {
  const x = required(at, 0);
  const wanted = constant(at, 1);
  const allowZero = intAttribute(at.node, "allowzero", 0) === 1;
  const sizes = wanted.map((size, axis) => (size === 0 && !allowZero ? x.shape[axis] : size));
  const known = sizes.reduce<number>((product, size = 0) => product * (size < 0 ? 1 : size), 1);
  const rest = known === 0 ? 0 : sizeOf(x.shape) / known;
  const shape = sizes.map((size = 0) => (size === -1 ? rest : size));
  const valid =
    sizes.every((size) => size !== undefined && size >= -1) &&
    sizes.filter((size) => size === -1).length <= 1 &&
    shape.every(Number.isInteger) &&
    sizeOf(shape) === sizeOf(x.shape);
  if (!valid) throw shapeError(at.node, at.inputs, `cannot reshape to [${wanted.join()}]`);
  return [{ type: x.type, shape }];
};

const flatten: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const axis = axisAttribute(at, 1, shape.length);
  return [{ type, shape: [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))] }];
};

const squeeze: ShapeRule = (at) => {
  const x = required(at, 0);
  const given = at.constant(1);
  const axes = given
    ? axesOf(at.node, x, given)
    : x.shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  const long = axes.find((axis) => x.shape[axis] !== 1);
  if (long !== undefined) throw shapeError(at.node, at.inputs, `axis ${long} is not of size 1`);
  return [{ type: x.type, shape: x.shape.filter((_, axis) => !axes.includes(axis)) }];
};

const unsqueeze: ShapeRule = (at) => {
  const x = required(at, 0);
  const given = constant(at, 1);
  const axes = axesOf(at.node, x, given, x.shape.length + given.length);
  const shape = [...x.shape];
  for (const axis of [...axes].sort((a, b) => a - b)) shape.splice(axis, 0, 1);
  return [{ type: x.type, shape }];
};

const transpose: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const order = intsAttribute(at.node, "perm", shape.map((_, axis) => axis).reverse());
  if (
    [...order].sort((a, b) => a - b).some((axis, i) => axis !== i) ||
    order.length !== shape.length
  )
    throw shapeError(at.node, at.inputs, `perm [${order.join()}] is no order of the axes`);
  return [{ type, shape: order.map((axis) => shape[axis] ?? 0) }];
};

const concat: ShapeRule = (at) => {
  const first = required(at, 0);
  const axis = axisAttribute(at, 0, first.shape.length);
  let size = 0;
  for (let i = 0; i < at.inputs.length; i++) {
    const { type, shape } = required(at, i);
    size += shape[axis] ?? 0;
    const fits =
      shape.length === first.shape.length &&
      shape.every((other, k) => k === axis || other === first.shape[k]);
    if (type !== first.type || !fits || axis >= shape.length)
      throw shapeError(at.node, at.inputs, `input ${i} does not join the first on axis ${axis}`);
  }
  return [{ type: first.type, shape: first.shape.map((other, k) => (k === axis ? size : other)) }];
};

/** Sizes from the second input, or `num_outputs` equal parts of which the last may be smaller. */
const split: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const axis = axisAttribute(at, 0, shape.length);
  const size = shape[axis] ?? 0;
  const count = intAttribute(at.node, "num_outputs", at.node.outputs.length);
  const part = Math.ceil(size / count);
  const sizes =
    at.constant(1) ?? Array.from({ length: count }, (_, i) => Math.min(part, size - i * part));
  const sum = sizes.reduce((total, each) => total + each, 0);
  if (sum !== size || sizes.some((each) => each < 0) || sizes.length !== at.node.outputs.length)
    throw shapeError(
      at.node,
      at.inputs,
      `axis ${axis} of ${size} cannot be split into [${sizes.join()}] for ${at.node.outputs.length} outputs`,
    );
  return sizes.map((each) => ({ type, shape: shape.map((n, k) => (k === axis ? each : n)) }));
};

const slice: ShapeRule = (at) => {
  const x = required(at, 0);
  constant(at, 1);
  constant(at, 2);
  const slices = slicesOf(at.node, x, (index) => at.constant(index));
  return [{ type: x.type, shape: slices.map(({ count }) => count) }];
};

const PAD_MODES = ["constant", "reflect", "edge", "wrap"];

const pad: ShapeRule = (at) => {
  const x = required(at, 0);
  constant(at, 1);
  const mode = stringAttribute(at.node, "mode", "constant");
  if (!PAD_MODES.includes(mode)) throw unsupportedError(at.node, `mode ${mode} is not supported`);
  const pads = padsOf(at.node, x, (index) => at.constant(index));
  const shape = x.shape.map((size, axis) => {
    const { begin, end } = pads[axis] ?? { begin: 0, end: 0 };
    const kept = size + Math.min(begin, 0) + Math.min(end, 0);
    const most = mode === "reflect" ? kept - 1 : kept > 0 ? Number.POSITIVE_INFINITY : 0;
    if (kept < 0 || (mode !== "constant" && Math.max(begin, end) > Math.max(most, 0)))
      throw shapeError(at.node, at.inputs, `cannot pad axis ${axis} by ${begin} and ${end}`);
    return size + begin + end;
  });
  return [{ type: x.type, shape }];
};

const expand: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const target = broadcast(shape, constant(at, 1));
  if (!target) throw shapeError(at.node, at.inputs, `cannot expand to [${constant(at, 1).join()}]`);
  return [{ type, shape: target }];
};

const tile: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const repeats = constant(at, 1);
  if (repeats.length !== shape.length || repeats.some((count) => count < 0))
    throw shapeError(at.node, at.inputs, `cannot repeat by [${repeats.join()}]`);
  return [{ type, shape: shape.map((size, axis) => size * (repeats[axis] ?? 1)) }];
};

/** Keeps a triangle of the last two axes. */
const trilu: ShapeRule = (at) => {
  const x = required(at, 0);
  if (x.shape.length < 2) throw shapeError(at.node, at.inputs, "the input is no matrix");
  return [x];
};

const depthToSpace: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const block = intAttribute(at.node, "blocksize", 0);
  const [batch = 0, channels = 0, height = 0, width = 0] = shape;
  if (shape.length !== 4 || block < 1 || channels % block ** 2 !== 0)
    throw shapeError(at.node, at.inputs, `channels do not hold blocks of ${block} x ${block}`);
  return [{ type, shape: [batch, channels / block ** 2, height * block, width * block] }];
};

const spaceToDepth: ShapeRule = (at) => {
  const { type, shape } = required(at, 0);
  const block = intAttribute(at.node, "blocksize", 0);
  const [batch = 0, channels = 0, height = 0, width = 0] = shape;
  if (shape.length !== 4 || block < 1 || height % block !== 0 || width % block !== 0)
    throw shapeError(at.node, at.inputs, `the space does not hold blocks of ${block} x ${block}`);
  return [{ type, shape: [batch, channels * block ** 2, height / block, width / block] }];
};

const reverseSequence: ShapeRule = (at) => [required(at, 0)];

export const movingShapes = {
  Concat: concat,
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: flatten,
  Pad: pad,
  Reshape: reshape,
  ReverseSequence: reverseSequence,
  Slice: slice,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Trilu: trilu,
  Unsqueeze: unsqueeze,
} satisfies Record<string, ShapeRule>;
