/**
 * The numbers of one tensor, gathered as a protobuf file may spread them: packed in one piece (kept as a view
 * of the file's bytes where they are aligned), in several, or one by one. Never more memory than 24 bytes
 * for each byte of the file.
 */
import type { Elements } from "./schema.ts";

const ARRAYS = {
  float: Float32Array,
  double: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
} as const;

export type ElementArray = InstanceType<(typeof ARRAYS)[Elements]>;
export type ElementArrays = { readonly [T in Elements]: InstanceType<(typeof ARRAYS)[T]> };

export const noElements = (type: Elements): ElementArray => new ARRAYS[type](0);

/** `bytes` as elements of this type: a view where they are aligned, else a copy. */
export function viewOf(type: Elements, bytes: Uint8Array): ElementArray {
  const Elements = ARRAYS[type];
  const aligned =
    bytes.byteOffset % Elements.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  const count = bytes.length / Elements.BYTES_PER_ELEMENT;
  return new Elements(aligned.buffer as ArrayBuffer, aligned.byteOffset, count);
}

/** A column that grows by doubling. */
export class Column {
  #data: ElementArray;
  #length: number;
  #owned = false;
  readonly #type: Elements;

  constructor(type: Elements) {
    this.#type = type;
    this.#data = noElements(type);
    this.#length = 0;
  }

  /** Takes a packed piece; the first is not copied. */
  add(piece: ElementArray): void {
    if (this.#length === 0 && !this.#owned) this.#data = piece;
    else this.#room(piece.length).set(piece as Float32Array, this.#length);
    this.#length += piece.length;
  }

  push(value: number | bigint): void {
    this.#room(1)[this.#length++] = value as number;
  }

  finish(): ElementArray {
    return this.#data.length === this.#length ? this.#data : this.#data.subarray(0, this.#length);
  }

  #room(more: number): Float32Array {
    const needed = this.#length + more;
    if (!this.#owned || needed > this.#data.length) {
      const grown = new ARRAYS[this.#type](Math.max(needed, 2 * this.#length, 8));
      (grown as Float32Array).set(this.#data.subarray(0, this.#length) as Float32Array);
      this.#data = grown;
      this.#owned = true;
    }
    return this.#data as Float32Array;
  }
}
