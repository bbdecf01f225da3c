/**
 * Losses as parts of a graph. Each answers the loss of every example, [batch]: the mean over the batch is the
 * caller's. Where an example has several positions (pixels, time steps) or outputs, its loss is the mean over
 * them unless the loss says otherwise.
 */
import { InputError } from "../../../core/errors.ts";
import type { GraphBuilder } from "../builder.ts";
import { describeType } from "../errors.ts";
import { reshape } from "../gradient/rule.ts";
import { ELEMENT_TYPES, sizeOf } from "../graph.ts";

export interface LossContext<Options> {
  readonly graph: GraphBuilder;
  /** [batch, ...], float32. */
  readonly output: string;
  /** What the output is compared with; [batch, ...]. */
  readonly target: string;
  readonly options: Options;
}

/** Answers a value of shape [batch]. Errors: `InputError` GRAPH_LOSS where output and target do not fit. */
export type Loss<Options> = (at: LossContext<Options>) => string;

/** Output and target as matrices [batch, outputs] of float32. */
export function matricesOf(at: LossContext<{ kind: string }>): readonly [string, string] {
  const { graph, output } = at;
  const shape = graph.shapeOf(output);
  if (sizeOf(shape) !== sizeOf(graph.shapeOf(at.target)))
    throw lossError(at, "output and target differ in size");
  const [batch = 1] = shape;
  const matrix = [batch, sizeOf(shape) / batch];
  const { float32 } = ELEMENT_TYPES;
  const target =
    graph.typeOf(at.target).type === "float32"
      ? at.target
      : graph.emit("Cast", [at.target], { to: { int: float32 } });
  return [reshape(graph, output, matrix), reshape(graph, target, matrix)];
}

/** Mean over the rows of a matrix: [batch, outputs] to [batch]. */
export const rowMean = (graph: GraphBuilder, matrix: string): string =>
  graph.emit("ReduceMean", [matrix, graph.ints([1])], { keepdims: { int: 0 } });

export const lossError = (
  at: LossContext<{ kind: string }>,
  message: string,
  fix?: string,
): InputError =>
  new InputError([
    {
      code: "GRAPH_LOSS",
      message:
        `loss ${at.options.kind}: ${message}; output: ${describeType(at.graph.typeOf(at.output))}, ` +
        `target: ${describeType(at.graph.typeOf(at.target))}`,
      fix,
    },
  ]);
