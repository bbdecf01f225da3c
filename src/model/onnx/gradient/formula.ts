/** Shorthand in which a derivative reads like its formula: `op("Mul", g, op("Cos", x))`. */
import { ELEMENT_TYPES } from "../graph.ts";
import { type GradientContext, type GradientRule, inputOf, outputOf } from "./rule.ts";

export interface Formula {
  /** First input. */
  readonly x: string;
  /** First output. */
  readonly y: string;
  /** dLoss/dy. */
  readonly g: string;
  /** Adds an operator; numbers are float32 constants. */
  op(operator: string, ...operands: readonly (string | number)[]): string;
  /** 1 where the condition holds, else 0. (Multiplying by a mask is faster than Where, and than Sign.) */
  mask(condition: string): string;
}

export function formula(at: GradientContext): Formula {
  const { graph } = at;
  return {
    x: inputOf(at, 0),
    y: outputOf(at),
    g: at.upstream,
    op: (operator, ...operands) =>
      graph.emit(
        operator,
        operands.map((each) => (typeof each === "number" ? graph.scalar(each) : each)),
      ),
    mask: (condition) => graph.emit("Cast", [condition], { to: { int: ELEMENT_TYPES.float32 } }),
  };
}

/** The rule of an operator with one differentiable input. */
export const unary =
  (derive: (at: Formula, context: GradientContext) => string): GradientRule =>
  (at) => [derive(formula(at), at)];

/**
 * The rule of operators whose derivative is zero wherever it exists (Sign, Floor) and of those that answer
 * bool or integers: no gradient passes. A parameter behind nothing else counts as unused, which is an error.
 */
export const flat: GradientRule = () => [];
