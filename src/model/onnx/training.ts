/**
 * The graphs of a trainable model for one batch size: `trainingGraph` computes the mean loss of an
 * objective, its gradients and the change of the state; `judgingGraph` outputs and losses. Both take the
 * shared tensors and the batch as inputs.
 *
 * The mean loss adds l1 * |w| + l2/2 * |w|^2 over all trained weights (not biases).
 */

import { modelError } from "../model-error.ts";
import type { InputPlan, ObjectivePlan, TermPlan, Trainable } from "../trainable.ts";
import { type BindOptions, type BoundModel, bindModel } from "./bind.ts";
import { GraphBuilder } from "./builder.ts";
import { flopsOf } from "./flops.ts";
import { differentiate } from "./gradient/differentiate.ts";
import { ELEMENT_TYPES, type Graph, type Node, sameShape, sizeOf, type Value } from "./graph.ts";
import { clipGradients } from "./loss/clip.ts";
import type { LossOptions } from "./loss/options.ts";
import { addPenalties } from "./loss/penalties.ts";
import { lossOf } from "./loss/table.ts";

/** How raw features become numbers: value = raw * scale + offset. */
export interface FeatureFormat {
  readonly type: "uint8" | "float32";
  readonly scale: number;
  readonly offset: number;
}

/** Names of the values that a run feeds besides the shared tensors. */
export const FEATURES = "batch.features";
export const TARGETS = "batch.targets";

export interface TrainingGraph {
  readonly graph: Graph;
  readonly loss: string;
  /** Trained tensor to the name of its gradient. */
  readonly gradients: ReadonlyMap<string, string>;
  /** State tensor to the name of its additive change. */
  readonly changes: ReadonlyMap<string, string>;
  /** Inputs to be filled with new random numbers. */
  readonly randoms: readonly RandomInput[];
  readonly flops: number;
}

export interface RandomInput extends Value {
  readonly distribution: "uniform" | "normal";
}

export interface JudgingGraph {
  readonly graph: Graph;
  /** Of the first term of the first objective: [batch, ...]. */
  readonly output: string;
  readonly outputShape: readonly number[];
  /** Loss of each example by the first objective, without penalties: [batch]. */
  readonly losses: string;
  readonly randoms: readonly RandomInput[];
  /** Elements of the widest value, for one example. */
  readonly widest: number;
}

export function trainingGraph(
  trainable: Trainable,
  objective: number,
  batch: number,
  format: FeatureFormat,
): TrainingGraph {
  const graph = new GraphBuilder();
  const plan = trainable.objectives[objective] as ObjectivePlan;
  const bound = forward(graph, trainable, plan, batch, format, true);
  const { l1, l2, clip } = trainable.options;
  const mean = graph.emit("ReduceMean", [bound.losses], { keepdims: { int: 0 } });
  const biases = recurrentBiases(trainable.model.nodes);
  const weights = plan.trained.filter(
    (name) => graph.shapeOf(name).length > 1 && !biases.has(name),
  );
  const loss = addPenalties(graph, mean, weights, { l1, l2 });
  const raw = differentiate(graph, loss, plan.trained);
  const gradients = ownNames(graph, clip ? clipGradients(graph, raw, clip) : raw);
  const changes = new Map(
    [...bound.states].map(([name, value]) => [name, graph.emit("Sub", [value, name])]),
  );
  const built = graph.build("train", [loss, ...gradients.values(), ...changes.values()]);
  const flops = flopsOf(built, (name) => graph.shapeOf(name));
  return { graph: built, loss, gradients, changes, randoms: needed(built, bound.randoms), flops };
}

/** Biases of two axes: ONNX stacks those of both directions. */
const recurrentBiases = (nodes: readonly Node[]): ReadonlySet<string> =>
  new Set(
    nodes.flatMap(({ operator, inputs }) =>
      /^(LSTM|GRU|RNN)$/.test(operator) ? inputs.slice(3, 4) : [],
    ),
  );

export function judgingGraph(
  trainable: Trainable,
  batch: number,
  format: FeatureFormat,
): JudgingGraph {
  const graph = new GraphBuilder();
  const plan = trainable.objectives[0] as ObjectivePlan;
  const bound = forward(graph, trainable, plan, batch, format, false);
  const output = bound.values.get((plan.terms[0] as TermPlan).output) as string;
  const built = graph.build("judge", [output, bound.losses]);
  const made = built.nodes.flatMap((node) => node.outputs.map((name) => graph.shapeOf(name)));
  return {
    graph: built,
    output,
    outputShape: graph.shapeOf(output),
    losses: bound.losses,
    randoms: needed(built, bound.randoms),
    widest: Math.max(...made.map(sizeOf)) / batch,
  };
}

