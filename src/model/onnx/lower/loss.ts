/**
 * Losses that stand in a model's file, written out: -weight[label] * logProbability[label] of each example,
 * examples whose label is `ignore_index` left out. "mean" divides by the sum of the weights that took part.
 * Scores are [batch, classes, ...], labels [batch, ...]
 * (https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html).
 */
import { shapeError } from "../errors.ts";
import {
  ELEMENT_TYPES,
  intAttribute,
  type Node,
  sameShape,
  stringAttribute,
  type TensorType,
} from "../graph.ts";
import { inputAt, type Lowering, type LoweringContext } from "./rule.ts";

const softmaxCrossEntropy: Lowering = (at) => {
  const log = at.graph.emit("LogSoftmax", [inputAt(at, 0)], { axis: { int: 1 } });
  return [likelihood(at, log), log];
};

const negativeLogLikelihood: Lowering = (at) => [likelihood(at, inputAt(at, 0))];

function likelihood(at: LoweringContext, log: string): string {
  const { graph, node } = at;
  const isLabel = labelled(at, graph.shapeOf(log));
  const weights = classWeights(at, graph.shapeOf(log));
  const weighted = weights === undefined ? log : graph.emit("Mul", [log, weights]);
  // Where, not a product: the log-probability of a masked class is -Infinity.
  const chosen = graph.emit("Where", [isLabel, weighted, graph.scalar(0)]);
  const losses = graph.emit("Neg", [
    graph.emit("ReduceSum", [chosen, graph.ints([1])], { keepdims: { int: 0 } }),
  ]);
  const reduction = stringAttribute(node, "reduction", "mean");
  if (reduction === "none") return losses;
  const total = (value: string): string =>
    graph.emit("ReduceSum", [value], { keepdims: { int: 0 } });
  if (reduction === "sum") return total(losses);
  const ones = graph.emit("Cast", [isLabel], { to: { int: ELEMENT_TYPES.float32 } });
  const counted = weights === undefined ? ones : graph.emit("Mul", [ones, weights]);
  return graph.emit("Div", [total(losses), total(counted)]);
}

/** No label has this number, so nothing equals it. */
const NO_CLASS = -(2 ** 31);

/** bool of the scores' shape: whether the class is the example's label, and not the one to ignore. */
function labelled(at: LoweringContext, shape: readonly number[]): string {
  const { graph, node } = at;
  const labels = inputAt(at, 1);
  const [batch = 0, classes = 0, ...rest] = shape;
  const { type, shape: given } = graph.typeOf(labels);
  if (!sameShape(given, [batch, ...rest]) || (type !== "int64" && type !== "int32"))
    throw shapeError(node, typesOf(at, node), `labels must be int64[${[batch, ...rest]}]`);
  const ignored = intAttribute(node, "ignore_index", NO_CLASS);
  const numbers = Array.from({ length: classes }, (_, k) => (k === ignored ? NO_CLASS : k));
  const known = graph.constant(graph.freshName("classes"), {
    type,
    shape: [classes, ...rest.map(() => 1)],
    data: type === "int64" ? BigInt64Array.from(numbers, BigInt) : Int32Array.from(numbers),
  });
  const column = graph.emit("Reshape", [labels, graph.ints([batch, 1, ...rest])]);
  return graph.emit("Equal", [column, known]);
}

/** The weights, if there are any, along the axis of the classes. */
function classWeights(at: LoweringContext, shape: readonly number[]): string | undefined {
  const weights = inputAt(at, 2);
  const [, classes = 0, ...rest] = shape;
  if (weights === "") return undefined;
  if (!sameShape(at.graph.shapeOf(weights), [classes]))
    throw shapeError(at.node, typesOf(at, at.node), `there must be ${classes} weights`);
  return at.graph.emit("Reshape", [weights, at.graph.ints([classes, ...rest.map(() => 1)])]);
}

const typesOf = (at: LoweringContext, node: Node): (TensorType | undefined)[] =>
  node.inputs.map((name) => (name === "" ? undefined : at.graph.typeOf(name)));

export const lossLowerings = {
  NegativeLogLikelihoodLoss: negativeLogLikelihood,
  SoftmaxCrossEntropyLoss: softmaxCrossEntropy,
} satisfies Record<string, Lowering>;
