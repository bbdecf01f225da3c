/** Gradients of operators that only move elements: the gradient moves back. */
import {
  type Attributes,
  axisOf,
  ELEMENT_TYPES,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from "../graph.ts";
import { type AxisPad, padsOf, slicesOf } from "../shape/slice.ts";
import {
  type GradientContext,
  type GradientRule,
  inputOf,
  outputOf,
  reshape,
  unbroadcast,
  zeros,
} from "./rule.ts";
import { scatterAlong, unslice } from "./scatter.ts";

const shapeOf = (at: GradientContext): readonly number[] => at.graph.shapeOf(inputOf(at, 0));

const constantsOf =
  (at: GradientContext) =>
  (index: number): readonly number[] | undefined =>
    inputOf(at, index) === "" ? undefined : at.graph.constantOf(inputOf(at, index));

const moved: GradientRule = (at) => [reshape(at.graph, at.upstream, shapeOf(at))];

const expand: GradientRule = (at) => [unbroadcast(at.graph, at.upstream, shapeOf(at))];

const transpose: GradientRule = (at) => {
  const axes = at.graph.shapeOf(at.upstream).map((_, axis) => axis);
  const order = intsAttribute(at.node, "perm", [...axes].reverse());
  const inverse = axes.map((axis) => order.indexOf(axis));
  return [at.graph.emit("Transpose", [at.upstream], { perm: { ints: inverse } })];
};

/** Only between float types: an integer does not move when what it was made of does. */
const cast: GradientRule = (at) => {
  const { type: from } = at.graph.typeOf(inputOf(at, 0));
  const { type: to } = at.graph.typeOf(outputOf(at));
  if (!from.startsWith("float") || !to.startsWith("float")) return [undefined];
  if (from === to) return [at.upstream];
  return [at.graph.emit("Cast", [at.upstream], { to: { int: ELEMENT_TYPES[from] } })];
};

const concat: GradientRule = (at) => {
  const { graph, node } = at;
  const axis = axisOf(intAttribute(node, "axis", 0), shapeOf(at).length);
  const sizes = node.inputs.map((name) => graph.shapeOf(name)[axis] ?? 0);
  return graph.emitAll(
    "Split",
    [at.upstream, graph.ints(sizes)],
    { axis: { int: axis } },
    { outputs: sizes.length },
  );
};

/** Outputs that the loss does not use count as zeros. */
const split: GradientRule = (at) => {
  const parts = at.node.outputs.map(
    (name, i) => at.upstreamOf(i) ?? zeros(at.graph, at.graph.shapeOf(name)),
  );
  return [at.graph.emit("Concat", parts, { axis: { int: intAttribute(at.node, "axis", 0) } })];
};

/** Zeros around the upstream; along an axis with another step than 1 each row goes back to its place. */
const slice: GradientRule = (at) => {
  const { graph } = at;
  const input = graph.typeOf(inputOf(at, 0));
  const slices = slicesOf(at.node, input, constantsOf(at));
  let gradient = at.upstream;
  slices.forEach((part, axis) => {
    if (part.step === 1 || part.count === 0) return;
    const shape = graph.shapeOf(gradient).map((n, k) => (k === axis ? (input.shape[k] ?? 0) : n));
    gradient = unslice(graph, gradient, shape, axis, part);
  });
  const made = graph.shapeOf(gradient);
  const around = slices.map(({ start }, axis) => {
    const rest = (input.shape[axis] ?? 0) - (made[axis] ?? 0);
    const begin = rest === 0 ? 0 : Math.min(start, rest);
    return { begin, end: rest - begin };
  });
  return [padded(at, gradient, around)];
};

function padded(at: GradientContext, value: string, pads: readonly AxisPad[]): string {
  if (pads.every(({ begin, end }) => begin === 0 && end === 0)) return value;
  const ints = [...pads.map(({ begin }) => begin), ...pads.map(({ end }) => end)];
  return at.graph.emit("Pad", [value, at.graph.ints(ints)]);
}

/** A constant's rim is cut off; other modes are reads by index, so what was read twice adds up. */
const pad: GradientRule = (at) => {
  const { graph } = at;
  const pads = padsOf(at.node, graph.typeOf(inputOf(at, 0)), constantsOf(at));
  const mode = stringAttribute(at.node, "mode", "constant");
  if (mode !== "constant") return [unread(at, pads, mode)];
  const opposite = pads.map(({ begin, end }) => ({ begin: -begin, end: -end }));
  return [
    at.needs(0) ? padded(at, at.upstream, opposite) : undefined,
    undefined,
    at.needs(2) ? rimSum(at, pads) : undefined,
  ];
};

/** The constant's gradient: the sum of everything but what came from the input. */
function rimSum(at: GradientContext, pads: readonly AxisPad[]): string {
  const { graph } = at;
  const rim = pads.map(({ begin, end }) => ({
    begin: Math.min(0, -begin),
    end: Math.min(0, -end),
  }));
  const sum = (value: string): string => graph.emit("ReduceSum", [value], { keepdims: { int: 0 } });
  const rest = graph.emit("Sub", [sum(at.upstream), sum(padded(at, at.upstream, rim))]);
  return reshape(graph, rest, graph.shapeOf(inputOf(at, 2)));
}

function unread(at: GradientContext, pads: readonly AxisPad[], mode: string): string {
  const { graph } = at;
  let gradient = at.upstream;
  shapeOf(at).forEach((size, axis) => {
    const { begin, end } = pads[axis] ?? { begin: 0, end: 0 };
    if (begin === 0 && end === 0) return;
    const places = graph.ints(placesRead(size, { begin, end }, mode));
    const shape = graph.shapeOf(gradient).map((n, k) => (k === axis ? size : n));
    gradient = scatterAlong(graph, gradient, places, shape, axis);
  });
  return gradient;
}

/** For each element of a padded axis the one of `size` that it repeats. Negative pads cut off first. */
function placesRead(size: number, { begin, end }: AxisPad, mode: string): number[] {
  const first = Math.max(0, -begin);
  const kept = size - first - Math.max(0, -end);
  return Array.from({ length: size + begin + end }, (_, i) => {
    const place = i - Math.max(0, begin);
    if (mode === "edge") return first + Math.min(kept - 1, Math.max(0, place));
    if (mode === "wrap") return first + (((place % kept) + kept) % kept);
    return first + (kept - 1 - Math.abs(kept - 1 - Math.abs(place)));
  });
}

/** Every copy of an element adds to its gradient: sums over the repeats, seen as axes of their own. */
const tile: GradientRule = (at) => {
  const { graph } = at;
  const shape = shapeOf(at);
  const repeats = shape.map((size, axis) =>
    size === 0 ? 1 : (graph.shapeOf(at.upstream)[axis] ?? 0) / size,
  );
  const seen = reshape(
    graph,
    at.upstream,
    shape.flatMap((size, axis) => [repeats[axis] ?? 1, size]),
  );
  const axes = graph.ints(shape.map((_, axis) => 2 * axis));
  return [graph.emit("ReduceSum", [seen, axes], { keepdims: { int: 0 } })];
};

/** The same operator puts the gradient where the values were: a triangle, a reversed stretch. */
const itself: GradientRule = (at) => [
  at.graph.emit(at.node.operator, [at.upstream, ...at.node.inputs.slice(1)], at.node.attributes),
];

/** In mode CRD channels are counted before the block, which SpaceToDepth cannot undo. */
const depthToSpace: GradientRule = (at) => {
  const { graph, node } = at;
  const block = intAttribute(node, "blocksize", 1);
  if (stringAttribute(node, "mode", "DCR") === "DCR")
    return [graph.emit("SpaceToDepth", [at.upstream], { blocksize: { int: block } })];
  const [batch = 0, channels = 0, height = 0, width = 0] = shapeOf(at);
  const seen = [batch, channels / block ** 2, height, block, width, block];
  const perm: Attributes = { perm: { ints: [0, 1, 3, 5, 2, 4] } };
  const blocks = graph.emit("Transpose", [reshape(graph, at.upstream, seen)], perm);
  return [reshape(graph, blocks, shapeOf(at))];
};

const spaceToDepth: GradientRule = (at) => [
  at.graph.emit("DepthToSpace", [at.upstream], {
    blocksize: { int: intAttribute(at.node, "blocksize", 1) },
  }),
];

export const movingGradients = {
  Cast: cast,
  Concat: concat,
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: moved,
  Pad: pad,
  Reshape: moved,
  ReverseSequence: itself,
  Slice: slice,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Squeeze: moved,
  Tile: tile,
  Transpose: transpose,
  Trilu: itself,
  Unsqueeze: moved,
} satisfies Record<string, GradientRule>;
