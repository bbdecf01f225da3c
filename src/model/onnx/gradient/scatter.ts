/**
 * The gradient of taking elements by index along an axis, which is also that of strided slices and of
 * reflecting pads: each upstream row is added to the row it came from.
 *
 * ScatterND with reduction "add" over a table of zeros is the fastest form on ONNX Runtime: for 2048 rows
 * of a 65 x 128 table 0.15 ms, ScatterElements 2.5 ms, one-hot rows and MatMul 0.8 ms; for a 10,000 x 64
 * table the time is that of writing the zeros.
 */
import type { GraphBuilder } from "../builder.ts";
import { axisOf, ELEMENT_TYPES, sizeOf } from "../graph.ts";
import { reshape, zeros } from "./rule.ts";

/** ScatterND and GatherND take int64 only. */
export const asInt64 = (graph: GraphBuilder, indices: string): string =>
  graph.typeOf(indices).type === "int64"
    ? indices
    : graph.emit("Cast", [indices], { to: { int: ELEMENT_TYPES.int64 } });

/**
 * The gradient, of `shape`, of the values whose elements `indices` were taken along `axis`; `upstream` has
 * the axes of `indices` in the place of `axis`. Repeated indices add up; negative ones count from the end.
 */
export function scatterAlong(
  graph: GraphBuilder,
  upstream: string,
  indices: string,
  shape: readonly number[],
  axis: number,
): string {
  const [before, after] = [shape.slice(0, axis), shape.slice(axis + 1)];
  const count = sizeOf(graph.shapeOf(indices));
  const size = shape[axis] ?? 0;
  const first = startOfRun(graph.constantOf(indices), size);
  if (first !== undefined) {
    const seen = reshape(graph, upstream, [...before, count, ...after]);
    return padAxis(graph, seen, axis, first, size - count - first);
  }
  const rows = exchange(graph, upstream, [sizeOf(before), count, sizeOf(after)]);
  const table = graph.emit(
    "ScatterND",
    [
      zeros(graph, [size, sizeOf(before), sizeOf(after)]),
      reshape(graph, asInt64(graph, indices), [count, 1]),
      rows,
    ],
    { reduction: { string: "add" } },
  );
  return reshape(graph, exchange(graph, table, [size, sizeOf(before), sizeOf(after)]), shape);
}

/** Where indices that count up by one begin: such rows are put back by zeros around them. */
function startOfRun(indices: readonly number[] | undefined, size: number): number | undefined {
  const places = indices?.map((index) => axisOf(index, size));
  const start = places?.[0];
  return places?.every((place, i) => place === (start ?? 0) + i) ? start : undefined;
}

function padAxis(
  graph: GraphBuilder,
  value: string,
  axis: number,
  begin: number,
  end: number,
): string {
  if (begin === 0 && end === 0) return value;
  return graph.emit("Pad", [value, graph.ints([begin, end]), "", graph.ints([axis])]);
}

/** A value, seen as [a, b, c], as [b, a, c]. */
function exchange(graph: GraphBuilder, value: string, shape: readonly number[]): string {
  const [a = 1, b = 1, c = 1] = shape;
  if (a === 1 || b === 1) return reshape(graph, value, [b, a, c]);
  const seen = reshape(graph, value, shape);
  return graph.emit("Transpose", [seen], { perm: { ints: [1, 0, 2] } });
}

/** The gradient of taking elements start, start + step, ... of an axis. */
export function unslice(
  graph: GraphBuilder,
  upstream: string,
  shape: readonly number[],
  axis: number,
  { start, step }: { readonly start: number; readonly step: number },
): string {
  const count = graph.shapeOf(upstream)[axis] ?? 0;
  const places = Array.from({ length: count }, (_, i) => start + i * step);
  return scatterAlong(graph, upstream, graph.ints(places), shape, axis);
}
