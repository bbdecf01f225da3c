/** Attributes of a file's nodes. Those that our graphs do not know are kept as the bytes that they are. */
import type { Attribute, Attributes } from "../graph.ts";
import type { Decoded } from "./decode.ts";
import { ATTRIBUTE_TYPES, OPAQUE_ATTRIBUTES } from "./schema.ts";
import { elementName, elementType, readTensor, type TensorFiles } from "./tensor.ts";

export interface AttributeFile extends TensorFiles {
  /** The whole file. */
  readonly bytes: Uint8Array;
}

/** The attributes of a node, by name. Errors: ONNX_MALFORMED with the byte. */
export function readAttributes(node: Decoded<"Node">, file: AttributeFile): Attributes {
  const entries = new Map<string, Attribute>();
  for (const attribute of node.attribute) {
    const name = attribute.name ?? "";
    if (entries.has(name))
      throw file.complain("ONNX_MALFORMED", `two attributes ${name}`, attribute.start);
    const whole = node.opType === "Constant" ? wholeNumbers(attribute) : undefined;
    if (whole) entries.set("value", whole);
    else entries.set(name, readAttribute(attribute, file));
  }
  return Object.fromEntries(entries);
}

function readAttribute(attribute: Decoded<"Attribute">, file: AttributeFile): Attribute {
  const raw = (holds: string): Attribute => ({
    raw: file.bytes.subarray(attribute.start, attribute.end),
    holds,
  });
  const { i = 0, ints, t } = attribute;
  switch (attribute.type) {
    case ATTRIBUTE_TYPES.float:
      return { float: attribute.f ?? 0 };
    case ATTRIBUTE_TYPES.int:
      return typeof i === "number" ? { int: i } : raw(LARGE);
    case ATTRIBUTE_TYPES.string: {
      const text = textOf(attribute.s ?? NO_BYTES);
      return text === undefined ? raw(BLOB) : { string: text };
    }
    case ATTRIBUTE_TYPES.tensor:
      if (!t)
        throw file.complain(
          "ONNX_MALFORMED",
          `attribute ${attribute.name} has no tensor`,
          attribute.start,
        );
      return elementType(t.dataType)
        ? { tensor: readTensor(t, file) }
        : raw(`a tensor of ${elementName(t.dataType)}`);
    case ATTRIBUTE_TYPES.floats:
      return { floats: attribute.floats };
    case ATTRIBUTE_TYPES.ints:
      return ints.every((value) => typeof value === "number") ? { ints } : raw(LARGE);
    case ATTRIBUTE_TYPES.strings: {
      const strings = attribute.strings.map(textOf);
      return strings.every((text) => text !== undefined) ? { strings } : raw(BLOB);
    }
  }
  const holds = OPAQUE_ATTRIBUTES[attribute.type ?? 0];
  if (holds === undefined)
    throw file.complain(
      "ONNX_MALFORMED",
      `attribute ${attribute.name} is of type ${attribute.type}`,
      attribute.start,
    );
  return raw(holds);
}

/** A Constant's `value_int` or `value_ints` beyond 2^53 ("to the end" of a slice), as the tensor that it is. */
function wholeNumbers({ name, type, i, ints }: Decoded<"Attribute">): Attribute | undefined {
  const scalar = name === "value_int" && type === ATTRIBUTE_TYPES.int && typeof i === "bigint";
  const list =
    name === "value_ints" &&
    type === ATTRIBUTE_TYPES.ints &&
    ints.some((value) => typeof value === "bigint");
  if (!scalar && !list) return undefined;
  const data = scalar ? BigInt64Array.of(i) : BigInt64Array.from(ints, BigInt);
  return { tensor: { name: "", type: "int64", shape: scalar ? [] : [data.length], data } };
}

const LARGE = "an integer beyond 2^53";
const BLOB = "bytes that are no text";
const NO_BYTES = new Uint8Array(0);

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
