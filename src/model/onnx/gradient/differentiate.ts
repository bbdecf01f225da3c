/**
 * Reverse-mode differentiation of a graph (Griewank and Walther, "Evaluating Derivatives", 2008): walks
 * the nodes backwards, asks each operator's rule for the gradients of its inputs and adds up what meets
 * at a value. Only values between the trained parameters and the loss are visited; the gradient of the
 * model's input is never computed.
 */
import { InputError, invariant } from "../../../core/errors.ts";
import type { GraphBuilder } from "../builder.ts";
import { describeNode, unsupportedError } from "../errors.ts";
import { type Node, sameShape } from "../graph.ts";
import { zerosLike } from "./rule.ts";
import { GRADIENT_RULES } from "./table.ts";

/**
 * Adds to `graph` the gradients of the scalar `loss` and answers the name of each parameter's gradient,
 * which has the parameter's shape. Errors: `InputError` for an operator without a rule and for a parameter
 * on which the loss does not depend.
 */
export function differentiate(
  graph: GraphBuilder,
  loss: string,
  parameters: readonly string[],
): Map<string, string> {
  const nodes = [...graph.nodes];
  const trained = reachedFrom(nodes, parameters);
  const gradients = new Map<string, string>();
  gradients.set(loss, graph.emit("Expand", [graph.scalar(1), graph.ints(graph.shapeOf(loss))]));
  for (const node of nodes.reverse()) {
    const upstreamOf = (index: number): string | undefined =>
      gradients.get(node.outputs[index] ?? "");
    if (!node.outputs.some((_, i) => upstreamOf(i) !== undefined)) continue;
    if (!node.inputs.some((input) => trained.has(input))) continue;
    const rule = GRADIENT_RULES[node.operator];
    if (!rule)
      throw unsupportedError(
        node,
        "the operator has no gradient rule",
        "freeze the parameters before it: what is not trained needs no gradient",
      );
    const needs = (index: number): boolean => trained.has(node.inputs[index] ?? "");
    const upstream = upstreamOf(0) ?? zerosLike(graph, node.outputs[0] as string);
    const parts = rule({ graph, node, upstream, upstreamOf, needs });
    parts.forEach((part, i) => {
      if (part !== undefined && needs(i))
        accumulate(graph, gradients, node, node.inputs[i] as string, part);
    });
  }
  return new Map(parameters.map((name) => [name, found(gradients, name)]));
}

/** Values that depend on any of the parameters. */
function reachedFrom(nodes: readonly Node[], parameters: readonly string[]): Set<string> {
  const reached = new Set(parameters);
  for (const node of nodes)
    if (node.inputs.some((input) => reached.has(input)))
      for (const output of node.outputs) reached.add(output);
  return reached;
}

function accumulate(
  graph: GraphBuilder,
  gradients: Map<string, string>,
  node: Node,
  value: string,
  part: string,
): void {
  invariant(
    sameShape(graph.shapeOf(part), graph.shapeOf(value)),
    `${describeNode(node)}: gradient [${graph.shapeOf(part)}] of ${value} [${graph.shapeOf(value)}]`,
  );
  const known = gradients.get(value);
  gradients.set(value, known === undefined ? part : graph.emit("Add", [known, part]));
}

function found(gradients: Map<string, string>, parameter: string): string {
  const gradient = gradients.get(parameter);
  if (gradient === undefined)
    throw new InputError([
      {
        code: "GRAPH_UNUSED_PARAMETER",
        message: `the loss does not depend on parameter ${parameter}`,
        fix: "freeze it or remove it",
      },
    ]);
  return gradient;
}
