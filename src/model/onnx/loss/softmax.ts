/** Cross-entropy of softmax(output) with classes given by index or as probabilities. */
import { z } from "zod";
import type { GraphBuilder } from "../builder.ts";
import { axisOf, ELEMENT_TYPES, sizeOf } from "../graph.ts";
import { type Loss, type LossContext, lossError } from "./rule.ts";

export const SoftmaxCrossEntropy = z.strictObject({
  kind: z.literal("softmax-cross-entropy"),
  /**
   * The axis of the classes, negative counted from the end. Absent: the last one, except for four and more
   * axes (images), where it is 1 as in PyTorch.
   */
  axis: z.number().int().optional(),
  /** The share of a target that is spread evenly over all classes. */
  labelSmoothing: z.number().min(0).max(1).default(0),
  /** How much each class counts. Absent: all 1. */
  classWeights: z.array(z.number().nonnegative()).optional(),
  /** Positions whose target is this index are left out. Absent: none. Only for targets given by index. */
  ignoreIndex: z.number().int().optional(),
});
type Options = z.infer<typeof SoftmaxCrossEntropy>;

/**
 * Targets: int64 indices of the output's shape without the class axis, or float32 probabilities of the output's
 * shape. The loss of an example is the mean over its positions.
 *
 * With class weights or an index to ignore (targets by index), PyTorch divides by the sum of the weights of all
 * positions that count instead of their number. So do we, and share it out so that the mean over the batch is
 * PyTorch's: then the loss of one example depends on its batch. A batch without a position that counts has loss 0.
 */
export const softmaxCrossEntropy: Loss<Options> = (at) => {
  const { graph, options } = at;
  const shape = graph.shapeOf(at.output);
  const axis = axisOf(options.axis ?? (shape.length < 4 ? -1 : 1), shape.length);
  const hard = checkTarget(at, axis);
  const logs = graph.emit("LogSoftmax", [at.output], { axis: { int: axis } });
  const aims = weightedAims(at, axis, hard);
  const product = graph.emit("Mul", [logs, aims]);
  const [batch = 1] = shape;
  const positions = sizeOf(shape) / (shape[axis] ?? 1) / batch;
  const counts = hard && (options.classWeights || options.ignoreIndex !== undefined);
  if (!counts) {
    const sum = sumBut(graph, product, [0]);
    return graph.emit("Mul", [sum, graph.scalar(-1 / positions)]);
  }
  const others = shape.flatMap((_, i) => (i === axis ? [] : [i]));
  const losses = sumBut(graph, product, others);
  const mask = counted(at);
  const weights = positionWeights(at, axis, others, mask);
  const total = graph.emit("Max", [sumBut(graph, weights, []), graph.scalar(1e-12)]);
  const kept = mask === undefined ? losses : graph.emit("Mul", [losses, mask]);
  const share = graph.emit("Div", [graph.scalar(-batch), total]);
  return graph.emit("Mul", [sumBut(graph, kept, [0]), share]);
};

/** Whether the target holds indices. */
function checkTarget(at: LossContext<Options>, axis: number): boolean {
  const { graph, options } = at;
  const shape = graph.shapeOf(at.output);
  const target = graph.typeOf(at.target);
  const classes = shape[axis];
  if (classes === undefined || axis === 0)
    throw lossError(at, `axis ${axis} is not one of classes`, "axis: -1");
  if (options.classWeights && options.classWeights.length !== classes)
    throw lossError(at, `${options.classWeights.length} class weights for ${classes} classes`);
  const hard = target.type !== "float32";
  const wanted = hard ? shape.filter((_, i) => i !== axis) : shape;
  if (target.shape.join() !== wanted.join())
    throw lossError(at, `with classes on axis ${axis} the target must be [${wanted}]`, "set axis");
  if (!hard && options.ignoreIndex !== undefined)
    throw lossError(at, "ignoreIndex needs targets given by index");
  return hard;
}

/** Target probabilities of the output's shape, smoothed and multiplied by the classes' weights. */
function weightedAims(at: LossContext<Options>, axis: number, hard: boolean): string {
  const { graph, options } = at;
  const classes = graph.shapeOf(at.output)[axis] ?? 1;
  const { labelSmoothing: smoothing } = options;
  const floor = smoothing / classes;
  const aims = hard
    ? oneHot(at, axis, floor, 1 - smoothing + floor)
    : scaled(graph, at.target, 1 - smoothing, floor);
  const { classWeights } = options;
  return classWeights ? graph.emit("Mul", [aims, alongClasses(at, axis, classWeights)]) : aims;
}

const oneHot = (at: LossContext<Options>, axis: number, off: number, on: number): string => {
  const { graph } = at;
  const values = graph.constant(graph.freshName("off_on"), {
    type: "float32",
    shape: [2],
    data: Float32Array.of(off, on),
  });
  const depth = graph.ints([graph.shapeOf(at.output)[axis] ?? 1]);
  return graph.emit("OneHot", [indices(at), depth, values], { axis: { int: axis } });
};

const indices = ({ graph, target }: LossContext<Options>): string =>
  graph.typeOf(target).type === "int64"
    ? target
    : graph.emit("Cast", [target], { to: { int: ELEMENT_TYPES.int64 } });

function scaled(graph: GraphBuilder, value: string, factor: number, addend: number): string {
  if (addend === 0) return value;
  const product = graph.emit("Mul", [value, graph.scalar(factor)]);
  return graph.emit("Add", [product, graph.scalar(addend)]);
}

/** One number a class, shaped to broadcast along the class axis. */
const alongClasses = (
  { graph, output }: LossContext<Options>,
  axis: number,
  numbers: readonly number[],
): string => {
  const after = graph.shapeOf(output).length - 1 - axis;
  return graph.constant(graph.freshName("class_weights"), {
    type: "float32",
    shape: [numbers.length, ...Array<number>(after).fill(1)],
    data: Float32Array.from(numbers),
  });
};

/** 1 for each position that counts, 0 for those to ignore; undefined if all count. */
function counted(at: LossContext<Options>): string | undefined {
  const { graph, options } = at;
  if (options.ignoreIndex === undefined) return undefined;
  const ignored = graph.emit("Equal", [indices(at), graph.ints([options.ignoreIndex])]);
  const number = graph.emit("Cast", [ignored], { to: { int: ELEMENT_TYPES.float32 } });
  return graph.emit("Sub", [graph.scalar(1), number]);
}

/** The weight of each position's class, 0 where it is to be ignored. */
function positionWeights(
  at: LossContext<Options>,
  axis: number,
  others: readonly number[],
  mask: string | undefined,
): string {
  const { graph, options } = at;
  if (!options.classWeights) return mask ?? graph.scalar(1);
  const weights = alongClasses(at, axis, options.classWeights);
  const own = graph.emit("Mul", [oneHot(at, axis, 0, 1), weights]);
  const each = sumBut(graph, own, others);
  return mask === undefined ? each : graph.emit("Mul", [each, mask]);
}

/** Sums over all axes but those to keep. */
function sumBut(graph: GraphBuilder, value: string, kept: readonly number[]): string {
  const axes = graph.shapeOf(value).flatMap((_, axis) => (kept.includes(axis) ? [] : [axis]));
  if (axes.length === 0) return value;
  return graph.emit("ReduceSum", [value, graph.ints(axes)], { keepdims: { int: 0 } });
}
