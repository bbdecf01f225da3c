/** A graph, or a model from a file, as the bytes of an ONNX file. */
import { InputError } from "../../../core/errors.ts";
import {
  type Attribute,
  ELEMENT_TYPES,
  type Graph,
  type Initializer,
  type Node,
} from "../graph.ts";
import type { Dimension, Model, ModelValue } from "../model.ts";
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

/** The longest message that every reader of protobuf takes. */
const FILE_LIMIT = 2 ** 31 - 1;

/** The model as one file, as it was read: operator sets, names, metadata, sizes by name. */
export function writeModelFile(model: Model): Uint8Array<ArrayBuffer> {
  const weights = model.initializers.reduce((total, { data }) => total + data.byteLength, 0);
  if (weights > FILE_LIMIT)
    throw new InputError([
      {
        code: "ONNX_EXTERNAL",
        message: `the weights take ${weights} bytes; one ONNX file holds 2 GiB`,
        fix: "export as safetensors",
      },
    ]);
  const properties = Object.entries(model.metadata).map(([key, value]) => ({ key, value }));
  return encode("Model", {
    irVersion: model.irVersion,
    producerName: model.producer,
    docString: model.documentation,
    graph: graphMessage(model),
    opsetImport: Object.entries({ "": model.opset, ...model.domains }).map(([domain, version]) => ({
      domain,
      version,
    })),
    metadataProps: properties,
  });
}

const graphMessage = (graph: Graph | Model): Message => ({
  name: graph.name,
  node: graph.nodes.map(nodeMessage),
  initializer: graph.initializers.map(tensorMessage),
  input: graph.inputs.map(valueMessage),
  output: graph.outputs.map(valueMessage),
});

const nodeMessage = (node: Node): Message => ({
  name: node.name,
  opType: node.operator,
  domain: node.domain,
  input: node.inputs,
  output: node.outputs,
  attribute: Object.entries(node.attributes).map(([name, value]) =>
    "raw" in value ? value.raw : { name, ...attributeMessage(value) },
  ),
});

function attributeMessage(value: Exclude<Attribute, { readonly raw: Uint8Array }>): Message {
  if ("int" in value) return { type: ATTRIBUTE_TYPES.int, i: value.int };
  if ("ints" in value) return { type: ATTRIBUTE_TYPES.ints, ints: value.ints };
  if ("float" in value) return { type: ATTRIBUTE_TYPES.float, f: value.float };
  if ("floats" in value) return { type: ATTRIBUTE_TYPES.floats, floats: value.floats };
  if ("string" in value) return { type: ATTRIBUTE_TYPES.string, s: bytesOf(value.string) };
  if ("strings" in value)
    return { type: ATTRIBUTE_TYPES.strings, strings: value.strings.map(bytesOf) };
  return { type: ATTRIBUTE_TYPES.tensor, t: tensorMessage(value.tensor) };
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const tensorMessage = (tensor: Initializer): Message => ({
  name: tensor.name,
  dims: tensor.shape,
  dataType: ELEMENT_TYPES[tensor.type],
  rawData: new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
});

const valueMessage = (value: ModelValue): Message => ({
  name: value.name,
  type: {
    tensorType: {
      elemType: ELEMENT_TYPES[value.type],
      shape: { dim: value.shape.map(dimensionMessage) },
    },
  },
});

const dimensionMessage = (size: Dimension): Message =>
  typeof size === "number" ? { dimValue: size } : size === "" ? {} : { dimParam: size };
