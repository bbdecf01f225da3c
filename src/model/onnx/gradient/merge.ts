/**
 * Adding up the gradients that meet at one value. Where weights are used many times (every step of an LSTM), the
 * sum of products A1^T B1 + A2^T B2 + ... is one product of the stacked matrices: one call that adds in registers
 * instead of many that each write a matrix to be added. Sums over rows (of biases) stack the same way.
 */
import type { GraphBuilder } from "../builder.ts";
import { floatAttribute, intAttribute, type Node } from "../graph.ts";

/** Stacking copies its matrices once; below this many it saves nothing. */
const FEWEST = 4;

/** The sum of `parts`, which have one shape. */
export function sumOf(graph: GraphBuilder, parts: readonly string[]): string {
  const merged = parts.length < FEWEST ? parts : mergeAlike(graph, parts);
  return merged.reduce((sum, part) => graph.emit("Add", [sum, part]));
}

function mergeAlike(graph: GraphBuilder, parts: readonly string[]): readonly string[] {
  const wanted = new Set(parts);
  const makers = new Map<string, Node>();
  for (const node of graph.nodes) {
    const [first = ""] = node.outputs;
    if (wanted.has(first)) makers.set(first, node);
  }
  const groups = new Map<string, Node[]>();
  const rest: string[] = [];
  for (const part of parts) {
    const node = makers.get(part);
    const form = node && formOf(graph, node);
    if (form === undefined) rest.push(part);
    else groups.set(form, [...(groups.get(form) ?? []), node as Node]);
  }
  const sums = [...groups.values()].flatMap((nodes) =>
    nodes.length < FEWEST ? nodes.map((node) => node.outputs[0] as string) : [stack(graph, nodes)],
  );
  return [...sums, ...rest];
}

/** Nodes of one form add up by stacking the rows of their inputs. */
function formOf(graph: GraphBuilder, node: Node): string | undefined {
  const { operator, inputs } = node;
  const transposed = (name: string): number => intAttribute(node, name, 0);
  if (operator === "Gemm" && inputs.length === 2 && transposed("transA") && !transposed("transB"))
    return `Gemm ${floatAttribute(node, "alpha", 1)}`;
  const [, axes = ""] = inputs;
  if (operator === "ReduceSum" && axes !== "" && graph.constantOf(axes)?.join() === "0")
    return `ReduceSum ${intAttribute(node, "keepdims", 1)} ${graph.shapeOf(inputs[0] ?? "").slice(1)}`;
  return undefined;
}

/** Parts arrive last use first; rows are stacked first use first, as other gradients stack them. */
function stack(graph: GraphBuilder, nodes: readonly Node[]): string {
  const [{ operator, inputs, attributes }] = nodes as readonly [Node];
  const rows = (index: number): string =>
    graph.emit("Concat", nodes.map((node) => node.inputs[index] ?? "").reverse(), {
      axis: { int: 0 },
    });
  const right = operator === "Gemm" ? rows(1) : (inputs[1] ?? "");
  return graph.emit(operator, [rows(0), right], attributes);
}
