/** What the tests of folds share: a node of constants, folded and as ONNX Runtime executes it. */
import type { Random } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import {
  type Attributes,
  type ElementType,
  type Initializer,
  sizeOf,
} from "../../src/model/onnx/graph.ts";
import { runtimeOutputs, type TensorValue } from "./runtime-outputs.ts";

/** The constants that the node becomes, or undefined if it stays a node. */
export function folded(
  operator: string,
  inputs: readonly (TensorValue | undefined)[],
  attributes: Attributes = {},
  outputs = 1,
): Initializer[] | undefined {
  const graph = new GraphBuilder();
  const names = inputs.map((tensor, i) => (tensor ? graph.constant(`x${i}`, tensor) : ""));
  const made = graph.emitAll(operator, names, attributes, { outputs });
  const { initializers, nodes } = graph.build("folded", made);
  if (nodes.length > 0) return undefined;
  return made.map((name) => initializers.find((tensor) => tensor.name === name) as Initializer);
}

/** What ONNX Runtime makes of the node, fed with its inputs so that it folds nothing itself. */
export function executed(
  operator: string,
  inputs: readonly (TensorValue | undefined)[],
  attributes: Attributes,
  outputs: readonly Initializer[],
): Promise<TensorValue[]> {
  const fed = inputs.flatMap((tensor, i) => (tensor ? [{ name: `x${i}`, ...tensor }] : []));
  const node = {
    name: "node",
    operator,
    attributes,
    inputs: inputs.map((tensor, i) => (tensor ? `x${i}` : "")),
    outputs: outputs.map((_, i) => `y${i}`),
  };
  const values = outputs.map(({ type, shape }, i) => ({ name: `y${i}`, type, shape }));
  const graph = { name: "g", nodes: [node], inputs: fed, outputs: values, initializers: [] };
  return runtimeOutputs(graph, Object.fromEntries(fed.map((tensor) => [tensor.name, tensor])));
}

/** Elements in a form that compares bits of numbers, except that 0 is -0. */
export const plain = ({ type, shape, data }: TensorValue) => ({
  type,
  shape: [...shape],
  data: Array.from(data as Float32Array, (value) =>
    typeof value === "bigint" ? value : value + 0,
  ),
});

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  bool: Uint8Array,
} as const;

export const tensor = (
  type: ElementType,
  shape: readonly number[],
  values: readonly number[],
): TensorValue => ({
  type,
  shape,
  data: type === "int64" ? BigInt64Array.from(values, BigInt) : ARRAYS[type].from(values),
});
export const ints = (...values: readonly number[]): TensorValue =>
  tensor("int64", [values.length], values);

/** Whole numbers in [low, high] for integers, fractions between them for floats. */
export function some(
  random: Random,
  type: ElementType,
  shape: readonly number[],
  low = -4,
  high = 4,
) {
  const [from, to] = type === "bool" ? [0, 1] : type === "uint8" ? [0, 9] : [low, high];
  const values = Array.from({ length: sizeOf(shape) }, () => {
    const value = from + (to - from) * random.next();
    return type.startsWith("float") ? value : Math.round(value);
  });
  return tensor(type, shape, values);
}
