/**
 * Lowering: an operator that is written out as simpler ones when a model is bound, because its gradient, its
 * training mode or its state is easier said that way (LSTM, BatchNormalization, Dropout).
 */
import type { GraphBuilder } from "../builder.ts";
import type { Node } from "../graph.ts";

export interface LoweringContext {
  readonly graph: GraphBuilder;
  /** The model's node, upgraded to our operator set; its inputs are names of values in `graph`. */
  readonly node: Node;
  /** Whether the graph is for a training step (statistics of the batch, dropped units) or for judging. */
  readonly training: boolean;
  /** Whether the value in `graph` is a tensor that is trained. */
  isTrained(name: string): boolean;
  /** What the state tensor `name` holds at this place: its value, or what an earlier node made of it. */
  stateOf(name: string): string;
  /** After the step, the state tensor `name` (a fed initializer, in `graph`) is to hold `value`. */
  updateState(name: string, value: string): void;
  /** Uniform numbers in [0, 1) of this shape, drawn anew for each step from the run's seeded stream. */
  random(shape: readonly number[]): string;
}

/**
 * One name in `graph` for each of the node's outputs (undefined for one that cannot be had), or undefined
 * to leave the node as it is.
 */
export type Lowering = (at: LoweringContext) => readonly (string | undefined)[] | undefined;

export const inputAt = (at: LoweringContext, index: number): string => at.node.inputs[index] ?? "";
