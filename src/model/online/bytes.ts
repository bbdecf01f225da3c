/**
 * Portions and saved models as bytes (little-endian), and what is checked of bytes from elsewhere: nothing is read
 * beyond their end, nothing is allocated that they could not fill, every number is finite. A model is put together from
 * a reader completely before any of it is taken.
 */
import { PangaeaError } from "../../core/errors.ts";

/** What a portion or saved model is no good for. */
export const portionInvalid = (reason: string): PangaeaError =>
  new PangaeaError("PORTION_INVALID", `not a portion for this model: ${reason}`);

export class PortionWriter {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  u8(value: number): void {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
  }
  u16(value: number): void {
    const at = this.#room(2);
    this.#view.setUint16(at, value, true);
  }
  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }
  f32(value: number): void {
    const at = this.#room(4);
    this.#view.setFloat32(at, value, true);
  }
  f32s(values: ArrayLike<number>): void {
    const at = this.#room(values.length * 4);
    for (let i = 0; i < values.length; i++)
      this.#view.setFloat32(at + 4 * i, values[i] as number, true);
  }
  u16s(values: ArrayLike<number>): void {
    const at = this.#room(values.length * 2);
    for (let i = 0; i < values.length; i++)
      this.#view.setUint16(at + 2 * i, values[i] as number, true);
  }
  bytes(values: Uint8Array): void {
    const at = this.#room(values.length);
    this.#bytes.set(values, at);
  }
  /** Numbers many of which are zero: a bit each that says whether it is, then the others. */
  sparse(values: Float32Array): void {
    this.mask(values);
    for (let i = 0; i < values.length; i++) if (values[i] !== 0) this.f32(values[i] as number);
  }

  /** A bit for each number that says whether it is other than zero. */
  mask(values: Float32Array): void {
    const mask = new Uint8Array((values.length + 7) >> 3);
    for (let i = 0; i < values.length; i++) if (values[i] !== 0) mask[i >> 3]! |= 1 << (i & 7);
    this.bytes(mask);
  }

  get length(): number {
    return this.#length;
  }
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #room(more: number): number {
    const at = this.#length;
    this.#length += more;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** Bytes of what `PortionWriter.sparse` writes. */
export function sparseBytes(values: Float32Array): number {
  let full = 0;
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) full++;
  return ((values.length + 7) >> 3) + 4 * full;
}

/** Every method throws PORTION_INVALID where the bytes end too early or say what cannot be. */
export class PortionReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  f32(what: string): number {
    const value = this.#view.getFloat32(this.#take(4), true);
    if (!Number.isFinite(value)) throw portionInvalid(`${what} is ${value}`);
    return value;
  }
  /** A count or a share of one: finite and not negative. */
  weight(what: string): number {
    const value = this.f32(what);
    if (value < 0) throw portionInvalid(`${what} is ${value}`);
    return value;
  }
  f32s(length: number, what: string): Float32Array {
    const at = this.#take(length * 4);
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++) {
      const value = this.#view.getFloat32(at + 4 * i, true);
      if (!Number.isFinite(value)) throw portionInvalid(`${what}[${i}] is ${value}`);
      values[i] = value;
    }
    return values;
  }
  u16s(length: number): Uint16Array {
    const at = this.#take(length * 2);
    return Uint16Array.from({ length }, (_, i) => this.#view.getUint16(at + 2 * i, true));
  }
  u8s(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }
  sparse(length: number, what: string): Float32Array {
    const places = this.mask(length);
    const values = new Float32Array(length);
    for (const i of places) values[i] = this.f32(`${what}[${i}]`);
    return values;
  }
  /** Places of the numbers that are other than zero, in their order. */
  mask(length: number): Uint32Array {
    const at = this.#take((length + 7) >> 3);
    const places = new Uint32Array(length);
    let count = 0;
    for (let i = 0; i < length; i++)
      if (((this.#bytes[at + (i >> 3)] as number) >> (i & 7)) & 1) places[count++] = i;
    return places.subarray(0, count);
  }
  /** An integer from `least` to `most`. */
  within(value: number, least: number, most: number, what: string): number {
    if (value < least || value > most)
      throw portionInvalid(`${what} is ${value}, not ${least} to ${most}`);
    return value;
  }
  /** Nothing may follow. */
  end(): void {
    const rest = this.#bytes.length - this.#at;
    if (rest > 0) throw portionInvalid(`${rest} bytes follow its end`);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at)
      throw portionInvalid(`${this.#bytes.length} bytes end at byte ${at} of what they say`);
    this.#at += count;
    return at;
  }
}