export interface PredictingGraph {
  readonly graph: Graph;
  /** In the order asked for: name and shape of each value, the batch first. */
  readonly results: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly flops: number;
}

/** What some of the model's values are for a batch, no targets needed: its outputs, or what comes before them. */
export function predictingGraph(
  trainable: Trainable,
  batch: number,
  format: FeatureFormat,
  values: readonly string[],
): PredictingGraph {
  const graph = new GraphBuilder();
  const feeds = new BatchValues(graph, trainable, batch, format);
  const bound = bindShared(graph, trainable, feeds, { trained: new Set(), training: false });
  const names = values.map((value) => bound.values.get(value) as string);
  const built = graph.build("predict", names);
  const results = names.map((name) => ({ name, shape: graph.shapeOf(name) }));
  return { graph: built, results, flops: flopsOf(built, (name) => graph.shapeOf(name)) };
}

/** Shapes that the model's outputs have for one example. */
export function outputShapes(trainable: Trainable): ReadonlyMap<string, readonly number[]> {
  const graph = new GraphBuilder();
  const plain: FeatureFormat = { type: "float32", scale: 1, offset: 0 };
  const feeds = new BatchValues(graph, trainable, 1, plain);
  const bound = bindShared(graph, trainable, feeds, { trained: new Set(), training: false });
  return new Map(
    trainable.model.outputs.map(({ name }) => {
      const value = bound.values.get(name);
      return [name, value === undefined ? [] : graph.shapeOf(value).slice(1)];
    }),
  );
}

interface Forward extends Omit<BoundModel, "randoms"> {
  /** [batch] */
  readonly losses: string;
  readonly randoms: readonly RandomInput[];
}

function forward(
  graph: GraphBuilder,
  trainable: Trainable,
  plan: ObjectivePlan,
  batch: number,
  format: FeatureFormat,
  training: boolean,
): Forward {
  const feeds = new BatchValues(graph, trainable, batch, format);
  const bound = bindShared(graph, trainable, feeds, { trained: new Set(plan.trained), training });
  const terms = plan.terms.map((term) => {
    const output = bound.values.get(term.output) as string;
    checkBatch(term.output, graph.shapeOf(output), batch);
    const target = feeds.target(term, output, bound.values);
    const losses = lossOf(graph, term.loss, output, target);
    return term.weight === 1 ? losses : graph.emit("Mul", [losses, graph.scalar(term.weight)]);
  });
  const losses = terms.reduce((sum, term) => graph.emit("Add", [sum, term]));
  const masks = bound.randoms.map((value) => ({ ...value, distribution: "uniform" as const }));
  return { ...bound, losses, randoms: [...feeds.noises, ...masks] };
}

/** A file may have one batch size written into its shapes, which then stay as they are. */
function checkBatch(name: string, shape: readonly number[], batch: number): void {
  if (shape[0] === batch) return;
  throw modelError(
    "MODEL_OUTPUT",
    ["output"],
    `output ${name} is [${shape.join(", ")}] for a batch of ${batch}: the file has its batch size built in`,
    { fix: "export the model with a dynamic batch axis" },
  );
}

/** Binds the model with its shared tensors and the batch as inputs of the graph. */
function bindShared(
  graph: GraphBuilder,
  trainable: Trainable,
  feeds: BatchValues,
  how: Pick<BindOptions, "trained" | "training">,
): BoundModel {
  const inputs = new Map(trainable.inputs.map((input) => [input.name, feeds.input(input)]));
  const shared = [...trainable.trained, ...trainable.states];
  for (const { name, shape } of shared) graph.input(name, { type: "float32", shape });
  const fed = new Set(shared.map(({ name }) => name));
  return bindModel(graph, trainable.model, { inputs, fed, ...how });
}

/** What a batch brings, as values of the graph. */
class BatchValues {
  readonly noises: RandomInput[] = [];
  readonly #graph: GraphBuilder;
  readonly #data: Trainable["data"];
  readonly #batch: number;
  readonly #format: FeatureFormat;
  readonly #inputs = new Map<string, string>();
  #raw: string | undefined;
  #labels: string | undefined;

  constructor(graph: GraphBuilder, { data }: Trainable, batch: number, format: FeatureFormat) {
    this.#graph = graph;
    this.#data = data;
    this.#batch = batch;
    this.#format = format;
  }

  input(plan: InputPlan): string {
    const value = this.#cast(this.#filled(plan), plan.type);
    this.#inputs.set(plan.name, value);
    return value;
  }

