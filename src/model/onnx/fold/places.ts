/** Where the elements of a shape lie in flat data: what moving, broadcasting and indexing share. */
import { sizeOf } from "../graph.ts";

/** Row-major: how far apart two neighbours on each axis are. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return strides;
}

/** The place of each element of `shape`, row by row: `offset` plus index times stride over all axes. */
export function placesOf(
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): Int32Array {
  const places = new Int32Array(sizeOf(shape)).fill(offset);
  let run = places.length;
  shape.forEach((size, axis) => {
    run /= size;
    const stride = strides[axis] ?? 0;
    for (let i = 0; i < places.length; i++)
      places[i] = (places[i] as number) + (Math.floor(i / run) % size) * stride;
  });
  return places;
}

/** For each element of `to` the place in `from` that broadcasting puts there. */
export function broadcastPlaces(from: readonly number[], to: readonly number[]): Int32Array {
  const lead = to.length - from.length;
  const own = stridesOf(from);
  const strides = to.map((_, axis) => (from[axis - lead] === 1 ? 0 : (own[axis - lead] ?? 0)));
  return placesOf(to, strides);
}
