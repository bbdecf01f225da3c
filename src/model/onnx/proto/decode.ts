/**
 * Reads messages of the schema's table from a stranger's bytes. Nothing is allocated on the word of a length
 * or a count before it is checked against the bytes that are there; the number of parts (messages, strings,
 * numbers outside tensors) is bounded; texts are strict UTF-8; nesting is bounded by the schema, that of
 * unknown groups by the library. Payloads are views of the bytes.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { InputError } from "../../../core/errors.ts";
import { Column, type ElementArrays, noElements, viewOf } from "./elements.ts";
import { type Complain, complaining } from "./malformed.ts";
import { type Elements, type Field, MESSAGES, type MessageName, type Scalar } from "./schema.ts";

interface Scalars {
  readonly int32: number;
  /** A number where it is exact. */
  readonly int64: number | bigint;
  readonly float: number;
  readonly double: number;
  readonly string: string;
  readonly bytes: Uint8Array;
}

type Single<T> = T extends Scalar ? Scalars[T] : T extends MessageName ? Decoded<T> : never;
type Held<F> = F extends { kind: "one"; type: infer T }
  ? Single<T> | undefined
  : F extends { kind: "many"; type: infer T }
    ? readonly Single<T>[]
    : F extends { kind: "elements"; type: infer T extends Elements }
      ? ElementArrays[T]
      : never;

/** A message as read, with its place in the file. */
export type Decoded<M extends MessageName> = {
  readonly [K in keyof (typeof MESSAGES)[M]]: Held<(typeof MESSAGES)[M][K]>;
} & { readonly start: number; readonly end: number };

/** Parts in one file: some hundred bytes of memory each. A node has about fifteen. */
const MAX_PARTS = 2_000_000;

/** Reads a whole file as one message. Throws an `InputError` (ONNX_MALFORMED) with the byte. */
export function decode<M extends MessageName>(
  name: M,
  bytes: Uint8Array,
  file?: string,
): Decoded<M> {
  const reader = new BinaryReader(bytes);
  const complain = complaining(file);
  try {
    return new Decoder(bytes, reader, complain).message(
      name,
      bytes.length,
    ) as unknown as Decoded<M>;
  } catch (error) {
    // The library speaks in plain errors: an end too early, a tag of field 0, bytes that are no UTF-8.
    if (error instanceof InputError || !(error instanceof Error)) throw error;
    const { message } = error;
    throw complain("ONNX_MALFORMED", message, Math.min(reader.pos, bytes.length), ASK);
  }
}

export const ASK = "is it an ONNX model, and whole?";

type Message = Record<string, unknown>;

const EMPTY: readonly never[] = Object.freeze([]) as readonly never[];

interface Plan {
  readonly fields: ReadonlyMap<number, readonly [key: string, field: Field]>;
  /** What absent fields hold. Copied one by one: a spread makes objects that are ten times as slow. */
  readonly blank: readonly (readonly [key: string, value: unknown])[];
}

const blank = (field: Field): unknown =>
  field.kind === "elements" ? noElements(field.type) : field.kind === "many" ? EMPTY : undefined;

const plan = (message: Readonly<Record<string, Field>>): Plan => ({
  fields: new Map(Object.entries(message).map((entry) => [entry[1].number, entry])),
  blank: Object.entries(message).map(([key, field]) => [key, blank(field)]),
});
const PLANS = Object.fromEntries(
  Object.entries(MESSAGES).map(([name, message]) => [name, plan(message)]),
) as Readonly<Record<MessageName, Plan>>;

