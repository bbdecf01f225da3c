/** CastLike (https://onnx.ai/onnx/operators/onnx__CastLike.html): a Cast, since all types are known. */
import { ELEMENT_TYPES } from "../graph.ts";
import { inputAt, type Lowering } from "./rule.ts";

const castLike: Lowering = (at) => {
  const { graph, node } = at;
  const { type } = graph.typeOf(inputAt(at, 1));
  if (graph.typeOf(inputAt(at, 0)).type === type) return [inputAt(at, 0)];
  const to = { int: ELEMENT_TYPES[type] };
  return [graph.emit("Cast", [inputAt(at, 0)], { to }, node.name)];
};

export const castLowerings = { CastLike: castLike } satisfies Record<string, Lowering>;
