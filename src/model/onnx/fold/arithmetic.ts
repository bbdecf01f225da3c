/**
 * Folds of arithmetic. Integers are computed exactly and wrap; floats are computed in double precision and
 * rounded once, which for + - * / and square roots is the correctly rounded result. What is not exact on
 * every machine (Exp, a fractional power) is left to ONNX Runtime.
 */
import { shapeError } from "../errors.ts";
import { intAttribute, sizeOf } from "../graph.ts";
import { store } from "./cast.ts";
import { broadcastPlaces } from "./places.ts";
import {
  type Data,
  emptyLike,
  type Fold,
  foldingOne,
  inputOf,
  type Known,
  outputOf,
  pick,
} from "./rule.ts";

/** A function of floats and one of integers; undefined where an operator has none or leaves it open. */
type Floats = (a: number, b: number) => number | undefined;
type Integers = (a: bigint, b: bigint) => bigint | undefined;

/** An input's elements, repeated to the shape of the output. */
export function spread(at: Known, index: number): Data {
  const { data, shape } = inputOf(at, index);
  const places = broadcastPlaces(shape, outputOf(at).shape);
  return pick(data, places.length, (i) => places[i] as number);
}

/** `made` of pairs of elements of two equally long arrays of one type. */
function combine(a: Data, b: Data, floats: Floats, integers: Integers): Data | undefined {
  const made = emptyLike(a, a.length);
  const float = a instanceof Float32Array || a instanceof Float64Array;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    const value = float ? floats(x, y) : integers(BigInt(x), BigInt(y));
    if (value === undefined) return undefined;
    if (typeof value === "bigint") store(made, i, value);
    else made[i] = value;
  }
  return made;
}

const isBool = (at: Known): boolean => outputOf(at).type === "bool";

/** From two inputs or more, joined from the left; one input is its own result. */
const joining = (floats: Floats, integers: Integers): Fold =>
  foldingOne((at) => {
    if (isBool(at)) return undefined;
    let made: Data | undefined = spread(at, 0);
    for (let i = 1; i < at.inputs.length && made; i++)
      made = combine(made, spread(at, i), floats, integers);
    return made;
  });

const alone = (
  floats: (a: number) => number | undefined,
  integers: (a: bigint) => bigint | undefined,
): Fold =>
  foldingOne((at) => {
    const { data } = inputOf(at, 0);
    return isBool(at) ? undefined : combine(data, data, floats, integers);
  });

const none = (): undefined => undefined;

function refuseZero(at: Known): void {
  const { type, data } = inputOf(at, 1);
  if (!type.startsWith("float") && Array.from(data, Number).includes(0))
    throw shapeError(at.node, at.inputs, "integers are divided by zero");
}

const div = foldingOne((at) => {
  refuseZero(at);
  const [a, b] = [spread(at, 0), spread(at, 1)];
  return isBool(at)
    ? undefined
    : combine(
        a,
        b,
        (x, y) => x / y,
        (x, y) => x / y,
      );
});

/** With `fmod` the sign of the dividend, otherwise, for integers only, that of the divisor. */
const mod = foldingOne((at) => {
  refuseZero(at);
  const like = intAttribute(at.node, "fmod", 0) === 1;
  const [a, b] = [spread(at, 0), spread(at, 1)];
  return combine(
    a,
    b,
    (x, y) => (like ? x % y : undefined),
    (x, y) => (like ? x % y : ((x % y) + y) % y),
  );
});

/** Only where the result is exact: powers of whole numbers, roots of squares. */
const pow = foldingOne((at) => {
  const [a, b] = [spread(at, 0), spread(at, 1)];
  const made = emptyLike(a, sizeOf(outputOf(at).shape));
  for (let i = 0; i < made.length; i++) {
    const value = Number(a[i]) ** Number(b[i]);
    if (made instanceof Float32Array || made instanceof Float64Array) made[i] = value;
    else if (Number.isFinite(value)) store(made, i, BigInt(Math.trunc(value)));
    if (Number(made[i]) !== value || !Number.isSafeInteger(value * 2 ** 10)) return undefined;
  }
  return made;
});

/** Half to even. */
const round = (value: number): number => {
  const near = Math.round(value);
  return near - value === 0.5 && near % 2 !== 0 ? near - 1 : near;
};

const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);

export function larger(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

export function smaller(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

export const arithmeticFolds = {
  Abs: alone(Math.abs, magnitude),
  Add: joining(
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  Ceil: alone(Math.ceil, none),
  Div: div,
  Floor: alone(Math.floor, none),
  Max: joining(Math.max, larger),
  Min: joining(Math.min, smaller),
  Mod: mod,
  Mul: joining(
    (a, b) => a * b,
    (a, b) => a * b,
  ),
  Neg: alone(
    (a) => -a,
    (a) => -a,
  ),
  Pow: pow,
  Reciprocal: alone((a) => 1 / a, none),
  Round: alone(round, none),
  Sqrt: alone(Math.sqrt, none),
  Sub: joining(
    (a, b) => a - b,
    (a, b) => a - b,
  ),
} satisfies Record<string, Fold>;
