/**
 * What a model is made of, layer by layer: operators, shapes, parameters, FLOPs. Shapes and FLOPs come from
 * the bound graph, so they hold for models from files as well as for built ones.
 */
import { statesOf } from "./chosen-tensors.ts";
import { type BoundModel, bindModel } from "./onnx/bind.ts";
import { GraphBuilder } from "./onnx/builder.ts";
import { flopsOf } from "./onnx/flops.ts";
import { differentiate } from "./onnx/gradient/differentiate.ts";
import { type Initializer, type Node, sizeOf } from "./onnx/graph.ts";
import type { Model } from "./onnx/model.ts";

export interface SummaryOptions {
  /** Names of the tensors that are trained; of a built model, the keys of `starts`. */
  readonly trained: ReadonlySet<string>;
  /** What the first axis of inputs is bound to; 1 if absent. */
  readonly batch?: number | undefined;
  /** Other sizes that have names in the model. */
  readonly sizes?: Readonly<Record<string, number>> | undefined;
}

export interface LayerSummary {
  readonly name: string;
  /** Different ones, in the order of the model. */
  readonly operators: readonly string[];
  /** Of the layer's last value, at the batch of the options. */
  readonly shape: readonly number[];
  /** Elements of its trained and frozen tensors; a tensor of several layers counts in the first. */
  readonly parameters: number;
  /** Of one forward pass, at the batch of the options. */
  readonly flops: number;
}

export interface Summary {
  readonly name: string;
  readonly batch: number;
  readonly layers: readonly LayerSummary[];
  /** Elements. */
  readonly trained: number;
  readonly frozen: number;
  /** Running averages of batch normalisations. */
  readonly state: number;
  /** Of all these tensors. */
  readonly bytes: number;
  /** Of one forward pass, as in judging. */
  readonly forwardFlops: number;
  /** Of one training step: forward pass and gradients, without the loss and the optimizer. */
  readonly stepFlops: number;
}

/** Errors: `InputError` GRAPH_SHAPE or GRAPH_UNSUPPORTED that names the node. */
export function summarise(model: Model, options: SummaryOptions): Summary {
  const { trained, batch = 1 } = options;
  const states = new Set(statesOf(model, trained).map(({ name }) => name));
  const elements = (of: (tensor: Initializer) => boolean): number =>
    model.initializers.filter(of).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const counts = {
    trained: elements(({ name }) => trained.has(name)),
    frozen: elements(
      (tensor) => !trained.has(tensor.name) && !states.has(tensor.name) && isParameter(tensor),
    ),
    state: elements(({ name }) => states.has(name)),
  };
  const layers = layersOf(model, options, states);
  return {
    name: model.name,
    batch,
    layers,
    ...counts,
    bytes: 4 * (counts.trained + counts.frozen + counts.state),
    forwardFlops: layers.reduce((sum, { flops }) => sum + flops, 0),
    stepFlops: stepFlops(model, options, states),
  };
}

/** Numbers of rank 0 and masks belong to the formula. */
const isParameter = ({ type, shape, data }: Initializer): boolean =>
  type === "float32" && shape.length > 0 && !data.some((value) => Math.abs(Number(value)) >= 1e30);

/** The model's nodes in one graph, its tensors fed as inputs. */
function bound(
  model: Model,
  { trained, batch = 1, sizes = {} }: SummaryOptions,
  states: ReadonlySet<string>,
  training: boolean,
): { graph: GraphBuilder; made: BoundModel } {
  const graph = new GraphBuilder();
  const inputs = new Map<string, string>();
  for (const { name, type, shape } of model.inputs) {
    const known = shape.map((size) => (typeof size === "number" ? size : (sizes[size] ?? batch)));
    inputs.set(name, graph.input(name, { type, shape: known }));
  }
  const fed = new Set([...trained, ...states]);
  for (const { name, type, shape } of model.initializers)
    if (fed.has(name)) graph.input(name, { type, shape });
  return { graph, made: bindModel(graph, model, { inputs, fed, trained, training }) };
}

