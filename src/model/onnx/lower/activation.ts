/**
 * Activations that are written out: Swish, because our operator set is older; Mish, because ONNX Runtime
 * takes it apart itself, into a Softplus that costs ten times what follows here.
 */
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

/** e^20 squared is so large that beyond it x tanh(log(1 + e^x)) = x in float32. */
const MISH_LIMIT = 20;

/** x tanh(log(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2). */
const mish: Lowering = (at) => {
  const { graph, node } = at;
  const x = inputAt(at, 0);
  const exp = graph.emit("Exp", [graph.emit("Min", [x, graph.scalar(MISH_LIMIT)])]);
  const two = graph.scalar(2);
  const n = graph.emit("Mul", [exp, graph.emit("Add", [exp, two])]);
  const share = graph.emit("Div", [n, graph.emit("Add", [n, two])]);
  return [graph.emit("Mul", [x, share], {}, node.name)];
};

export const activationLowerings = { Mish: mish, Swish: swish } satisfies Record<string, Lowering>;
