/** Folds of operators that only move elements. */
import { axisOf, intAttribute, intsAttribute, sizeOf } from "../graph.ts";
import { slicesOf } from "../shape/slice.ts";
import { broadcastPlaces, placesOf, stridesOf } from "./places.ts";
import {
  type Data,
  emptyLike,
  type Fold,
  folding,
  foldingOne,
  inputOf,
  type Known,
  numbersAt,
  outputOf,
  pick,
} from "./rule.ts";

/** Elements of the first input at these places. */
const read = (at: Known, places: Int32Array): Data =>
  pick(inputOf(at, 0).data, places.length, (i) => places[i] as number);

const same = foldingOne((at) => inputOf(at, 0).data);

const transpose = foldingOne((at) => {
  const strides = stridesOf(inputOf(at, 0).shape);
  const order = intsAttribute(at.node, "perm", strides.map((_, axis) => axis).reverse());
  return read(
    at,
    placesOf(
      outputOf(at).shape,
      order.map((axis) => strides[axis] ?? 0),
    ),
  );
});

const expand = foldingOne((at) =>
  read(at, broadcastPlaces(inputOf(at, 0).shape, outputOf(at).shape)),
);

/** Each axis counts through its repeats, then through its elements. */
const tile = foldingOne((at) => {
  const { shape } = inputOf(at, 0);
  const repeats = numbersAt(at, 1) ?? [];
  const strides = stridesOf(shape).flatMap((stride) => [0, stride]);
  return read(
    at,
    placesOf(
      shape.flatMap((size, axis) => [repeats[axis] ?? 1, size]),
      strides,
    ),
  );
});

const slice = foldingOne((at) => {
  const slices = slicesOf(at.node, inputOf(at, 0), (index) => numbersAt(at, index));
  const strides = stridesOf(inputOf(at, 0).shape);
  const offset = slices.reduce((sum, part, axis) => sum + part.start * (strides[axis] ?? 0), 0);
  const steps = slices.map((part, axis) => part.step * (strides[axis] ?? 0));
  return read(at, placesOf(outputOf(at).shape, steps, offset));
});

/** Copies between a whole and its parts along an axis; `copy` gets the places of equal runs. */
function alongAxis(
  parts: readonly (readonly number[])[],
  axis: number,
  copy: (part: number, inPart: number, inWhole: number, run: number) => void,
): void {
  const before = sizeOf(parts[0]?.slice(0, axis) ?? []);
  let at = 0;
  for (let row = 0; row < before; row++)
    parts.forEach((shape, part) => {
      const run = sizeOf(shape.slice(axis));
      copy(part, row * run, at, run);
      at += run;
    });
}

const axisIn = (at: Known): number =>
  axisOf(intAttribute(at.node, "axis", 0), inputOf(at, 0).shape.length);

const concat = foldingOne((at) => {
  const whole = emptyLike(inputOf(at, 0).data, sizeOf(outputOf(at).shape));
  const shapes = at.inputs.map((_, i) => inputOf(at, i).shape);
  alongAxis(shapes, axisIn(at), (part, inPart, inWhole, run) => {
    const data = inputOf(at, part).data as Float32Array;
    (whole as Float32Array).set(data.subarray(inPart, inPart + run), inWhole);
  });
  return whole;
});

const split = folding((at) => {
  const whole = inputOf(at, 0).data as Float32Array;
  const parts = at.outputs.map(({ shape }) => emptyLike(whole, sizeOf(shape)));
  const shapes = at.outputs.map(({ shape }) => shape);
  alongAxis(shapes, axisIn(at), (part, inPart, inWhole, run) => {
    (parts[part] as Float32Array).set(whole.subarray(inWhole, inWhole + run), inPart);
  });
  return parts;
});

const trilu = foldingOne((at) => {
  const { data, shape } = inputOf(at, 0);
  const [shift = 0] = numbersAt(at, 1) ?? [];
  const upper = intAttribute(at.node, "upper", 1) === 1;
  const [rows = 1, columns = 1] = shape.slice(-2);
  const kept = emptyLike(data, data.length);
  for (let i = 0; i < data.length; i++) {
    const diagonal = (i % columns) - (Math.floor(i / columns) % rows);
    if (upper ? diagonal >= shift : diagonal <= shift) kept[i] = data[i] as number;
  }
  return kept;
});

export const movingFolds = {
  Concat: concat,
  Expand: expand,
  Flatten: same,
  Identity: same,
  Reshape: same,
  Slice: slice,
  Split: split,
  Squeeze: same,
  Tile: tile,
  Transpose: transpose,
  Trilu: trilu,
  Unsqueeze: same,
} satisfies Record<string, Fold>;
