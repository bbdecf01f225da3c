/**
 * Heads of frames: kind, sender, receiver, header and the types and lengths of the payload's parts.
 *
 * Names (kinds, nodes, keys of headers) are written out once a socket and are numbers afterwards (a queue that has
 * several sockets forgets them at each head, which may go over any of them): a u16 that counts
 * names in order of first use; the next free number is followed by the name itself (u8 length, UTF-8).
 *
 *   name kind, name from, name to,
 *   u16 fields, each: name key, u8 type, value (number f64 | string u32 length, UTF-8 | list u32 count, f64 ...)
 *   u16 parts, each: u8 type of elements, u32 bytes
 */
import { invariant, type PangaeaError } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Header } from "../message.ts";
import { ELEMENTS, elementOf, HEAD_BYTES } from "./frame.ts";
import type { LaneParcel } from "./lane.ts";

/** A writer forgets all names beyond this many; one head brings fewer new ones than are left of 65,536. */
const NAMES = 32_768;
const FIELDS = 16_384;

const Type = { number: 0, string: 1, list: 2 } as const;

export class HeadWriter {
  readonly #numbers = new Map<string, number>();
  readonly #encoder = new TextEncoder();
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  /** A head could not be written to its end. */
  #broken = false;

  /**
   * Whether the next head must tell the reader to forget the names: it must stand `alone`, there are too many, or
   * some were never sent.
   */
  forget(alone: boolean): boolean {
    if (!alone && this.#numbers.size < NAMES && !this.#broken) return false;
    this.#numbers.clear();
    return true;
  }

  /** The head; valid until the next is written. */
  write({ kind, from, to, header, payload }: LaneParcel): Uint8Array {
    this.#at = 0;
    this.#broken = true;
    this.#name(kind);
    this.#name(from);
    this.#name(to);
    const keys = Object.keys(header);
    invariant(keys.length < FIELDS && payload.length < FIELDS, `a parcel of ${kind} is too wide`);
    this.#u16(keys.length);
    for (const key of keys) this.#field(key, header[key] as Header[string]);
    this.#u16(payload.length);
    for (const part of payload) {
      this.#u8(elementOf(part));
      this.#u32(part.byteLength);
    }
    invariant(this.#at <= HEAD_BYTES, `the header of a parcel of ${kind} takes ${this.#at} bytes`);
    this.#broken = false;
    return this.#bytes.subarray(0, this.#at);
  }

  #field(key: string, value: Header[string]): void {
    invariant(key !== "__proto__", "a header has no key of this name");
    this.#name(key);
    if (typeof value === "number") {
      this.#u8(Type.number);
      this.#f64(value);
    } else if (typeof value === "string") {
      this.#u8(Type.string);
      this.#u32(0);
      const at = this.#at;
      this.#view.setUint32(at - 4, this.#text(value), true);
    } else {
      this.#u8(Type.list);
      this.#u32(value.length);
      for (const number of value) this.#f64(number);
    }
  }

  #name(name: string): void {
    const known = this.#numbers.get(name);
    if (known !== undefined) {
      this.#u16(known);
      return;
    }
    this.#u16(this.#numbers.size);
    this.#numbers.set(name, this.#numbers.size);
    this.#u8(0);
    const at = this.#at;
    const length = this.#text(name);
    invariant(length < 256, `the name ${name} is longer than 255 bytes`);
    this.#view.setUint8(at - 1, length);
  }

  /** Writes a text; answers its bytes. */
  #text(text: string): number {
    this.#room(3 * text.length);
    const { written } = this.#encoder.encodeInto(text, this.#bytes.subarray(this.#at));
    this.#at += written;
    return written;
  }

  #u8(value: number): void {
    this.#room(1);
    this.#view.setUint8(this.#at++, value);
  }
  #u16(value: number): void {
    this.#room(2);
    this.#view.setUint16((this.#at += 2) - 2, value, true);
  }
  #u32(value: number): void {
    this.#room(4);
    this.#view.setUint32((this.#at += 4) - 4, value, true);
  }
  #f64(value: number): void {
    this.#room(8);
    this.#view.setFloat64((this.#at += 8) - 8, value, true);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.#at + bytes));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** What a head says; the payload follows in the body. */
export interface Head {
  readonly kind: string;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly header: Header;
  readonly parts: readonly { readonly element: number; readonly bytes: number }[];
}

export class HeadReader {
  #names: string[] = [];
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at = 0;
  /** Makes the error for what is wrong at a byte of the head. */
  readonly #wrong: (what: string, at: number) => PangaeaError;

  constructor(wrong: (what: string, at: number) => PangaeaError) {
    this.#wrong = wrong;
  }

  forget(): void {
    this.#names = [];
  }

  /** Reads a head; up to 15 zero bytes may follow it. */
  read(bytes: Uint8Array): Head {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = 0;
    const [kind, from, to] = [this.#name(), this.#name() as NodeId, this.#name() as NodeId];
    const header: Record<string, Header[string]> = {};
    for (let fields = this.#u16(); fields > 0; fields--) {
      const key = this.#name();
      if (key === "__proto__" || Object.hasOwn(header, key)) throw this.#error(`the key ${key}`);
      header[key] = this.#value();
    }
    const parts: { element: number; bytes: number }[] = [];
    for (let count = this.#u16(); count > 0; count--) {
      const element = this.#u8();
      const length = this.#u32();
      const size = ELEMENTS[element]?.bytes;
      if (size === undefined) throw this.#error(`an unknown type of elements, ${element}`);
      if (length % size !== 0) throw this.#error(`${length} bytes of elements of ${size}`);
      parts.push({ element, bytes: length });
    }
    if (bytes.length - this.#at > 15) throw this.#error("bytes after the head");
    return { kind, from, to, header, parts };
  }

  #value(): Header[string] {
    const type = this.#u8();
    if (type === Type.number) return this.#f64();
    if (type === Type.string) return this.#text(this.#u32());
    if (type !== Type.list) throw this.#error(`an unknown type of value, ${type}`);
    const count = this.#u32();
    this.#need(8 * count);
    return Array.from({ length: count }, () => this.#f64());
  }

  #name(): string {
    const number = this.#u16();
    const known = this.#names[number];
    if (known !== undefined) return known;
    if (number !== this.#names.length) throw this.#error(`the name ${number} before it was said`);
    const name = this.#text(this.#u8());
    this.#names.push(name);
    return name;
  }

  #text(length: number): string {
    this.#need(length);
    return this.#decoder.decode(this.#bytes.subarray(this.#at, (this.#at += length)));
  }
  #u8(): number {
    this.#need(1);
    return this.#view.getUint8(this.#at++);
  }
  #u16(): number {
    this.#need(2);
    return this.#view.getUint16((this.#at += 2) - 2, true);
  }
  #u32(): number {
    this.#need(4);
    return this.#view.getUint32((this.#at += 4) - 4, true);
  }
  #f64(): number {
    this.#need(8);
    return this.#view.getFloat64((this.#at += 8) - 8, true);
  }

  #need(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) throw this.#error("the head ends too soon");
  }
  #error(what: string): PangaeaError {
    return this.#wrong(what, this.#at);
  }
}
