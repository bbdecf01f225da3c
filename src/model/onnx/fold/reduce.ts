/** Folds of reductions, where their result does not hang on the order of the elements. */
import { sizeOf } from "../graph.ts";
import { reducedAxes } from "../shape/reduce.ts";
import { larger, smaller } from "./arithmetic.ts";
import { store } from "./cast.ts";
import { placesOf, stridesOf } from "./places.ts";
import { emptyLike, type Fold, foldingOne, inputOf, numbersAt, outputOf } from "./rule.ts";

interface Reduction {
  readonly start: number;
  floats(sum: number, value: number): number;
  integers(sum: bigint, value: bigint): bigint;
  /** Whether rounding makes the result of floats depend on the order. */
  readonly rounds: boolean;
}

const reducing = ({ start, floats, integers, rounds }: Reduction): Fold =>
  foldingOne((at) => {
    const { type, data, shape } = inputOf(at, 0);
    const made = emptyLike(data, sizeOf(outputOf(at).shape));
    if (type === "bool" || (made.length > 0 && data.length === 0)) return undefined;
    const places = reducedPlaces(shape, reducedAxes(at.node, shape.length, numbersAt(at, 1)));
    if (data instanceof Float32Array || data instanceof Float64Array) {
      const exact = data instanceof Float32Array ? 2 ** 24 : 2 ** 53;
      const sums = new Float64Array(made.length).fill(start);
      for (let i = 0; i < data.length; i++) {
        const sum = floats(sums[places[i] as number] as number, data[i] as number);
        const whole = Number.isInteger(data[i]) && Math.abs(sum) <= exact;
        if (rounds && !whole) return undefined;
        sums[places[i] as number] = sum;
      }
      sums.forEach((sum, i) => {
        made[i] = sum;
      });
      return made;
    }
    const sums: (bigint | undefined)[] = Array.from({ length: made.length });
    data.forEach((value, i) => {
      const place = places[i] as number;
      const sum = sums[place];
      sums[place] = sum === undefined ? BigInt(value) : integers(sum, BigInt(value));
    });
    sums.forEach((sum, i) => {
      store(made, i, sum ?? 0n);
    });
    return made;
  });

/** For each element the place of the result that it goes into. */
function reducedPlaces(shape: readonly number[], axes: readonly number[]): Int32Array {
  const kept = stridesOf(shape.map((size, axis) => (axes.includes(axis) ? 1 : size)));
  return placesOf(
    shape,
    kept.map((stride, axis) => (axes.includes(axis) ? 0 : stride)),
  );
}

export const reduceFolds = {
  ReduceMax: reducing({
    start: Number.NEGATIVE_INFINITY,
    floats: Math.max,
    integers: larger,
    rounds: false,
  }),
  ReduceMin: reducing({
    start: Number.POSITIVE_INFINITY,
    floats: Math.min,
    integers: smaller,
    rounds: false,
  }),
  ReduceProd: reducing({
    start: 1,
    floats: (a, b) => a * b,
    integers: (a, b) => a * b,
    rounds: true,
  }),
  ReduceSum: reducing({
    start: 0,
    floats: (a, b) => a + b,
    integers: (a, b) => a + b,
    rounds: true,
  }),
} satisfies Record<string, Fold>;