const WIRE_TYPES: Readonly<Record<string, WireType>> = {
  int32: WireType.Varint,
  int64: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
};
const wireType = (type: string): WireType => WIRE_TYPES[type] ?? WireType.LengthDelimited;

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #reader: BinaryReader;
  readonly #complain: Complain;
  #parts = 0;

  constructor(bytes: Uint8Array, reader: BinaryReader, complain: Complain) {
    this.#bytes = bytes;
    this.#reader = reader;
    this.#complain = complain;
  }

  message(name: MessageName, end: number): Message {
    const reader = this.#reader;
    const { fields, blank } = PLANS[name];
    const message: Message = { start: reader.pos, end };
    for (const [key, value] of blank) message[key] = value;
    let columns: Map<string, Column> | undefined;
    while (reader.pos < end) {
      const [number, wire] = reader.tag();
      const entry = fields.get(number);
      if (!entry) reader.skip(wire, number);
      else if (entry[1].kind === "elements") {
        columns ??= new Map();
        const [key, { type }] = entry;
        let column = columns.get(key);
        if (!column) columns.set(key, (column = new Column(type as Elements)));
        this.#elements(column, type as Elements, wire, end);
      } else this.#field(message, name, entry, wire, end);
      if (reader.pos > end) throw this.#wrong(`a field of ${name} runs past its message`);
    }
    columns?.forEach((column, key) => {
      message[key] = column.finish();
    });
    return message;
  }

  #field(
    message: Message,
    name: MessageName,
    [key, { kind, type }]: readonly [string, Field],
    wire: WireType,
    end: number,
  ): void {
    const wanted = wireType(type);
    if (kind === "one") {
      this.#expect(wire, wanted, key);
      if (type in MESSAGES && message[key]) throw this.#wrong(`${name} has two fields ${key}`);
      message[key] = this.#value(type);
      return;
    }
    if (message[key] === EMPTY) message[key] = [];
    const list = message[key] as unknown[];
    if (wire === wanted) {
      list.push(this.#value(type));
      return;
    }
    this.#expect(wire, WireType.LengthDelimited, key);
    const last = this.#length(end);
    while (this.#reader.pos < last) list.push(this.#value(type));
    if (this.#reader.pos > last) throw this.#wrong(`the list ${key} ends within a number`);
  }

  #value(type: Field["type"]): unknown {
    if (++this.#parts > MAX_PARTS) throw this.#wrong(`more than ${MAX_PARTS} parts`);
    const reader = this.#reader;
    if (type in MESSAGES) return this.message(type as MessageName, this.#length(reader.len));
    if (type === "string") return reader.string(true);
    if (type !== "int64") return reader[type as "bytes"]();
    const value = reader.int64();
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : BigInt(value);
  }

  #elements(column: Column, type: Elements, wire: WireType, end: number): void {
    const reader = this.#reader;
    if (wire === wireType(type)) {
      column.push(type === "int64" ? BigInt(reader.int64()) : reader[type]());
      return;
    }
    this.#expect(wire, WireType.LengthDelimited, "of a tensor's numbers");
    const last = this.#length(end);
    if (type === "float" || type === "double") {
      const bytes = this.#bytes.subarray(reader.pos, last);
      if (bytes.length % (type === "float" ? 4 : 8) > 0)
        throw this.#wrong(`${bytes.length} bytes are no list of ${type} numbers`);
      column.add(viewOf(type, bytes));
      reader.pos = last;
      return;
    }
    while (reader.pos < last)
      column.push(type === "int64" ? BigInt(reader.int64()) : reader.int32());
    if (reader.pos > last) throw this.#wrong("a list of numbers ends within one");
  }

  /** Reads a length; answers where the bytes that it counts end. */
  #length(limit: number): number {
    const reader = this.#reader;
    const last = reader.uint32() + reader.pos;
    if (last > limit) throw this.#wrong(`${last - limit} bytes are missing`);
    return last;
  }

  #expect(wire: WireType, wanted: WireType, key: string): void {
    if (wire !== wanted)
      throw this.#wrong(`the field ${key} has wire type ${wire} instead of ${wanted}`);
  }

  #wrong(message: string): InputError {
    const { pos, len } = this.#reader;
    return this.#complain("ONNX_MALFORMED", message, Math.min(pos, len), ASK);
  }
}
