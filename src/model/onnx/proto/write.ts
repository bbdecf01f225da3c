/** A graph as the bytes of an ONNX file. */
import {
  type Attribute,
  ELEMENT_TYPES,
  type Graph,
  type Initializer,
  type Value,
} from "../graph.ts";
import { encode, type Message } from "./encode.ts";
import { ATTRIBUTE_TYPES } from "./schema.ts";

/** The operator set that our builder and our gradient rules speak. */
export const OPSET = 22;
const IR_VERSION = 10;

export const writeModel = (graph: Graph): Uint8Array<ArrayBuffer> =>
  encode("Model", {
    irVersion: IR_VERSION,
    producerName: "pangaea",
    graph: graphMessage(graph),
    opsetImport: [{ domain: "", version: OPSET }],
  });

const graphMessage = (graph: Graph): Message => ({
  name: graph.name,
  node: graph.nodes.map((node) => ({
    name: node.name,
    opType: node.operator,
    input: node.inputs,
    output: node.outputs,
    attribute: Object.entries(node.attributes).map(([name, value]) => ({
      name,
      ...attributeMessage(value),
    })),
  })),
  initializer: graph.initializers.map(tensorMessage),
  input: graph.inputs.map(valueMessage),
  output: graph.outputs.map(valueMessage),
});

function attributeMessage(value: Attribute): Message {
  if ("int" in value) return { type: ATTRIBUTE_TYPES.int, i: value.int };
  if ("ints" in value) return { type: ATTRIBUTE_TYPES.ints, ints: value.ints };
  if ("float" in value) return { type: ATTRIBUTE_TYPES.float, f: value.float };
  if ("floats" in value) return { type: ATTRIBUTE_TYPES.floats, floats: value.floats };
  if ("string" in value)
    return { type: ATTRIBUTE_TYPES.string, s: new TextEncoder().encode(value.string) };
  throw new Error("attribute cannot be written yet");
}

const tensorMessage = (tensor: Initializer): Message => ({
  name: tensor.name,
  dims: tensor.shape,
  dataType: ELEMENT_TYPES[tensor.type],
  rawData: new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
});

const valueMessage = (value: Value): Message => ({
  name: value.name,
  type: {
    tensorType: {
      elemType: ELEMENT_TYPES[value.type],
      shape: { dim: value.shape.map((size) => ({ dimValue: size })) },
    },
  },
});
