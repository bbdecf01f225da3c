/**
 * Additive updates of a range of parameters, in float32: coded indices + values, or dense, whichever is
 * smaller (Gaia, NSDI 2017, sends significant updates as index and value). What a sparse update does not
 * name changes by nothing. Bytes are little-endian, as typed arrays are on every platform that we run on.
 */
import { InputError, invariant } from "../core/errors.ts";
import { decodeIndices, encodeIndices, indexBytes } from "./indices.ts";

export interface SparseUpdate {
  /** Strictly ascending, below the range's length. */
  readonly indices: Uint32Array;
  /** One for each index. */
  readonly values: Float32Array;
}

export type Update =
  | ({ readonly format: "sparse" } & SparseUpdate)
  | { readonly format: "dense"; readonly values: Float32Array };

export interface EncodedUpdate {
  readonly format: Update["format"];
  /** sparse: [coded indices, values]; dense: [values]. May share memory with what was encoded. */
  readonly payload: readonly ArrayBufferView[];
  readonly bytes: number;
}

const isDense = (update: Float32Array | SparseUpdate): update is Float32Array =>
  ArrayBuffer.isView(update);

/** Bytes of a sparse update in the smaller of both formats. */
export const updateBytes = (indices: Uint32Array, length: number): number =>
  Math.min(4 * length, indexBytes(indices, length) + 4 * indices.length);

/** Encodes one value for each element of the range, or the values at some indices. */
export function encodeUpdate(update: Float32Array | SparseUpdate, length: number): EncodedUpdate {
  const { indices, values } = isDense(update) ? withoutZeros(update) : update;
  invariant(indices.length === values.length, "an update has one value for each index");
  invariant(!isDense(update) || update.length === length, "a dense update has the range's length");
  const bytes = indexBytes(indices, length) + values.byteLength;
  if (bytes < 4 * length)
    return { format: "sparse", payload: [encodeIndices(indices, length), values], bytes };
  const dense = isDense(update) ? update : spread(update, length);
  return { format: "dense", payload: [dense], bytes: 4 * length };
}

function withoutZeros(dense: Float32Array): SparseUpdate {
  const indices = new Uint32Array(dense.length);
  let count = 0;
  for (let i = 0; i < dense.length; i++) if (dense[i] !== 0) indices[count++] = i;
  const values = new Float32Array(count);
  for (let k = 0; k < count; k++) values[k] = dense[indices[k]!]!;
  return { indices: indices.subarray(0, count), values };
}

function spread({ indices, values }: SparseUpdate, length: number): Float32Array {
  const dense = new Float32Array(length);
  for (let k = 0; k < indices.length; k++) dense[indices[k]!] = values[k]!;
  return dense;
}

/** The update that a peer sent. Throws an `InputError` if it does not fit the range. */
export function decodeUpdate(
  format: string,
  payload: readonly ArrayBufferView[],
  length: number,
): Update {
  const wrong = (message: string): InputError =>
    new InputError([{ code: "BAD_ENCODING", message }]);
  const [first, second] = payload;
  if (format === "dense" && first && payload.length === 1) {
    if (first.byteLength !== 4 * length)
      throw wrong(`a dense update of ${length} takes ${4 * length} bytes, not ${first.byteLength}`);
    return { format, values: asFloats(first) };
  }
  if (format === "sparse" && first && second && payload.length === 2) {
    const indices = decodeIndices(asBytes(first), length);
    if (second.byteLength !== 4 * indices.length)
      throw wrong(`${indices.length} indices come with ${second.byteLength} bytes of values`);
    return { format, indices, values: asFloats(second) };
  }
  throw wrong(`an update of format ${format} with ${payload.length} parts`);
}

const asBytes = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** The same memory where it is aligned, else a copy. */
function asFloats(view: ArrayBufferView): Float32Array {
  if (view instanceof Float32Array) return view;
  return view.byteOffset % 4 === 0
    ? new Float32Array(view.buffer, view.byteOffset, view.byteLength / 4)
    : new Float32Array(new Uint8Array(asBytes(view)).buffer);
}
