/** Nodes in topological order: each after the nodes whose outputs it reads. */
import type { Decoded } from "./decode.ts";
import type { Complain } from "./malformed.ts";

type Node = Decoded<"Node">;

/**
 * The nodes in the file's order where that is topological, else sorted. `given` are the names that need no
 * node. Errors (ONNX_GRAPH): a value made twice, a value that nothing makes, a cycle.
 */
export function orderNodes(
  nodes: readonly Node[],
  given: ReadonlySet<string>,
  complain: Complain,
): readonly Node[] {
  const makers = makersOf(nodes, given, complain);
  const fail = (node: Node, message: string) =>
    complain("ONNX_GRAPH", `${nameOf(node)} ${message}`, node.start);
  const ordered: Node[] = [];
  const state = new Uint8Array(nodes.length);
  for (let first = 0; first < nodes.length; first++) {
    if (state[first] !== NEW) continue;
    state[first] = OPEN;
    const stack = [{ index: first, input: 0 }];
    for (let top = stack[0]; top; top = stack.at(-1)) {
      const node = nodes[top.index] as Node;
      const name = node.input[top.input++];
      if (name === undefined) {
        state[top.index] = DONE;
        ordered.push(node);
        stack.pop();
      } else if (name !== "" && !given.has(name)) {
        const index = makers.get(name);
        if (index === undefined) throw fail(node, `reads ${name}, which nothing makes`);
        if (state[index] === OPEN) throw fail(node, `reads ${name}, which depends on the node`);
        if (state[index] === NEW) {
          state[index] = OPEN;
          stack.push({ index, input: 0 });
        }
      }
    }
  }
  return ordered;
}

const NEW = 0;
const OPEN = 1;
const DONE = 2;

export const nameOf = (node: Node): string =>
  `node ${node.name || node.output[0] || "without a name"} (${node.opType})`;

function makersOf(
  nodes: readonly Node[],
  given: ReadonlySet<string>,
  complain: Complain,
): ReadonlyMap<string, number> {
  const makers = new Map<string, number>();
  nodes.forEach((node, index) => {
    for (const name of node.output) {
      if (name === "") continue;
      if (makers.has(name) || given.has(name))
        throw complain("ONNX_GRAPH", `${nameOf(node)} makes ${name} again`, node.start);
      makers.set(name, index);
    }
  });
  return makers;
}
