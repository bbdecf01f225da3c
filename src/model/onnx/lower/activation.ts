/** Activations that are written out, because our operator set is older than they are. */
import { floatAttribute } from "../graph.ts";
import { inputAt, type Lowering } from "./rule.ts";

/** x sigmoid(alpha x) (opset 24). */
const swish: Lowering = (at) => {
  const { graph, node } = at;
  const x = inputAt(at, 0);
  const alpha = floatAttribute(node, "alpha", 1);
  const scaled = alpha === 1 ? x : graph.emit("Mul", [x, graph.scalar(alpha)]);
  return [graph.emit("Mul", [x, graph.emit("Sigmoid", [scaled])], {}, node.name)];
};

export const activationLowerings = { Swish: swish } satisfies Record<string, Lowering>;
