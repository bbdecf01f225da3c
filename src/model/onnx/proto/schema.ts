/**
 * The messages of the ONNX file format that we use, as a table: field name, field number, type
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). One table serves writing, reading and the types
 * of what is read. Fields that are not named here are skipped. Subgraphs are bytes to us, so that messages
 * nest seven deep at most, whatever a file holds.
 */

export type Scalar = "int32" | "int64" | "float" | "double" | "string" | "bytes";

/** Numbers of tensors are read into typed arrays. */
export type Elements = "float" | "double" | "int32" | "int64";

export type Field =
  | { readonly kind: "one" | "many"; readonly number: number; readonly type: Scalar | MessageName }
  | { readonly kind: "elements"; readonly number: number; readonly type: Elements };

export type MessageName =
  | "Model"
  | "OperatorSet"
  | "Property"
  | "Function"
  | "Graph"
  | "Node"
  | "Attribute"
  | "Tensor"
  | "ValueInfo"
  | "Type"
  | "TensorType"
  | "Shape"
  | "Dimension";

type Fits = Readonly<Record<MessageName, Readonly<Record<string, Field>>>>;

const one = <const T extends Scalar | MessageName>(number: number, type: T) =>
  ({ kind: "one", number, type }) as const;
const many = <const T extends Scalar | MessageName>(number: number, type: T) =>
  ({ kind: "many", number, type }) as const;
const elements = <const T extends Elements>(number: number, type: T) =>
  ({ kind: "elements", number, type }) as const;

export const MESSAGES = {
  Model: {
    irVersion: one(1, "int64"),
    producerName: one(2, "string"),
    docString: one(6, "string"),
    graph: one(7, "Graph"),
    opsetImport: many(8, "OperatorSet"),
    metadataProps: many(14, "Property"),
    functions: many(25, "Function"),
  },
  OperatorSet: { domain: one(1, "string"), version: one(2, "int64") },
  Property: { key: one(1, "string"), value: one(2, "string") },
  Function: {
    name: one(1, "string"),
    input: many(4, "string"),
    output: many(5, "string"),
    node: many(7, "Node"),
    opsetImport: many(9, "OperatorSet"),
    domain: one(10, "string"),
    attributeProto: many(11, "Attribute"),
    overload: one(13, "string"),
  },
  Graph: {
    node: many(1, "Node"),
    name: one(2, "string"),
    initializer: many(5, "Tensor"),
    input: many(11, "ValueInfo"),
    output: many(12, "ValueInfo"),
    sparseInitializer: many(15, "bytes"),
  },
  Node: {
    input: many(1, "string"),
    output: many(2, "string"),
    name: one(3, "string"),
    opType: one(4, "string"),
    attribute: many(5, "Attribute"),
    domain: one(7, "string"),
    overload: one(8, "string"),
  },
  Attribute: {
    name: one(1, "string"),
    f: one(2, "float"),
    i: one(3, "int64"),
    s: one(4, "bytes"),
    t: one(5, "Tensor"),
    floats: many(7, "float"),
    ints: many(8, "int64"),
    strings: many(9, "bytes"),
    type: one(20, "int32"),
    refAttrName: one(21, "string"),
  },
  Tensor: {
    dims: many(1, "int64"),
    dataType: one(2, "int32"),
    floatData: elements(4, "float"),
    int32Data: elements(5, "int32"),
    int64Data: elements(7, "int64"),
    name: one(8, "string"),
    rawData: one(9, "bytes"),
    doubleData: elements(10, "double"),
    externalData: many(13, "Property"),
    dataLocation: one(14, "int32"),
  },
  ValueInfo: { name: one(1, "string"), type: one(2, "Type") },
  Type: { tensorType: one(1, "TensorType") },
  TensorType: { elemType: one(1, "int32"), shape: one(2, "Shape") },
  Shape: { dim: many(1, "Dimension") },
  Dimension: { dimValue: one(1, "int64"), dimParam: one(2, "string") },
} as const satisfies Fits;

/** AttributeProto.AttributeType */
export const ATTRIBUTE_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

/** Attributes that stay bytes, by the number of their type. */
export const OPAQUE_ATTRIBUTES: Readonly<Record<number, string>> = {
  5: "a subgraph",
  9: "a list of tensors",
  10: "a list of subgraphs",
  11: "a sparse tensor",
  12: "a list of sparse tensors",
  13: "a type",
  14: "a list of types",
};

/** TensorProto.DataType by number, as ONNX spells the names. */
export const DATA_TYPES: readonly string[] = [
  ...["undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string"],
  ...["bool", "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"],
  ...["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4"],
  ...["float4e2m1", "float8e8m0", "uint2", "int2"],
];

/** TensorProto.DataLocation */
export const EXTERNAL = 1;
