/**
 * Gradient of Einsum: of one operand, the same product with the upstream gradient in its place. Letters of
 * which the rest knows nothing were summed over alone, so their gradient is spread.
 */
import { equationOf, letterSizes } from "../shape/einsum.ts";
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
  const sizes = letterSizes(
    terms,
    names.map((name) => graph.shapeOf(name)),
  );
  // An axis of 1 that was broadcast is left out too: the product then sums over it.
  const known = [...own].map((letter, axis) => sizes?.get(letter) === shape[axis]);
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
