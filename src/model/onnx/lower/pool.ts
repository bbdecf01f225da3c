/**
 * MaxPool behind Relu changes places with it: the maximum of what Relu leaves is what Relu leaves of the maximum, and
 * the gradients are the same (where the maximum is not positive, both are zero), but Relu and its gradient then see a
 * fraction of the elements. A Relu that something else reads stays where it is, too.
 */
import { inputAt, type Lowering } from "./rule.ts";

const maxPool: Lowering = (at) => {
  const { graph, node } = at;
  if (node.outputs.length > 1) return undefined;
  const relu = graph.nodes.findLast(({ outputs }) => outputs[0] === inputAt(at, 0));
  if (relu?.operator !== "Relu") return undefined;
  const pooled = graph.emit("MaxPool", relu.inputs, node.attributes);
  return [graph.emit("Relu", [pooled], {}, node.name)];
};

export const poolLowerings = { MaxPool: maxPool } satisfies Record<string, Lowering>;
