/**
 * The two graphs of a sequential model, for one batch size: `judge` computes outputs and losses, `train`
 * also the gradient of the mean loss. Both take the parameters and the batch as inputs.
 *
 * Losses of one example: softmax cross-entropy -sum(target * log softmax(output)) with one-hot targets;
 * squared error 1/2 * sum((output - target)^2). The mean loss adds l2/2 * |w|^2 over all weights.
 */
import type { SequentialSpec } from "../spec.ts";
import { GraphBuilder } from "./builder.ts";
import { flopsOf } from "./flops.ts";
import { differentiate } from "./gradient/differentiate.ts";
import type { Graph } from "./graph.ts";
import { buildSequential, type Parameter } from "./sequential.ts";

/** How raw features become numbers: value = raw * scale + offset. */
export interface FeatureFormat {
  readonly type: "uint8" | "float32";
  readonly scale: number;
  readonly offset: number;
}

export interface ModelShape {
  readonly spec: SequentialSpec;
  readonly parameters: readonly Parameter[];
  /** Shape of one example, and the width of its target. */
  readonly input: readonly number[];
  readonly outputs: number;
  /** Elements of the widest value between two layers, for one example. */
  readonly widest: number;
}

/** Names of the values that a run feeds and fetches besides the parameters. */
export const FEATURES = "features";
export const TARGETS = "targets";

export interface TrainingGraph {
  readonly graph: Graph;
  readonly loss: string;
  /** Parameter name to the name of its gradient. */
  readonly gradients: ReadonlyMap<string, string>;
  readonly flops: number;
}

export interface JudgingGraph {
  readonly graph: Graph;
  /** [batch, outputs] */
  readonly output: string;
  /** [batch, 1], without L2. */
  readonly losses: string;
}

export function trainingGraph(
  model: ModelShape,
  batch: number,
  format: FeatureFormat,
): TrainingGraph {
  const graph = new GraphBuilder();
  const { losses } = forward(graph, model, batch, format);
  const mean = graph.emit("ReduceMean", [losses], { keepdims: { int: 0 } });
  const loss = addDecay(graph, model, mean);
  const names = model.parameters.map((parameter) => parameter.name);
  const gradients = ownNames(graph, differentiate(graph, loss, names));
  const built = graph.build("train", [loss, ...gradients.values()]);
  const flops = flopsOf(built, (name) => graph.shapeOf(name));
  return { graph: built, loss, gradients, flops };
}

export function judgingGraph(
  model: ModelShape,
  batch: number,
  format: FeatureFormat,
): JudgingGraph {
  const graph = new GraphBuilder();
  const { output, losses } = forward(graph, model, batch, format);
  return { graph: graph.build("judge", [output, losses]), output, losses };
}

function forward(
  graph: GraphBuilder,
  model: ModelShape,
  batch: number,
  format: FeatureFormat,
): { output: string; losses: string } {
  const raw = graph.input(FEATURES, { type: format.type, shape: [batch, ...model.input] });
  const targets = graph.input(TARGETS, { type: "float32", shape: [batch, model.outputs] });
  for (const { name, shape } of model.parameters) graph.input(name, { type: "float32", shape });
  const output = buildSequential(graph, model.spec, scaled(graph, raw, format));
  return { output, losses: LOSSES[model.spec.loss](graph, output, targets) };
}

function scaled(graph: GraphBuilder, raw: string, { type, scale, offset }: FeatureFormat): string {
  let value = raw;
  if (type === "uint8") value = graph.emit("DequantizeLinear", [raw, graph.scalar(scale)]);
  else if (scale !== 1) value = graph.emit("Mul", [raw, graph.scalar(scale)]);
  return offset === 0 ? value : graph.emit("Add", [value, graph.scalar(offset)]);
}

/** Loss of each example, [batch, 1]. */
type Loss = (graph: GraphBuilder, output: string, targets: string) => string;

const overOutputs = (graph: GraphBuilder, value: string): string =>
  graph.emit("ReduceSum", [value, graph.ints([1])], { keepdims: { int: 1 } });

const softmaxCrossEntropy: Loss = (graph, output, targets) => {
  const logProbability = graph.emit("LogSoftmax", [output], { axis: { int: 1 } });
  const right = overOutputs(graph, graph.emit("Mul", [logProbability, targets]));
  return graph.emit("Neg", [right]);
};

const squaredError: Loss = (graph, output, targets) => {
  const error = graph.emit("Sub", [output, targets]);
  const sum = overOutputs(graph, graph.emit("Mul", [error, error]));
  return graph.emit("Mul", [sum, graph.scalar(0.5)]);
};

const LOSSES: Readonly<Record<SequentialSpec["loss"], Loss>> = {
  "softmax-cross-entropy": softmaxCrossEntropy,
  "squared-error": squaredError,
};

function addDecay(graph: GraphBuilder, model: ModelShape, loss: string): string {
  const { l2 } = model.spec;
  if (l2 === 0) return loss;
  let total = loss;
  for (const { name, role } of model.parameters) {
    if (role !== "weight") continue;
    const squares = graph.emit("ReduceSumSquare", [name], { keepdims: { int: 0 } });
    total = graph.emit("Add", [total, graph.emit("Mul", [squares, graph.scalar(l2 / 2)])]);
  }
  return total;
}

/** Every gradient is an output of its own, also where two parameters have the same one. */
function ownNames(graph: GraphBuilder, gradients: Map<string, string>): Map<string, string> {
  const seen = new Set<string>();
  for (const [parameter, gradient] of gradients) {
    if (seen.has(gradient)) gradients.set(parameter, graph.emit("Identity", [gradient]));
    seen.add(gradient);
  }
  return gradients;
}
