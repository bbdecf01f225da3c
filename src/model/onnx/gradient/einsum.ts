/**
 * Gradient of Einsum: of one operand, the same product with the upstream gradient in its place. Letters of
 * which the rest knows nothing were summed over alone, so their gradient is spread.
 */
import { equationOf } from "../shape/einsum.ts";
import { type GradientContext, type GradientRule, reshape } from "./rule.ts";

export const einsum: GradientRule = (at) =>
  at.node.inputs.map((_, i) => (at.needs(i) ? operand(at, i) : undefined));

function operand(at: GradientContext, index: number): string {
  const { graph, node } = at;
  const { operands, output } = equationOf(node);
  const own = operands[index] ?? "";
  const shape = graph.shapeOf(node.inputs[index] as string);
  const names = [at.upstream, ...node.inputs.filter((_, i) => i !== index)];
  const terms = [output, ...operands.filter((_, i) => i !== index)];
  const known = [...own].map((letter) => terms.some((term) => term.includes(letter)));
  const target = [...own].filter((_, axis) => known[axis]).join("");
  const product = graph.emit("Einsum", names, {
    equation: { string: `${terms.join()}->${target}` },
  });
  const kept = reshape(
    graph,
    product,
    shape.map((size, axis) => (known[axis] ? size : 1)),
  );
  const complete = known.every((is, axis) => is || shape[axis] === 1);
  return complete ? kept : graph.emit("Expand", [kept, graph.ints(shape)]);
}
