/**
 * Computes small constants while a graph is built: exporters write shapes as arithmetic (Shape, Gather,
 * Concat, Reshape), and static shapes make all of that known.
 */
import type { Initializer, Node, TensorType } from "./graph.ts";

export type Constant = Omit<Initializer, "name">;

export interface FoldContext {
  readonly node: Node;
  /** Types of the inputs; undefined where an optional input is left out. */
  readonly types: readonly (TensorType | undefined)[];
  /** Values of the inputs that are constants. */
  readonly values: readonly (Constant | undefined)[];
}

/** The outputs, or undefined if they cannot be known. */
export type Fold = (at: FoldContext) => readonly Constant[] | undefined;

/** Larger results are left to ONNX Runtime. */
export const FOLD_LIMIT = 65_536;

export const FOLDS: Readonly<Record<string, Fold>> = {};
