/** Einsum's equations: "bij,bjk->bik" (https://onnx.ai/onnx/operators/onnx__Einsum.html). */
import { shapeError, unsupportedError } from "../errors.ts";
import { type Node, stringAttribute } from "../graph.ts";
import { required, type ShapeRule } from "./rule.ts";

export interface Equation {
  /** The letters of each operand's axes. */
  readonly operands: readonly string[];
  readonly output: string;
}

const FIX = "write it with MatMul, Transpose and ReduceSum";

/** Errors: `InputError` for an ellipsis and for a letter twice in one term. */
export function equationOf(node: Node): Equation {
  const text = stringAttribute(node, "equation", "").replaceAll(" ", "");
  const [left = "", right] = text.split("->");
  if (text.includes("."))
    throw unsupportedError(node, `an ellipsis, as in ${text}, is not supported`, FIX);
  const operands = left.split(",");
  const output = right ?? implicitOutput(left);
  for (const term of [...operands, output])
    if (new Set(term).size !== term.length || /[^A-Za-z]/.test(term))
      throw unsupportedError(node, `the term ${term} of ${text} is not one letter an axis`, FIX);
  return { operands, output };
}

/** Without an arrow: the letters that stand once, in order. */
const implicitOutput = (left: string): string =>
  [...left.replaceAll(",", "")]
    .filter((letter, _, all) => all.indexOf(letter) === all.lastIndexOf(letter))
    .sort()
    .join("");

/**
 * The size of each letter's axis; undefined if two differ. (Nor does an axis of 1 broadcast: ONNX Runtime's
 * own inference takes it for the size.) */
export function letterSizes(
  terms: readonly string[],
  shapes: readonly (readonly number[])[],
): Map<string, number> | undefined {
  const sizes = new Map<string, number>();
  for (const [i, term] of terms.entries())
    for (const [axis, letter] of [...term].entries()) {
      const size = shapes[i]?.[axis] ?? 0;
      if ((sizes.get(letter) ?? size) !== size) return undefined;
      sizes.set(letter, size);
    }
  return sizes;
}

const einsum: ShapeRule = (at) => {
  const equation = equationOf(at.node);
  const types = at.inputs.map((_, i) => required(at, i));
  const fits =
    types.length === equation.operands.length &&
    types.every(({ shape }, i) => shape.length === equation.operands[i]?.length);
  const sizes = letterSizes(
    equation.operands,
    types.map(({ shape }) => shape),
  );
  const shape = [...equation.output].map((letter) => sizes?.get(letter));
  if (!fits || !sizes || shape.includes(undefined))
    throw shapeError(
      at.node,
      at.inputs,
      `the equation ${equation.operands}->${equation.output} does not fit`,
    );
  return [{ type: required(at, 0).type, shape: shape as number[] }];
};

export const einsumShapes = { Einsum: einsum } satisfies Record<string, ShapeRule>;
