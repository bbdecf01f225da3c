/** What is wrong with a graph, said with the node's name, its operator and the shapes involved. */
import { InputError } from "../../core/errors.ts";
import type { Node, TensorType } from "./graph.ts";

export const describeType = (type: TensorType | undefined): string =>
  type ? `${type.type}[${type.shape.join(",")}]` : "(left out)";

export const describeNode = (node: Node): string => `node ${node.name} (${node.operator})`;

/** `node conv1 (Conv): channels differ; inputs: float32[8,1,28,28], float32[4,3,5,5]` */
export const shapeError = (
  node: Node,
  inputs: readonly (TensorType | undefined)[],
  message: string,
  fix?: string,
): InputError =>
  new InputError([
    {
      code: "GRAPH_SHAPE",
      message: `${describeNode(node)}: ${message}; inputs: ${inputs.map(describeType).join(", ")}`,
      fix,
    },
  ]);

export const unsupportedError = (node: Node, message: string, fix?: string): InputError =>
  new InputError([
    { code: "GRAPH_UNSUPPORTED", message: `${describeNode(node)}: ${message}`, fix },
  ]);
