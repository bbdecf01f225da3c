/**
 * Where a small network keeps what classes and hidden units are made of: its last layer, a row of weights for each class,
 * and the layer before it, a row for each hidden unit. Units can be moved between models where these two layers are all
 * that is trained: a unit is then a function of the features alone, whatever its number.
 */
import type { InputError } from "../../core/errors.ts";
import type { Layout, TensorSpec } from "../layout.ts";
import { modelError } from "../model-error.ts";
import type { Node } from "../onnx/graph.ts";
import type { Trainable } from "../trainable.ts";

/** A dense layer: y = x W' + b. */
export interface DenseTensors {
  /** [out, in] */
  readonly weight: TensorSpec;
  /** [out] */
  readonly bias: TensorSpec | undefined;
}

export interface GraphParts {
  /** The value that the loss reads: [batch, classes]. */
  readonly output: string;
  /** What the last layer reads: [batch, units]. */
  readonly hidden: string;
  readonly last: DenseTensors;
  /** Of the units; absent where the last layer is the only one. */
  readonly before: DenseTensors | undefined;
}

const ELEMENTWISE = /^(Relu|LeakyRelu|Elu|Gelu|Sigmoid|Tanh|Softplus)$/;
const RESHAPING = /^(Reshape|Flatten|Identity)$/;

/** Errors: `InputError` MODEL_PORTIONS where the model is not of this form. */
export function partsOf({ model, objectives }: Trainable, layout: Layout): GraphParts {
  const output = objectives[0]?.terms[0]?.output ?? "";
  const maker = (value: string | undefined): Node | undefined =>
    model.nodes.find((node) => node.outputs.includes(value ?? ""));
  const dense = (node: Node | undefined): DenseTensors | undefined => {
    if (node?.operator !== "Gemm") return undefined;
    const { transB, transA, alpha, beta } = node.attributes;
    const plain = [transA, alpha, beta].every((attribute) => attribute === undefined);
    if (!plain || !transB || !("int" in transB) || transB.int !== 1) return undefined;
    const tensor = (name: string | undefined) => layout.tensors.find((each) => each.name === name);
    const weight = tensor(node.inputs[1]);
    return weight && { weight, bias: tensor(node.inputs[2]) };
  };
  const end = maker(output);
  const last = dense(end);
  const hidden = end?.inputs[0];
  if (!last || hidden === undefined) throw unfit("its last layer is not dense");
  let value: string | undefined = hidden;
  for (let node = maker(value); node && ELEMENTWISE.test(node.operator); node = maker(value))
    value = node.inputs[0];
  const middle = maker(value);
  const before = dense(middle);
  if (before) value = middle?.inputs[0];
  for (let node = maker(value); node && RESHAPING.test(node.operator); node = maker(value))
    value = node.inputs[0];
  const known = [last, before].flatMap((layer) => [layer?.weight, layer?.bias]).filter(Boolean);
  if (maker(value) || known.length !== layout.tensors.length)
    throw unfit("more than a hidden dense layer and a last one is trained");
  return { output, hidden, last, before };
}

const unfit = (why: string): InputError =>
  modelError("MODEL_PORTIONS", ["layers"], `hidden units cannot be handed over: ${why}`, {
    fix: "layers [flatten, { dense: units }, relu, { dense: classes }], or transfer: boost",
  });
