/**
 * Writes out calls of a file's own functions (FunctionProto, as exporters make them of modules): the body
 * takes the call's place, its names made fresh, references to attributes replaced by the call's or by their
 * defaults. How much may come of it is bounded, because functions that call functions can grow without end.
 */
import type { Decoded } from "./decode.ts";
import type { Complain } from "./malformed.ts";
import { nameOf } from "./order.ts";
import { OPAQUE_ATTRIBUTES } from "./schema.ts";

type Node = Decoded<"Node">;
type LocalFunction = Decoded<"Function">;
type Attribute = Decoded<"Attribute">;

export interface InlineOptions {
  readonly functions: readonly LocalFunction[];
  /** Version of the default domain in the model. */
  readonly opset: number;
  /** Names that are not to be used again. */
  readonly names: Iterable<string>;
  readonly complain: Complain;
}

/** ONNX's own operators have a domain of two spellings. */
export const standardDomain = (domain = ""): string => (domain === "ai.onnx" ? "" : domain);

const MAX_DEPTH = 32;
/** Nodes, names and attributes written out, all together. */
const MAX_PARTS = 1_000_000;
const STEM = 80;

/** The nodes without calls of `functions`. Errors: ONNX_GRAPH, ONNX_OPSET. */
export function inlineFunctions(nodes: readonly Node[], options: InlineOptions): readonly Node[] {
  return options.functions.length === 0 ? nodes : new Inliner(options).expand(nodes);
}

const keyOf = (domain: string | undefined, name = "", overload = ""): string =>
  JSON.stringify([standardDomain(domain), name, overload]);

class Inliner {
  readonly #functions = new Map<string, LocalFunction>();
  readonly #opset: number;
  readonly #taken: Set<string>;
  readonly #complain: Complain;
  #counter = 0;
  #parts = 0;

  constructor({ functions, opset, names, complain }: InlineOptions) {
    this.#opset = opset;
    this.#taken = new Set(names);
    this.#complain = complain;
    for (const one of functions) {
      const key = keyOf(one.domain, one.name, one.overload);
      if (this.#functions.has(key))
        throw complain("ONNX_GRAPH", `two functions ${one.name}`, one.start);
      this.#functions.set(key, one);
    }
  }

  expand(nodes: readonly Node[]): readonly Node[] {
    const written: Node[] = [];
    this.#expand(nodes, written, 0);
    return written;
  }

  #expand(nodes: readonly Node[], written: Node[], depth: number): void {
    for (const node of nodes) {
      const called = this.#functions.get(keyOf(node.domain, node.opType, node.overload));
      if (!called) written.push(node);
      else if (depth === MAX_DEPTH)
        throw this.#wrong(node, `calls functions more than ${MAX_DEPTH} deep`);
      else this.#expand(this.#body(called, node), written, depth + 1);
    }
  }

  #body(called: LocalFunction, call: Node): readonly Node[] {
    const version = called.opsetImport.find((set) => standardDomain(set.domain) === "")?.version;
    if (version !== undefined && version !== this.#opset)
      throw this.#complain(
        "ONNX_OPSET",
        `function ${called.name} is of operator set ${version}, the model of ${this.#opset}`,
        called.start,
        "inline it with onnx.inliner, or export with one operator set",
      );
    if (call.input.length > called.input.length || call.output.length > called.output.length)
      throw this.#wrong(call, `has more inputs or outputs than its function`);
    this.#count(call, called.input.length + called.output.length);
    const stem = (call.name || call.output[0] || called.name || "").slice(0, STEM);
    const names = new Map<string, string>([["", ""]]);
    called.input.forEach((name, i) => {
      names.set(name, call.input[i] ?? "");
    });
    called.output.forEach((name, i) => {
      if (call.output[i]) names.set(name, call.output[i]);
    });
    const renamed = (name: string): string => {
      let known = names.get(name);
      if (known === undefined)
        names.set(name, (known = this.#fresh(`${stem}/${name.slice(0, STEM)}`)));
      return known;
    };
    const given = new Map<string | undefined, Attribute>();
    for (const attribute of [...called.attributeProto, ...call.attribute])
      given.set(attribute.name, attribute);
    return called.node.map((node) => {
      this.#count(call, 1 + node.input.length + node.output.length + node.attribute.length);
      return {
        ...node,
        name: node.name ? `${stem}/${node.name.slice(0, STEM)}` : "",
        input: node.input.map(renamed),
        output: node.output.map(renamed),
        attribute: this.#attributes(node, given),
      };
    });
  }

  #attributes(node: Node, given: ReadonlyMap<string | undefined, Attribute>): readonly Attribute[] {
    return node.attribute.flatMap((attribute) => {
      if (OPAQUE_ATTRIBUTES[attribute.type ?? 0])
        throw this.#wrong(
          node,
          `stands in a function and holds ${OPAQUE_ATTRIBUTES[attribute.type ?? 0]}`,
        );
      if (!attribute.refAttrName) return [attribute];
      const value = given.get(attribute.refAttrName);
      return value ? [{ ...value, name: attribute.name }] : [];
    });
  }

  #fresh(stem: string): string {
    let name = stem;
    while (this.#taken.has(name)) name = `${stem}_${this.#counter++}`;
    this.#taken.add(name);
    return name;
  }

  #count(call: Node, parts: number): void {
    this.#parts += parts;
    if (this.#parts > MAX_PARTS) throw this.#wrong(call, "calls functions that grow too large");
  }

  #wrong(node: Node, message: string) {
    return this.#complain("ONNX_GRAPH", `${nameOf(node)} ${message}`, node.start);
  }
}
