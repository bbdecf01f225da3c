/**
 * Builds a graph node by node and knows the type of every value at once: a node that does not fit fails
 * where it is added. Models, losses and gradient rules all speak to this one class.
 */
import { invariant } from "../../core/errors.ts";
import { shapeError, unsupportedError } from "./errors.ts";
import { type Constant, FOLD_LIMIT } from "./fold/rule.ts";
import { FOLDS } from "./fold/table.ts";
import {
  type Attributes,
  type Graph,
  type Initializer,
  type Node,
  numbersOf,
  sizeOf,
  type TensorType,
  type Value,
} from "./graph.ts";
import { SHAPE_RULES } from "./shape/table.ts";

export interface EmitOptions {
  /** Name of the node and stem of its outputs' names; made from the operator if absent. */
  readonly name?: string | undefined;
  /** How many of the operator's outputs are wanted. */
  readonly outputs?: number | undefined;
}

export class GraphBuilder {
  readonly #nodes: Node[] = [];
  readonly #inputs: Value[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #types = new Map<string, TensorType>();
  readonly #constants = new Map<string, string>();
  #counter = 0;

  /** The nodes so far, in topological order. */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /** Declares an input of the graph; answers its name. */
  input(name: string, type: TensorType): string {
    this.#declare(name, type);
    this.#inputs.push({ name, type: type.type, shape: type.shape });
    return name;
  }

  /** A float32 constant of rank 0. Equal constants are stored once. */
  scalar(value: number): string {
    return this.#constant(`scalar/${value}`, {
      type: "float32",
      shape: [],
      data: Float32Array.of(value),
    });
  }

  /** An int64 vector: axes, shapes. */
  ints(values: readonly number[]): string {
    return this.#constant(`ints/${values.join(",")}`, {
      type: "int64",
      shape: [values.length],
      data: BigInt64Array.from(values, BigInt),
    });
  }

  /** A constant of any type and shape under its own name; its data are not copied. */
  constant(name: string, tensor: Constant): string {
    this.#declare(name, tensor);
    this.#initializers.set(name, { name, ...tensor });
    return name;
  }

  /** A name that no value has yet: `stem`, or `stem` with a number. */
  freshName(stem: string): string {
    let name = stem;
    while (this.#types.has(name)) name = `${stem}_${this.#counter++}`;
    return name;
  }

  /**
   * Adds a node and answers the names of its outputs; what can be computed now becomes constants instead.
   * Errors: `InputError` that names node and shapes. */
  emitAll(
    operator: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    options: EmitOptions = {},
  ): readonly string[] {
    const name = options.name ?? this.freshName(`${operator}_${this.#counter++}`);
    const count = options.outputs ?? 1;
    const outputs = Array.from({ length: count }, (_, i) => (i === 0 ? name : `${name}:${i}`));
    const node: Node = { name, operator, inputs, outputs, attributes };
    if (this.#folded(node)) return outputs;
    const types = this.#infer(node);
    outputs.forEach((output, i) => {
      const type = types[i];
      invariant(type, `${operator} has no output ${i}`);
      this.#declare(output, type);
    });
    this.#nodes.push(node);
    return outputs;
  }

  /** Adds a node with one output and answers its name. */
  emit(
    operator: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    name?: string,
  ): string {
    return this.emitAll(operator, inputs, attributes, { name })[0] as string;
  }

  /** Asks a node that is already there for one more output (MaxPool's indices); answers its name. */
  extraOutput(node: Node, index: number): string {
    const place = this.#nodes.findIndex((other) => other.name === node.name);
    const current = this.#nodes[place];
    invariant(current, `${node.name} is not in this graph`);
    const known = current.outputs[index];
    if (known !== undefined) return known;
    invariant(current.outputs.length === index, `${node.name}: outputs are asked for in order`);
    const type = this.#infer(current)[index];
    invariant(type, `${current.operator} has no output ${index}`);
    const output = `${node.name}:${index}`;
    this.#declare(output, type);
    this.#nodes[place] = { ...current, outputs: [...current.outputs, output] };
    return output;
  }

  has(name: string): boolean {
    return this.#types.has(name);
  }

  typeOf(name: string): TensorType {
    const type = this.#types.get(name);
    invariant(type, `no value named ${name}`);
    return type;
  }

  shapeOf(name: string): readonly number[] {
    return this.typeOf(name).shape;
  }

  /** The elements of a constant, row by row. */
  constantOf(name: string): readonly number[] | undefined {
    const tensor = this.#initializers.get(name);
    return tensor && numbersOf(tensor);
  }

  /** The graph with these outputs; nodes and inputs on which no output depends are left out. */
  build(name: string, outputs: readonly string[]): Graph {
    const needed = new Set(outputs);
    const nodes: Node[] = [];
    for (let i = this.#nodes.length - 1; i >= 0; i--) {
      const node = this.#nodes[i] as Node;
      if (!node.outputs.some((output) => needed.has(output))) continue;
      nodes.push(node);
      for (const input of node.inputs) needed.add(input);
    }
    return {
      name,
      nodes: nodes.reverse(),
      inputs: this.#inputs.filter((input) => needed.has(input.name)),
      outputs: outputs.map((output) => ({ name: output, ...this.typeOf(output) })),
      initializers: [...this.#initializers.values()].filter((tensor) => needed.has(tensor.name)),
    };
  }

  #constant(key: string, tensor: Omit<Initializer, "name">): string {
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.freshName(`constant_${this.#constants.size}`);
    this.#constants.set(key, name);
    this.#declare(name, tensor);
    this.#initializers.set(name, { name, ...tensor });
    return name;
  }

  #declare(name: string, type: TensorType): void {
    invariant(!this.#types.has(name), `value ${name} is defined twice`);
    this.#types.set(name, { type: type.type, shape: type.shape });
  }

  #folded(node: Node): boolean {
    const fold = FOLDS[node.operator];
    if (!fold) return false;
    const values = node.inputs.map((name) => {
      const tensor = this.#initializers.get(name);
      return tensor && sizeOf(tensor.shape) <= FOLD_LIMIT ? tensor : undefined;
    });
    const types = node.inputs.map((name) => (name === "" ? undefined : this.typeOf(name)));
    const constants = fold({ node, types, values });
    if (!constants) return false;
    node.outputs.forEach((output, i) => {
      const constant = constants[i];
      invariant(constant, `${node.operator} folds into ${constants.length} outputs`);
      this.constant(output, constant);
    });
    return true;
  }

  #infer(node: Node): readonly TensorType[] {
    const rule = SHAPE_RULES[node.operator];
    if (!rule) throw unsupportedError(node, "the operator is not supported");
    const inputs = node.inputs.map((name) => (name === "" ? undefined : this.typeOf(name)));
    return rule({
      node,
      inputs,
      constant: (index) => {
        const name = node.inputs[index];
        if (name === undefined || name === "") return undefined;
        const values = this.constantOf(name);
        if (!values)
          throw shapeError(
            node,
            inputs,
            `input ${index} (${name}) must be a constant, but is computed from what the model is fed`,
            "export the model with static shapes; only the batch may have a name",
          );
        return values;
      },
    });
  }
}
