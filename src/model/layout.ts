/**
 * Named tensors as consecutive views of one flat Float32Array: first those that the optimizer trains, then
 * state that steps keep up to date themselves (the running averages of batch normalisation).
 */
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
  /** The first so many elements are trained by the optimizer; those from here to `length` are state. */
  readonly trained: number;
}

type NamedShape = Pick<TensorSpec, "name" | "shape">;

export function createLayout(
  tensors: readonly NamedShape[],
  states: readonly NamedShape[] = [],
): Layout {
  let offset = 0;
  const seen = new Set<string>();
  const place = ({ name, shape }: NamedShape): TensorSpec => {
    invariant(!seen.has(name), `tensor ${name} is named twice`);
    seen.add(name);
    const length = shape.reduce((product, size) => product * size, 1);
    const spec: TensorSpec = { name, shape, offset, length };
    offset += length;
    return spec;
  };
  const placed = tensors.map(place);
  const trained = offset;
  placed.push(...states.map(place));
  return { tensors: placed, length: offset, trained };
}

/** The tensor as a view: writing to it writes to the flat array. */
export const viewOf = (flat: Float32Array, tensor: TensorSpec): Float32Array =>
  flat.subarray(tensor.offset, tensor.offset + tensor.length);
