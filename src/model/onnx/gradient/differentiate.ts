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
import { sumOf } from "./merge.ts";
import { zeros } from "./rule.ts";
import { GRADIENT_RULES } from "./table.ts";

/**
 * Adds to `graph` the gradients of the scalar `loss` and answers the name of each parameter's gradient,
 * which has the parameter's shape. Errors: `InputError` for an operator without a rule and for a parameter
 * on which the loss does not depend, or only through operators that pass no gradient (Round).
 */
export function differentiate(
  graph: GraphBuilder,
  loss: string,
  parameters: readonly string[],
): Map<string, string> {
  const nodes = [...graph.nodes];
  const trained = reachedFrom(nodes, parameters);
  const gradients = new Gradients(graph);
  const stops: Node[] = [];
  gradients.add(loss, graph.emit("Expand", [graph.scalar(1), graph.ints(graph.shapeOf(loss))]));
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
    const upstream = upstreamOf(0) ?? zeros(graph, graph.shapeOf(node.outputs[0] as string));
    const parts = rule({ graph, node, upstream, upstreamOf, needs });
    node.inputs.forEach((input, i) => {
      const part = parts[i];
      if (part !== undefined && needs(i)) accumulate(graph, gradients, node, input, part);
    });
    if (!node.inputs.some((_, i) => parts[i] !== undefined && needs(i))) stops.push(node);
  }
  return new Map(
    parameters.map((name) => {
      const gradient = gradients.get(name);
      if (gradient === undefined) throw unused(name, stops, reachedFrom(nodes.reverse(), [name]));
      return [name, gradient];
    }),
  );
}

/** Values that depend on any of the parameters. */
function reachedFrom(nodes: readonly Node[], parameters: readonly string[]): Set<string> {
  const reached = new Set(parameters);
  for (const node of nodes)
    if (node.inputs.some((input) => reached.has(input)))
      for (const output of node.outputs) reached.add(output);
  return reached;
}

/** What has met at each value so far; added up when it is asked for. */
class Gradients {
  readonly #graph: GraphBuilder;
  readonly #parts = new Map<string, string[]>();

  constructor(graph: GraphBuilder) {
    this.#graph = graph;
  }

  add(value: string, part: string): void {
    const parts = this.#parts.get(value);
    if (parts) parts.push(part);
    else this.#parts.set(value, [part]);
  }

  get(value: string): string | undefined {
    const parts = this.#parts.get(value);
    if (!parts) return undefined;
    const sum = sumOf(this.#graph, parts);
    this.#parts.set(value, [sum]);
    return sum;
  }
}

function accumulate(
  graph: GraphBuilder,
  gradients: Gradients,
  node: Node,
  value: string,
  part: string,
): void {
  invariant(
    sameShape(graph.shapeOf(part), graph.shapeOf(value)),
    `${describeNode(node)}: gradient [${graph.shapeOf(part)}] of ${value} [${graph.shapeOf(value)}]`,
  );
  gradients.add(value, part);
}

function unused(
  parameter: string,
  stops: readonly Node[],
  reached: ReadonlySet<string>,
): InputError {
  const stop = stops.find((node) => node.inputs.some((input) => reached.has(input)));
  const how = stop
    ? `depends on parameter ${parameter} only through what no gradient passes: ${describeNode(stop)}`
    : `does not depend on parameter ${parameter}`;
  return new InputError([
    {
      code: "GRAPH_UNUSED_PARAMETER",
      message: `the loss ${how}`,
      fix: "freeze it or remove it",
    },
  ]);
}
