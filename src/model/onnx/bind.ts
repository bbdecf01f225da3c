/**
 * Binds a model to one batch size: adds its nodes to a graph of static shapes, upgraded to our operator set,
 * composite operators written out, shape arithmetic computed away.
 */
import { InputError } from "../../core/errors.ts";
import type { GraphBuilder } from "./builder.ts";
import { unsupportedError } from "./errors.ts";
import type { Node, Value } from "./graph.ts";
import { LOWERINGS } from "./lower/table.ts";
import type { Model } from "./model.ts";
import { upgradeNode } from "./upgrade.ts";

export interface BindOptions {
  /** For each of the model's inputs the value in the graph that stands for it. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Initializers that are already inputs of the graph, under their own names: trained tensors and state. */
  readonly fed: ReadonlySet<string>;
  /** Those of them that are trained. */
  readonly trained: ReadonlySet<string>;
  readonly training: boolean;
}

export interface BoundModel {
  /** The model's value names to names in the graph. */
  readonly values: ReadonlyMap<string, string>;
  /** State tensor to the value that it holds after the step. */
  readonly states: ReadonlyMap<string, string>;
  /** Inputs of the graph to be filled with uniform numbers in [0, 1) at each step. */
  readonly randoms: readonly Value[];
}

export function bindModel(graph: GraphBuilder, model: Model, options: BindOptions): BoundModel {
  const values = new Map(options.inputs);
  const states = new Map<string, string>();
  const randoms: Value[] = [];
  for (const tensor of model.initializers) {
    const { name } = tensor;
    values.set(name, options.fed.has(name) ? name : graph.constant(graph.freshName(name), tensor));
  }
  const random = (shape: readonly number[]): string => {
    const name = graph.input(graph.freshName("random"), { type: "float32", shape });
    randoms.push({ name, type: "float32", shape });
    return name;
  };
  for (const original of model.nodes) {
    const named = namedNode(graph, original, values);
    refuseForeign(named, model);
    const node = upgradeNode(graph, named, model.opset);
    const lowered = LOWERINGS[node.operator]?.({
      graph,
      node,
      training: options.training,
      isTrained: (name) => options.trained.has(name),
      stateOf: (name) => states.get(name) ?? name,
      updateState: (name, value) => states.set(name, value),
      random,
    });
    const outputs =
      lowered ??
      graph.emitAll(node.operator, node.inputs, node.attributes, {
        name: node.name,
        outputs: node.outputs.length,
      });
    original.outputs.forEach((name, i) => {
      const value = outputs[i];
      if (name !== "" && value !== undefined) values.set(name, value);
    });
  }
  return { values, states, randoms };
}

/** The node with its inputs as names of the graph, and a name of its own that an error can say. */
function namedNode(graph: GraphBuilder, node: Node, values: ReadonlyMap<string, string>): Node {
  const stem = node.name || node.outputs[0] || node.operator;
  const inputs = node.inputs.map((name) => {
    if (name === "") return "";
    const value = values.get(name);
    if (value === undefined) throw unknownValue(node, name);
    return value;
  });
  return { ...node, name: graph.freshName(stem), inputs };
}

function refuseForeign(node: Node, model: Model): void {
  if (node.domain)
    throw unsupportedError(
      node,
      `operator of the domain ${node.domain} ${model.domains[node.domain] ?? ""}`.trim(),
      "export the model with standard ONNX operators only",
    );
  for (const [name, attribute] of Object.entries(node.attributes))
    if ("raw" in attribute)
      throw unsupportedError(
        node,
        `its attribute ${name} holds ${attribute.holds}, which is not supported`,
        "export the model without control flow",
      );
}

const unknownValue = (node: Node, name: string): InputError =>
  new InputError([
    {
      code: "GRAPH_UNKNOWN_VALUE",
      message: `node ${node.name || node.operator} (${node.operator}) reads ${name}, which nothing before it makes`,
      fix: "nodes must be in topological order",
    },
  ]);
