/** Folds of comparisons, logic and choices. */
import { sizeOf } from "../graph.ts";
import { spread } from "./arithmetic.ts";
import { type Fold, foldingOne, inputOf, outputOf, pick } from "./rule.ts";

type Element = number | bigint;

/** Truth of each pair of broadcast elements of one type. */
const judging = (holds: (a: Element, b: Element) => boolean): Fold =>
  foldingOne((at) => {
    const [a, b] = [spread(at, 0), spread(at, 1)];
    return Uint8Array.from({ length: a.length }, (_, i) =>
      holds(a[i] as Element, b[i] as Element) ? 1 : 0,
    );
  });

const not = foldingOne((at) => (inputOf(at, 0).data as Uint8Array).map((a) => (a ? 0 : 1)));

const where = foldingOne((at) => {
  const [condition, yes, no] = [spread(at, 0), spread(at, 1), spread(at, 2)];
  const made = pick(yes, sizeOf(outputOf(at).shape), (i) => i);
  for (let i = 0; i < made.length; i++) if (!condition[i]) made[i] = no[i] as number;
  return made;
});

export const logicFolds = {
  And: judging((a, b) => Boolean(a) && Boolean(b)),
  Equal: judging((a, b) => a === b),
  Greater: judging((a, b) => a > b),
  GreaterOrEqual: judging((a, b) => a >= b),
  Less: judging((a, b) => a < b),
  LessOrEqual: judging((a, b) => a <= b),
  Not: not,
  Or: judging((a, b) => Boolean(a) || Boolean(b)),
  Where: where,
  Xor: judging((a, b) => Boolean(a) !== Boolean(b)),
} satisfies Record<string, Fold>;
