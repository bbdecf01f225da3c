/** Named tensors as consecutive views of one flat Float32Array. */
import { invariant } from "../core/errors.ts";

export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** First element in the flat array. */
  readonly offset: number;
  /** Number of elements: the product of the shape. */
  readonly length: number;
}

export interface Layout {
  readonly tensors: readonly TensorSpec[];
  /** Number of elements of the flat array. */
  readonly length: number;
}

export function createLayout(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): Layout {
  let offset = 0;
  const seen = new Set<string>();
  const placed = tensors.map(({ name, shape }) => {
    invariant(!seen.has(name), `tensor ${name} is named twice`);
    seen.add(name);
    const length = shape.reduce((product, size) => product * size, 1);
    const spec: TensorSpec = { name, shape, offset, length };
    offset += length;
    return spec;
  });
  return { tensors: placed, length: offset };
}

/** The tensor as a view: writing to it writes to the flat array. */
export const viewOf = (flat: Float32Array, tensor: TensorSpec): Float32Array =>
  flat.subarray(tensor.offset, tensor.offset + tensor.length);
