/** Cross-entropy of softmax(output) with classes given by index or as probabilities. */
import { z } from "zod";
import { reshape } from "../gradient/rule.ts";
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

/** The class axis is known, and log softmax(output) computed. */
interface Context extends LossContext<Options> {
  readonly axis: number;
  readonly classes: number;
  readonly logs: string;
}

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
  const context = { ...at, axis, classes: shape[axis] ?? 1, logs };
  if (hard && (options.classWeights || options.ignoreIndex !== undefined))
    return weightedMean(context);
  const likelihoods = hard ? ofClasses(context, indices(at)) : ofMixtures(context);
  const positions = sizeOf(graph.shapeOf(likelihoods).slice(1));
  return graph.emit("Mul", [ofExamples(context, likelihoods), graph.scalar(-1 / positions)]);
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
  const wanted = hard ? shape.toSpliced(axis, 1) : shape;
  if (target.shape.join() !== wanted.join())
    throw lossError(at, `with classes on axis ${axis} the target must be [${wanted}]`, "set axis");
  if (!hard && options.ignoreIndex !== undefined)
    throw lossError(at, "ignoreIndex needs targets given by index");
  return hard;
}

/** The mean over the positions of the whole batch by weight, as shares of its examples. */
function weightedMean(at: Context): string {
  const { graph, options } = at;
  const given = indices(at);
  const { ignoreIndex, classWeights } = options;
  const ignored =
    ignoreIndex === undefined ? undefined : graph.emit("Equal", [given, graph.ints([ignoreIndex])]);
  const kept = (value: string): string =>
    ignored ? graph.emit("Where", [ignored, graph.scalar(0), value]) : value;
  const chosen = ignored ? graph.emit("Where", [ignored, graph.ints([0]), given]) : given;
  const table = vector(at, classWeights ?? Array<number>(at.classes).fill(1));
  const weights = graph.emit("Gather", [table, chosen], { axis: { int: 0 } });
  const likelihoods = ofClasses(at, chosen, classWeights && weights);
  const total = graph.emit("ReduceSum", [kept(weights)], { keepdims: { int: 0 } });
  const least = graph.emit("Max", [total, graph.scalar(1e-12)]);
  const [batch = 1] = graph.shapeOf(at.output);
  const share = graph.emit("Div", [graph.scalar(-batch), least]);
  return graph.emit("Mul", [ofExamples(at, kept(likelihoods)), share]);
}

/**
 * Log-likelihoods of the positions' classes, times the positions' weights; smoothing adds those of all classes,
 * each by its own weight. (GatherElements and its gradient take half the time of OneHot.)
 */
function ofClasses(at: Context, chosen: string, weights?: string): string {
  const { graph, logs, axis } = at;
  const shape = graph.shapeOf(chosen);
  const column = reshape(graph, chosen, shape.toSpliced(axis, 0, 1));
  const picked = graph.emit("GatherElements", [logs, column], { axis: { int: axis } });
  const own = reshape(graph, picked, shape);
  const weighted = weights === undefined ? own : graph.emit("Mul", [own, weights]);
  const { labelSmoothing: smoothing } = at.options;
  if (smoothing === 0) return weighted;
  const kept = graph.emit("Mul", [weighted, graph.scalar(1 - smoothing)]);
  const all = overClasses(at, byClass(at, logs));
  return graph.emit("Add", [kept, graph.emit("Mul", [all, graph.scalar(smoothing / at.classes)])]);
}

/** Log-likelihoods of the positions' target probabilities. */
function ofMixtures(at: Context): string {
  const { graph, logs, target } = at;
  const { labelSmoothing: smoothing } = at.options;
  const product = (aims: string): string =>
    overClasses(at, byClass(at, graph.emit("Mul", [logs, aims])));
  if (smoothing === 0) return product(target);
  const kept = graph.emit("Mul", [target, graph.scalar(1 - smoothing)]);
  return product(graph.emit("Add", [kept, graph.scalar(smoothing / at.classes)]));
}

/** Times the classes' weights, if there are any. */
function byClass(at: Context, value: string): string {
  const { classWeights } = at.options;
  if (!classWeights) return value;
  const after = at.graph.shapeOf(value).length - 1 - at.axis;
  return at.graph.emit("Mul", [value, vector(at, classWeights, after)]);
}

const overClasses = ({ graph, axis }: Context, value: string): string =>
  graph.emit("ReduceSum", [value, graph.ints([axis])], { keepdims: { int: 0 } });

/** Sums over the positions of each example: [batch, ...] to [batch]. */
function ofExamples({ graph }: Context, value: string): string {
  const axes = graph.shapeOf(value).map((_, axis) => axis);
  if (axes.length === 1) return value;
  return graph.emit("ReduceSum", [value, graph.ints(axes.slice(1))], { keepdims: { int: 0 } });
}

const indices = ({ graph, target }: LossContext<Options>): string =>
  graph.typeOf(target).type === "int64"
    ? target
    : graph.emit("Cast", [target], { to: { int: ELEMENT_TYPES.int64 } });

/** One number a class, followed by `after` axes of size 1. */
const vector = ({ graph }: Context, numbers: readonly number[], after = 0): string =>
  graph.constant(graph.freshName("class_weights"), {
    type: "float32",
    shape: [numbers.length, ...Array<number>(after).fill(1)],
    data: Float32Array.from(numbers),
  });