  /** What the term compares its output with, in the output's shape where it holds numbers. */
  target({ target, loss }: TermPlan, output: string, values: ReadonlyMap<string, string>): string {
    const graph = this.#graph;
    if (target === "label") return this.#labelsFor(loss, output);
    if (target === "input") return this.#alike([...this.#inputs.values()][0] as string, output);
    if (typeof target === "number")
      return graph.emit("Expand", [graph.scalar(target), graph.ints(graph.shapeOf(output))]);
    if ("output" in target) return values.get(target.output) as string;
    return this.#alike(this.#columns(...target.columns), output);
  }

  #filled({ name, shape, source }: InputPlan): string {
    const full = [this.#batch, ...shape];
    if (source.kind === "tokens") return this.#features("int64", full);
    if (source.kind === "features") {
      const { from, to } = source;
      if (this.#data.kind === "dense" && to - from === sizeOf(this.#data.shape))
        return this.#shaped(this.#scaled(), full);
      return this.#shaped(this.#columns(from, to), full);
    }
    const noise = this.#graph.input(`noise.${name}`, { type: "float32", shape: full });
    this.noises.push({
      name: noise,
      type: "float32",
      shape: full,
      distribution: source.distribution,
    });
    return noise;
  }

  #features(type: "int64" | FeatureFormat["type"], shape: readonly number[]): string {
    return (this.#raw ??= this.#graph.input(FEATURES, { type, shape }));
  }

  #scaledOnce: string | undefined;
  #scaled(): string {
    if (this.#scaledOnce !== undefined) return this.#scaledOnce;
    const { type, scale, offset } = this.#format;
    const graph = this.#graph;
    const shape = this.#data.kind === "dense" ? this.#data.shape : [this.#data.length];
    let value = this.#features(type, [this.#batch, ...shape]);
    if (type === "uint8") value = graph.emit("DequantizeLinear", [value, graph.scalar(scale)]);
    else if (scale !== 1) value = graph.emit("Mul", [value, graph.scalar(scale)]);
    if (offset !== 0) value = graph.emit("Add", [value, graph.scalar(offset)]);
    this.#scaledOnce = value;
    return value;
  }

  #columns(from: number, to: number): string {
    const graph = this.#graph;
    const flat = this.#shaped(this.#scaled(), [
      this.#batch,
      sizeOf(graph.shapeOf(this.#scaled())) / this.#batch,
    ]);
    return graph.emit("Slice", [flat, graph.ints([from]), graph.ints([to]), graph.ints([1])]);
  }

  #label(): string {
    const data = this.#data;
    const batch = this.#batch;
    this.#labels ??= this.#graph.input(
      TARGETS,
      data.kind === "text"
        ? { type: "int64", shape: [batch, data.length] }
        : { type: "float32", shape: [batch, Math.max(1, data.classes)] },
    );
    return this.#labels;
  }

  /** One-hot classes, unless the loss counts classes differently or has one logit for two of them. */
  #labelsFor(loss: LossOptions, output: string): string {
    const graph = this.#graph;
    const labels = this.#label();
    if (this.#data.kind === "text") return labels;
    const { classes } = this.#data;
    if (
      loss.kind === "softmax-cross-entropy" &&
      (loss.classWeights || loss.ignoreIndex !== undefined)
    )
      return graph.emit("ArgMax", [labels], { axis: { int: 1 }, keepdims: { int: 0 } });
    const single = classes === 2 && sizeOf(graph.shapeOf(output)) === this.#batch;
    if (!single) return this.#alike(labels, output);
    const right = graph.emit("Slice", [labels, graph.ints([1]), graph.ints([2]), graph.ints([1])]);
    return this.#alike(right, output);
  }

  #alike(value: string, output: string): string {
    const shape = this.#graph.shapeOf(output);
    return sizeOf(shape) === sizeOf(this.#graph.shapeOf(value))
      ? this.#shaped(value, shape)
      : value;
  }

  #shaped(value: string, shape: readonly number[]): string {
    const graph = this.#graph;
    return sameShape(graph.shapeOf(value), shape)
      ? value
      : graph.emit("Reshape", [value, graph.ints(shape)]);
  }

  #cast(value: string, type: InputPlan["type"]): string {
    return this.#graph.typeOf(value).type === type
      ? value
      : this.#graph.emit("Cast", [value], { to: { int: ELEMENT_TYPES[type] } });
  }
}

/** A draw that nothing reads (noise of an unused side) is not fed. */
const needed = (graph: Graph, randoms: readonly RandomInput[]): RandomInput[] =>
  randoms.filter(({ name }) => graph.inputs.some((input) => input.name === name));

/** Every gradient is an output of its own, also where two parameters have the same one. */
function ownNames(graph: GraphBuilder, gradients: Map<string, string>): Map<string, string> {
  const seen = new Set<string>();
  for (const [parameter, gradient] of gradients) {
    if (seen.has(gradient)) gradients.set(parameter, graph.emit("Identity", [gradient]));
    seen.add(gradient);
  }
  return gradients;
}
