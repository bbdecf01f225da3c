/** Gradients of operators that read or write elements by index. Indices have none. */
import { unsupportedError } from "../errors.ts";
import { axisOf, intAttribute, stringAttribute } from "../graph.ts";
import { type GradientContext, type GradientRule, inputOf, reshape, zeros } from "./rule.ts";
import { asInt64, scatterAlong } from "./scatter.ts";

const dataShape = (at: GradientContext): readonly number[] => at.graph.shapeOf(inputOf(at, 0));

const gather: GradientRule = (at) => {
  const shape = dataShape(at);
  const axis = axisOf(intAttribute(at.node, "axis", 0), shape.length);
  return [scatterAlong(at.graph, at.upstream, inputOf(at, 1), shape, axis)];
};

const add = { reduction: { string: "add" } };
const axisAttribute = (at: GradientContext) => ({
  axis: { int: intAttribute(at.node, "axis", 0) },
});

const gatherElements: GradientRule = (at) => {
  const inputs = [zeros(at.graph, dataShape(at)), inputOf(at, 1), at.upstream];
  return [at.graph.emit("ScatterElements", inputs, { ...axisAttribute(at), ...add })];
};

const gatherND: GradientRule = (at) => {
  const batchDims = intAttribute(at.node, "batch_dims", 0);
  const inputs = [zeros(at.graph, dataShape(at)), withBatch(at, batchDims), at.upstream];
  return [at.graph.emit("ScatterND", inputs, add)];
};

/** The indices with those of the batch axes written out before them, as ScatterND wants them. */
function withBatch(at: GradientContext, batchDims: number): string {
  const { graph } = at;
  const indices = asInt64(graph, inputOf(at, 1));
  if (batchDims === 0) return indices;
  const shape = graph.shapeOf(indices);
  const parts = shape.slice(0, batchDims).map((size, axis) => {
    const own = shape.map((_, k) => (k === axis ? size : 1));
    const count = graph.ints(Array.from({ length: size }, (_, i) => i));
    const wide = graph.ints([...shape.slice(0, -1), 1]);
    return graph.emit("Expand", [reshape(graph, count, own), wide]);
  });
  return graph.emit("Concat", [...parts, indices], { axis: { int: -1 } });
}

/**
 * Writing `updates` into `data`: the updates' gradient is read from where they were written; the data's is
 * the upstream, without what was overwritten. (Where two updates meet with no reduction, ONNX leaves the
 * result open.)
 */
const scatter =
  (read: (at: GradientContext) => string): GradientRule =>
  (at) => {
    const reduction = stringAttribute(at.node, "reduction", "none");
    if (reduction !== "none" && reduction !== "add")
      throw unsupportedError(at.node, `reduction ${reduction} has no gradient`, "use none or add");
    return [
      reduction === "add" || !at.needs(0) ? at.upstream : overwritten(at),
      undefined,
      at.needs(2) ? read(at) : undefined,
    ];
  };

const overwritten = (at: GradientContext): string => {
  const nothing = zeros(at.graph, at.graph.shapeOf(inputOf(at, 2)));
  return at.graph.emit(
    at.node.operator,
    [at.upstream, inputOf(at, 1), nothing],
    at.node.attributes,
  );
};

const scatterElements = scatter((at) =>
  at.graph.emit("GatherElements", [at.upstream, inputOf(at, 1)], axisAttribute(at)),
);
const scatterND = scatter((at) => at.graph.emit("GatherND", [at.upstream, inputOf(at, 1)]));

export const gatherGradients = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
} satisfies Record<string, GradientRule>;
