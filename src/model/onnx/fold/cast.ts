/** Elements of one type as those of another, as ONNX Runtime converts them. */
import { ELEMENT_ARRAYS, type ElementType } from "../graph.ts";
import { type Data, type Fold, foldingOne, inputOf, outputOf } from "./rule.ts";

/** Zeros of an element type. */
export const arrayOf = (type: ElementType, length: number): Data =>
  new ELEMENT_ARRAYS[type](length);

/** Bounds of what a float may be to have a whole number of each type. */
const BITS: Readonly<Record<string, number>> = { int8: 7, int32: 31, int64: 63 };

/** Stores an integer, wrapped to the width of the array. */
export function store(data: Data, index: number, value: bigint): void {
  if (data instanceof BigInt64Array) data[index] = value;
  else data[index] = Number(BigInt.asIntN(32, value));
}

const isFloat = (type: ElementType): boolean => type.startsWith("float");

/** Floats lose their fraction; one that the integer type cannot hold has no defined result. */
const cast = foldingOne((at) => {
  const { type: from, data } = inputOf(at, 0);
  const { type: to } = outputOf(at);
  const made = arrayOf(to, data.length);
  if (!made) return undefined;
  for (let i = 0; i < data.length; i++) {
    const value = data[i] as number | bigint;
    if (to === "bool") made[i] = Number(value) === 0 ? 0 : 1;
    else if (isFloat(to)) {
      if (typeof value === "bigint" && BigInt(Number(value)) !== value) return undefined;
      made[i] = Number(value);
    } else if (isFloat(from)) {
      const whole = Math.trunc(Number(value));
      const low = to === "uint8" ? 0 : -(2 ** (BITS[to] ?? 0));
      const high = to === "uint8" ? 256 : 2 ** (BITS[to] ?? 0);
      if (!(whole >= low && whole < high)) return undefined;
      store(made, i, BigInt(whole));
    } else store(made, i, BigInt(value));
  }
  return made;
});

export const castFolds = { Cast: cast } satisfies Record<string, Fold>;
