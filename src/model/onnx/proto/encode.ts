/** Writes messages of the schema's table in protobuf's wire format. Absent fields are left out. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Field, MESSAGES, type MessageName, type Scalar } from "./schema.ts";

/** A message as plain data, keyed by the field names of the schema, or the bytes of one. */
export interface Message {
  readonly [field: string]: Plain | readonly Plain[] | undefined;
}
type Plain = number | string | Uint8Array | Message;

const WIRE_TYPES: Readonly<Record<Scalar, WireType>> = {
  int32: WireType.Varint,
  int64: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
};

export function encode(name: MessageName, message: Message): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  writeMessage(writer, name, message);
  return writer.finish();
}

function writeMessage(writer: BinaryWriter, name: MessageName, message: Message): void {
  for (const [key, field] of Object.entries<Field>(MESSAGES[name])) {
    const value = message[key];
    if (value === undefined) continue;
    if (field.kind !== "one")
      for (const item of value as readonly Plain[]) writeField(writer, field, item);
    else writeField(writer, field, value as Plain);
  }
}

function writeField(writer: BinaryWriter, { number, type }: Field, value: Plain): void {
  if (type in WIRE_TYPES) {
    writer.tag(number, WIRE_TYPES[type as Scalar]);
    writer[type as "bytes"](value as Uint8Array);
    return;
  }
  writer.tag(number, WireType.LengthDelimited);
  if (value instanceof Uint8Array) {
    writer.bytes(value);
    return;
  }
  writer.fork();
  writeMessage(writer, type as MessageName, value as Message);
  writer.join();
}