function layersOf(
  model: Model,
  options: SummaryOptions,
  states: ReadonlySet<string>,
): readonly LayerSummary[] {
  const { graph, made } = bound(model, options, states, false);
  const tensors = new Map(
    model.initializers
      .filter((tensor) => isParameter(tensor) && !states.has(tensor.name))
      .map((tensor) => [tensor.name, sizeOf(tensor.shape)]),
  );
  const owners = ownersOf(model, new Set(tensors.keys()));
  const layers = new Map<string, LayerSummary>();
  let last = "";
  for (const { node, values, nodes } of inGraph(model, graph, made)) {
    let parameters = 0;
    for (const name of node.inputs) {
      parameters += tensors.get(name) ?? 0;
      tensors.delete(name);
    }
    if (nodes.length === 0 && parameters === 0) continue;
    const flops = flopsOf({ nodes }, (value) => graph.shapeOf(value));
    const moves = flops === 0 && parameters === 0 && isNamedAfterOperator(node);
    const name = moves && last !== "" ? last : layerOf(node, owners);
    const known = layers.get(name);
    layers.set(name, {
      name,
      operators: [...new Set([...(known?.operators ?? []), node.operator])],
      shape: graph.shapeOf(values[0] ?? ""),
      parameters: (known?.parameters ?? 0) + parameters,
      flops: (known?.flops ?? 0) + flops,
    });
    last = name;
  }
  return [...layers.values()];
}

/** Each node of the model with its values in the graph, and the nodes there that compute them. */
function* inGraph(model: Model, graph: GraphBuilder, made: BoundModel) {
  const producer = new Map(
    graph.nodes.flatMap((node, i) => node.outputs.map((output) => [output, i] as const)),
  );
  let next = 0;
  for (const node of model.nodes) {
    const values = node.outputs.flatMap((name) => made.values.get(name) ?? []);
    const end = Math.max(next, ...values.map((value) => (producer.get(value) ?? -1) + 1));
    yield { node, values, nodes: graph.nodes.slice(next, end) };
    next = end;
  }
}

/** Exporters call what moves elements between layers "node_Reshape_7" or "/Flatten". */
const isNamedAfterOperator = ({ name, operator }: Node): boolean =>
  name.lastIndexOf("/") < 1 && name.toLowerCase().includes(operator.toLowerCase());

/** The layer of each tensor ("conv1.weight": conv1), and of values that are computed from tensors alone. */
function ownersOf(model: Model, parameters: ReadonlySet<string>): Map<string, string> {
  const constants = new Set(model.initializers.map(({ name }) => name));
  const owners = new Map<string, string>();
  for (const name of parameters)
    if (name.includes(".")) owners.set(name, name.replace(/\.[^.]*$/, ""));
  for (const { inputs, outputs } of model.nodes) {
    if (!inputs.every((name) => name === "" || constants.has(name))) continue;
    const owner = inputs.map((name) => owners.get(name)).find((name) => name !== undefined);
    for (const name of outputs) {
      constants.add(name);
      if (owner !== undefined) owners.set(name, owner);
    }
  }
  return owners;
}

/**
 * The layer of a node: our own nodes are called "attention1/scores", PyTorch's "/layer1/layer1.0/conv1/Conv" or
 * after nothing in particular; then the tensors say it.
 */
function layerOf(
  { name, inputs, outputs, operator }: Node,
  owners: ReadonlyMap<string, string>,
): string {
  const path = name.split("/");
  if (path.length > 2 && path[0] === "") return modulePath(path.slice(1, -1));
  if (path.length > 1 && path[0] !== "") return path[0] as string;
  const owner = inputs.map((input) => owners.get(input)).find((found) => found !== undefined);
  return owner ?? (name.replace(/^\//, "") || outputs[0] || operator);
}

/** layer1/layer1.0/conv1 is called layer1.0.conv1. */
const modulePath = (parts: readonly string[]): string =>
  parts.filter((part, i) => !parts[i + 1]?.startsWith(`${part}.`)).join(".");

/** The gradient of the sum of the outputs costs what that of a loss costs. */
function stepFlops(model: Model, options: SummaryOptions, states: ReadonlySet<string>): number {
  const { graph, made } = bound(model, options, states, true);
  const sums = model.outputs.map(({ name }) =>
    graph.emit("ReduceSum", [made.values.get(name) ?? ""], { keepdims: { int: 0 } }),
  );
  const loss = sums.reduce((sum, part) => graph.emit("Add", [sum, part]));
  const trained = [...options.trained];
  const gradients = trained.length > 0 ? differentiate(graph, loss, trained) : new Map();
  const built = graph.build("step", [loss, ...gradients.values(), ...made.states.values()]);
  return flopsOf(built, (value) => graph.shapeOf(value));
}
