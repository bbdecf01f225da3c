/** Folds of operators that read or write elements by index. An index out of range is refused by name. */
import { shapeError } from "../errors.ts";
import { axisOf, intAttribute, sizeOf, stringAttribute } from "../graph.ts";
import { placesOf, stridesOf } from "./places.ts";
import { type Fold, foldingOne, inputOf, type Known, numbersAt, outputOf, pick } from "./rule.ts";

/** An index counted from the front. Errors: `InputError` if it is outside of `size`. */
function indexIn(at: Known, index: number, size: number): number {
  const place = axisOf(index, size);
  if (place >= 0 && place < size) return place;
  throw shapeError(at.node, at.inputs, `index ${index} is outside of an axis of ${size}`);
}

const gather = foldingOne((at) => {
  const { data, shape } = inputOf(at, 0);
  const axis = axisOf(intAttribute(at.node, "axis", 0), shape.length);
  const size = shape[axis] ?? 0;
  const run = sizeOf(shape.slice(axis + 1));
  const rows = (numbersAt(at, 1) ?? []).map((index) => indexIn(at, index, size));
  return pick(data, sizeOf(outputOf(at).shape), (i) => {
    const row = Math.floor(i / run);
    const block = Math.floor(row / rows.length);
    return (block * size + (rows[row % rows.length] ?? 0)) * run + (i % run);
  });
});

/** For each element of the indices the place in the data that it names. */
function elementPlaces(at: Known): Int32Array {
  const { shape } = inputOf(at, 0);
  const axis = axisOf(intAttribute(at.node, "axis", 0), shape.length);
  const strides = stridesOf(shape);
  const beside = strides.map((stride, k) => (k === axis ? 0 : stride));
  const places = placesOf(inputOf(at, 1).shape, beside);
  (numbersAt(at, 1) ?? []).forEach((index, i) => {
    const own = indexIn(at, index, shape[axis] ?? 0) * (strides[axis] ?? 0);
    places[i] = (places[i] as number) + own;
  });
  return places;
}

const gatherElements = foldingOne((at) => {
  const places = elementPlaces(at);
  return pick(inputOf(at, 0).data, places.length, (i) => places[i] as number);
});

/** Where each slice that an index tuple names begins, and how long the slices are. */
function slicePlaces(at: Known): { starts: number[]; run: number } {
  const { shape } = inputOf(at, 0);
  const indices = inputOf(at, 1).shape;
  const depth = indices.at(-1) ?? 0;
  const strides = stridesOf(shape);
  const values = numbersAt(at, 1) ?? [];
  const starts = Array.from({ length: sizeOf(indices.slice(0, -1)) }, (_, row) =>
    strides
      .slice(0, depth)
      .reduce(
        (start, stride, k) =>
          start + stride * indexIn(at, values[row * depth + k] ?? 0, shape[k] ?? 0),
        0,
      ),
  );
  return { starts, run: sizeOf(shape.slice(depth)) };
}

const gatherND = foldingOne((at) => {
  if (intAttribute(at.node, "batch_dims", 0) !== 0) return undefined;
  const { starts, run } = slicePlaces(at);
  return pick(
    inputOf(at, 0).data,
    starts.length * run,
    (i) => (starts[Math.floor(i / run)] ?? 0) + (i % run),
  );
});

const overwrites = (at: Known): boolean => stringAttribute(at.node, "reduction", "none") === "none";

const scatterND = foldingOne((at) => {
  if (!overwrites(at)) return undefined;
  const { starts, run } = slicePlaces(at);
  const made = inputOf(at, 0).data.slice() as Float32Array;
  const updates = inputOf(at, 2).data as Float32Array;
  starts.forEach((start, row) => {
    made.set(updates.subarray(row * run, (row + 1) * run), start);
  });
  return made;
});

const scatterElements = foldingOne((at) => {
  if (!overwrites(at)) return undefined;
  const made = inputOf(at, 0).data.slice();
  const updates = inputOf(at, 2).data;
  elementPlaces(at).forEach((place, i) => {
    made[place] = updates[i] as number;
  });
  return made;
});

/** Indices out of range have no one that is on. */
const oneHot = foldingOne((at) => {
  const { data: values } = inputOf(at, 2);
  const { shape } = outputOf(at);
  const [depth = 0] = numbersAt(at, 1) ?? [];
  const axis = axisOf(intAttribute(at.node, "axis", -1), shape.length);
  const run = sizeOf(shape.slice(axis + 1));
  const indices = (numbersAt(at, 0) ?? []).map((index) => axisOf(index, depth));
  return pick(values, sizeOf(shape), (i) => {
    const row = Math.floor(i / run / depth) * run + (i % run);
    return indices[row] === Math.floor(i / run) % depth ? 1 : 0;
  });
});

/** One row an axis, with the coordinates of everything that is not zero. */
const nonZero = foldingOne((at) => {
  const { data, shape } = inputOf(at, 0);
  const places = Array.from(data, Number).flatMap((value, i) => (value === 0 ? [] : [i]));
  const coordinates = stridesOf(shape).flatMap((stride, axis) =>
    places.map((place) => Math.floor(place / stride) % (shape[axis] ?? 1)),
  );
  return BigInt64Array.from(coordinates, BigInt);
});

export const gatherFolds = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  NonZero: nonZero,
  OneHot: oneHot,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
} satisfies Record<string, Fold>;
