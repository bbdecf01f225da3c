/**
 * The model that is taken home: as it came or was built, with trained values, without what only training
 * needs (batch normalisation that normalises by its batch, dropout).
 */
import type { Initializer, Node } from "./graph.ts";
import type { Model } from "./model.ts";

/** `values` holds the elements of initializers by name; the others stay as they are. */
export function inferenceModel(
  model: Model,
  values: ReadonlyMap<string, Float32Array>,
  metadata: Readonly<Record<string, string>> = {},
): Model {
  const initializers = model.initializers.map((tensor): Initializer => {
    const data = values.get(tensor.name);
    return data ? { ...tensor, data } : tensor;
  });
  const nodes = withoutDropout(model).map(judging);
  const used = new Set([
    ...nodes.flatMap((node) => node.inputs),
    ...model.outputs.map(({ name }) => name),
  ]);
  return {
    ...model,
    metadata: { ...model.metadata, ...metadata },
    nodes,
    initializers: initializers.filter(({ name }) => used.has(name)),
  };
}

/** A batch normalisation by its running averages. */
function judging(node: Node): Node {
  if (node.operator !== "BatchNormalization" || node.domain) return node;
  const { training_mode: _, ...attributes } = node.attributes;
  return { ...node, attributes, outputs: node.outputs.slice(0, 1) };
}

/** Readers of a dropout's output read its input. One that makes an output of the model becomes Identity. */
function withoutDropout(model: Model): Node[] {
  const stands = new Map<string, string>();
  const outputs = new Set(model.outputs.map(({ name }) => name));
  const nodes: Node[] = [];
  for (const node of model.nodes) {
    const inputs = node.inputs.map((name) => stands.get(name) ?? name);
    const [output = "", mask = ""] = node.outputs;
    if (node.operator !== "Dropout" || node.domain || mask !== "") nodes.push({ ...node, inputs });
    else if (outputs.has(output))
      nodes.push({ ...node, operator: "Identity", inputs: inputs.slice(0, 1), attributes: {} });
    else stands.set(output, inputs[0] as string);
  }
  return nodes;
}
