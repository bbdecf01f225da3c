/**
 * Builds a model layer by layer: the same `Model` that a file gives, with a symbolic batch size, weights
 * without values and, beside it, how each trained tensor starts. Names and layouts are PyTorch's
 * (dense: [out, in], conv: [out, in, height, width]), so that exported files read as usual.
 */
import { invariant } from "../../core/errors.ts";
import type { Start } from "../initialise.ts";
import type { LayerSpec } from "../layer-spec.ts";
import type { Attributes, ElementType, Initializer, Node } from "../onnx/graph.ts";
import { sizeOf } from "../onnx/graph.ts";
import type { Dimension, Model, ModelValue } from "../onnx/model.ts";
import { OPSET } from "../onnx/proto/write.ts";
import { applyLayers } from "./apply.ts";

export type { Start };

export interface BuiltModel {
  readonly model: Model;
  /** How each trained tensor starts, in the order of the layout. Its initializer holds zeros. */
  readonly starts: ReadonlyMap<string, Start>;
}

/** What a node answers. */
export interface Result {
  /** Name of the node and of its first output. */
  readonly name: string;
  readonly shape: readonly Dimension[];
  /** Absent: the type of the first input. */
  readonly type?: ElementType;
}

/** Weights get zeros when the model is built, all from one array. */
const NO_VALUES = new Float32Array(0);

const IR_VERSION = 10;

export class ModelBuilder {
  readonly #nodes: Node[] = [];
  readonly #inputs: ModelValue[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #starts = new Map<string, Start>();
  readonly #names = new Set<string>();
  readonly #counts = new Map<string, number>();

  /** Declares an input. Sizes may be names: ["batch", 1, 28, 28]. */
  input(name: string, shape: readonly Dimension[], type: ElementType = "float32"): ModelValue {
    const value: ModelValue = { name: this.#claim(name), type, shape };
    this.#inputs.push(value);
    return value;
  }

  /** A trained float32 tensor. */
  weight(name: string, shape: readonly number[], start: Start): ModelValue {
    this.#starts.set(name, start);
    return this.tensor(name, shape, NO_VALUES);
  }

  /** A tensor that is not trained: a constant, or state that the model itself keeps. */
  tensor(name: string, shape: readonly number[], data: Float32Array | BigInt64Array): ModelValue {
    const type = data instanceof Float32Array ? "float32" : "int64";
    this.#initializers.set(this.#claim(name), { name, type, shape, data });
    return { name, type, shape };
  }

  /** A float32 constant of rank 0. Equal constants are stored once. */
  scalar(value: number): ModelValue {
    return this.#shared(`scalar_${value}`, [], Float32Array.of(value));
  }

  /** An int64 vector: axes, shapes. Equal constants are stored once. */
  ints(values: readonly number[]): ModelValue {
    const data = BigInt64Array.from(values, BigInt);
    return this.#shared(`ints_${values.join("_")}`, [values.length], data);
  }

  /** The same elements under other sizes; -1 stands for the batch. */
  reshape(value: ModelValue, sizes: readonly number[], result: Result): ModelValue {
    return this.node("Reshape", [value, this.ints(sizes)], {}, result);
  }

  /** Axis i of the answer is axis order[i] of the value. */
  transpose(value: ModelValue, order: readonly number[], name: string): ModelValue {
    const shape = order.map((axis) => value.shape[axis] ?? "");
    return this.node("Transpose", [value], { perm: { ints: order } }, { name, shape });
  }

  /** The sum of two values whose shapes are equal or broadcast to the first's. */
  add(a: ModelValue, b: ModelValue): ModelValue {
    return this.node("Add", [a, b], {}, { name: this.layerName("add"), shape: a.shape });
  }

  /** Values side by side along an axis (1: features or channels). */
  concat(values: readonly ModelValue[], axis = 1): ModelValue {
    const [first] = values;
    invariant(first, "nothing to concatenate");
    const sizes = values.map(({ shape }) => Number(shape[axis]));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const shape = first.shape.map((size, i) => (i === axis ? total : size));
    const name = this.layerName("concat");
    return this.node("Concat", values, { axis: { int: axis } }, { name, shape });
  }

  /** Adds a node with one output. Whether shapes fit is the caller's to know; `bindModel` proves it. */
  node(
    operator: string,
    inputs: readonly ModelValue[],
    attributes: Attributes,
    result: Result,
  ): ModelValue {
    return this.nodes(operator, inputs, attributes, [result])[0] as ModelValue;
  }

  /** Adds a node with several outputs, those without a name left out; it is called as the first that is there. */
  nodes(
    operator: string,
    inputs: readonly (ModelValue | undefined)[],
    attributes: Attributes,
    results: readonly Result[],
  ): readonly ModelValue[] {
    const outputs = results.map(({ name, shape, type }) => ({
      name: name === "" ? "" : this.#claim(name),
      shape,
      type: type ?? inputs[0]?.type ?? "float32",
    }));
    this.#nodes.push({
      name: outputs.find(({ name }) => name !== "")?.name ?? "",
      operator,
      inputs: inputs.map((input) => input?.name ?? ""),
      outputs: outputs.map((output) => output.name),
      attributes,
    });
    return outputs;
  }

  /** The next layer of a kind: dense1, dense2. */
  layerName(kind: string): string {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    return `${kind}${count}`;
  }

  /** Puts layers one after another on a value. Errors: `InputError` MODEL_SHAPE with the layer's place. */
  apply(
    input: ModelValue,
    layers: readonly LayerSpec[],
    options: { readonly vocabulary?: number } = {},
  ): ModelValue {
    return applyLayers(this, input, layers, options.vocabulary);
  }

  /** The model with these outputs. */
  build(outputs: readonly ModelValue[], name = "model"): BuiltModel {
    const model: Model = {
      name,
      irVersion: IR_VERSION,
      opset: OPSET,
      domains: {},
      producer: "pangaea",
      documentation: "",
      metadata: {},
      nodes: [...this.#nodes],
      inputs: [...this.#inputs],
      outputs,
      initializers: this.#withZeros(),
    };
    return { model, starts: new Map(this.#starts) };
  }

  #withZeros(): Initializer[] {
    const tensors = [...this.#initializers.values()];
    const sizes = tensors.map(({ name, shape }) => (this.#starts.has(name) ? sizeOf(shape) : 0));
    const zeros = new Float32Array(Math.max(0, ...sizes));
    return tensors.map((tensor, i) =>
      this.#starts.has(tensor.name) ? { ...tensor, data: zeros.subarray(0, sizes[i]) } : tensor,
    );
  }

  #shared(name: string, shape: readonly number[], data: Float32Array | BigInt64Array): ModelValue {
    const known = this.#initializers.get(name);
    return known ?? this.tensor(name, shape, data);
  }

  #claim(name: string): string {
    invariant(!this.#names.has(name), `value ${name} is defined twice`);
    this.#names.add(name);
    return name;
  }
}
