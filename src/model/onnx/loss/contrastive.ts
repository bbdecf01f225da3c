/**
 * InfoNCE (van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018) in the
 * symmetric form of CLIP (Radford et al., 2021): no labels, the batch is its own.
 */
import { z } from "zod";
import type { GraphBuilder } from "../builder.ts";
import { type Loss, matricesOf } from "./rule.ts";

export const InfoNce = z.strictObject({
  kind: z.literal("info-nce"),
  /** Divides the cosine similarities: the lower, the more the hardest negatives count. */
  temperature: z.number().positive().default(0.1),
});

/**
 * Output and target are two views of the same examples, [batch, features]. S[i, j] is the cosine of view i of the
 * output with view j of the target, divided by the temperature; the loss of example i is the mean of
 * -log softmax(S[i, :])[i] and -log softmax(S[:, i])[i].
 */
export const infoNce: Loss<z.infer<typeof InfoNce>> = (at) => {
  const { graph, options } = at;
  const [a, b] = matricesOf(at);
  const similarity = graph.emit("Gemm", [unitRows(graph, a), unitRows(graph, b)], {
    alpha: { float: 1 / options.temperature },
    transB: { int: 1 },
  });
  const [batch = 0] = graph.shapeOf(similarity);
  const own = graph.constant(graph.freshName("own"), {
    type: "float32",
    shape: [batch, batch],
    data: Float32Array.from({ length: batch * batch }, (_, i) =>
      i % (batch + 1) === 0 ? -0.5 : 0,
    ),
  });
  const both = [0, 1].map((axis) =>
    graph.emit("LogSoftmax", [similarity], { axis: { int: axis } }),
  );
  const kept = graph.emit("Mul", [graph.emit("Add", both), own]);
  return graph.emit("ReduceSum", [kept, graph.ints([1])], { keepdims: { int: 0 } });
};

/** Rows of length 1; a row of zeros stays one. */
function unitRows(graph: GraphBuilder, matrix: string): string {
  const squares = graph.emit("ReduceSumSquare", [matrix, graph.ints([1])], {
    keepdims: { int: 1 },
  });
  const length = graph.emit("Sqrt", [graph.emit("Add", [squares, graph.scalar(1e-12)])]);
  return graph.emit("Div", [matrix, length]);
}
