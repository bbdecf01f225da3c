/**
 * The messages of the ONNX file format that we use, as a table: field name, field number, type
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). One table serves writing and reading.
 */

export type Scalar = "int32" | "int64" | "float" | "double" | "string" | "bytes";

export interface Field {
  readonly number: number;
  /** A scalar type or the name of a message. */
  readonly type: Scalar | MessageName;
  readonly repeated?: boolean;
}

export type MessageName =
  | "Model"
  | "OperatorSet"
  | "Property"
  | "Graph"
  | "Node"
  | "Attribute"
  | "Tensor"
  | "ValueInfo"
  | "Type"
  | "TensorType"
  | "Shape"
  | "Dimension";

type Message = Readonly<Record<string, Field>>;

const one = (number: number, type: Field["type"]): Field => ({ number, type });
const many = (number: number, type: Field["type"]): Field => ({ number, type, repeated: true });

export const MESSAGES: Readonly<Record<MessageName, Message>> = {
  Model: {
    irVersion: one(1, "int64"),
    producerName: one(2, "string"),
    producerVersion: one(3, "string"),
    domain: one(4, "string"),
    modelVersion: one(5, "int64"),
    docString: one(6, "string"),
    graph: one(7, "Graph"),
    opsetImport: many(8, "OperatorSet"),
    metadataProps: many(14, "Property"),
  },
  OperatorSet: { domain: one(1, "string"), version: one(2, "int64") },
  Property: { key: one(1, "string"), value: one(2, "string") },
  Graph: {
    node: many(1, "Node"),
    name: one(2, "string"),
    initializer: many(5, "Tensor"),
    docString: one(10, "string"),
    input: many(11, "ValueInfo"),
    output: many(12, "ValueInfo"),
    valueInfo: many(13, "ValueInfo"),
  },
  Node: {
    input: many(1, "string"),
    output: many(2, "string"),
    name: one(3, "string"),
    opType: one(4, "string"),
    attribute: many(5, "Attribute"),
    docString: one(6, "string"),
    domain: one(7, "string"),
  },
  Attribute: {
    name: one(1, "string"),
    f: one(2, "float"),
    i: one(3, "int64"),
    s: one(4, "bytes"),
    t: one(5, "Tensor"),
    g: one(6, "Graph"),
    floats: many(7, "float"),
    ints: many(8, "int64"),
    strings: many(9, "bytes"),
    type: one(20, "int32"),
  },
  Tensor: {
    dims: many(1, "int64"),
    dataType: one(2, "int32"),
    floatData: many(4, "float"),
    int32Data: many(5, "int32"),
    stringData: many(6, "bytes"),
    int64Data: many(7, "int64"),
    name: one(8, "string"),
    rawData: one(9, "bytes"),
    doubleData: many(10, "double"),
    externalData: many(13, "Property"),
    dataLocation: one(14, "int32"),
  },
  ValueInfo: { name: one(1, "string"), type: one(2, "Type") },
  Type: { tensorType: one(1, "TensorType") },
  TensorType: { elemType: one(1, "int32"), shape: one(2, "Shape") },
  Shape: { dim: many(1, "Dimension") },
  Dimension: { dimValue: one(1, "int64"), dimParam: one(2, "string") },
};

/** AttributeProto.AttributeType */
export const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, floats: 6, ints: 7 } as const;
