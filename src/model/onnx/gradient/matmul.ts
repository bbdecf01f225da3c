/** Gradients of matrix products. g = dLoss/dY. */
import type { GraphBuilder } from "../builder.ts";
import { floatAttribute, intAttribute, sizeOf } from "../graph.ts";
import { broadcast } from "../shape/rule.ts";
import { einsum } from "./einsum.ts";
import { type GradientContext, type GradientRule, inputOf, reshape, unbroadcast } from "./rule.ts";

/** Y = alpha A' B' + beta C. With A' = A: dA = alpha g B'^T; with A' = A^T: dA = alpha B' g^T; B likewise. */
const gemm: GradientRule = (at) => {
  const { graph, upstream } = at;
  const [a, b, c] = [inputOf(at, 0), inputOf(at, 1), inputOf(at, 2)];
  const transA = intAttribute(at.node, "transA", 0);
  const transB = intAttribute(at.node, "transB", 0);
  const alpha = floatAttribute(at.node, "alpha", 1);
  const product = (left: string, leftT: number, right: string, rightT: number): string =>
    graph.emit("Gemm", [left, right], {
      transA: { int: leftT },
      transB: { int: rightT },
      ...(alpha === 1 ? {} : { alpha: { float: alpha } }),
    });
  const dA = (): string =>
    transA ? product(b, transB, upstream, 1) : product(upstream, 0, b, 1 - transB);
  const dB = (): string =>
    transB ? product(upstream, 1, a, transA) : product(a, 1 - transA, upstream, 0);
  return [
    at.needs(0) ? dA() : undefined,
    at.needs(1) ? dB() : undefined,
    c !== "" && at.needs(2) ? addend(at, c) : undefined,
  ];
};

function addend(at: GradientContext, c: string): string {
  const beta = floatAttribute(at.node, "beta", 1);
  const sum = unbroadcast(at.graph, at.upstream, at.graph.shapeOf(c));
  return beta === 1 ? sum : at.graph.emit("Mul", [sum, at.graph.scalar(beta)]);
}

/**
 * dA = g B^T, dB = A^T g over the last two axes, summed over broadcast batch axes. A factor of one
 * dimension is a matrix of one row or column. The usual trained weight, a matrix without batch axes on the
 * right, has ONE product over all rows of the batch, however many axes that has.
 */
const matMul: GradientRule = (at) => {
  const { graph } = at;
  const [a, b] = [inputOf(at, 0), inputOf(at, 1)];
  const [shapeA, shapeB] = [graph.shapeOf(a), graph.shapeOf(b)];
  const left = shapeA.length === 1 ? [1, ...shapeA] : shapeA;
  const right = shapeB.length === 1 ? [...shapeB, 1] : shapeB;
  const [m = 1, k = 1] = left.slice(-2);
  const [, n = 1] = right.slice(-2);
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2)) ?? [];
  const flatRight = sizeOf(right) === k * n && sizeOf(batch) * m * k === sizeOf(left);
  const products = flatRight ? rowsTimesMatrix : batchedProducts;
  const rows = sizeOf(batch) * m;
  const [asA, asB, asG] = flatRight
    ? [
        [rows, k],
        [k, n],
        [rows, n],
      ]
    : [left, right, [...batch, m, n]];
  const { dA, dB } = products(
    graph,
    reshape(graph, a, asA),
    reshape(graph, b, asB),
    reshape(graph, at.upstream, asG),
  );
  const finish = (gradient: string, to: readonly number[], given: readonly number[]): string =>
    reshape(graph, unbroadcast(graph, gradient, to), given);
  return [
    at.needs(0) ? finish(dA(), asA, shapeA) : undefined,
    at.needs(1) ? finish(dB(), asB, shapeB) : undefined,
  ];
};

interface Products {
  dA(): string;
  dB(): string;
}

const rowsTimesMatrix = (graph: GraphBuilder, a: string, b: string, g: string): Products => ({
  dA: () => graph.emit("Gemm", [g, b], { transB: { int: 1 } }),
  dB: () => graph.emit("Gemm", [a, g], { transA: { int: 1 } }),
});

/** (ONNX Runtime fuses these Transposes into the products.) */
const batchedProducts = (graph: GraphBuilder, a: string, b: string, g: string): Products => {
  const swapped = (name: string): string => {
    const order = graph.shapeOf(name).map((_, axis) => axis);
    const last = order.length - 1;
    return graph.emit("Transpose", [name], {
      perm: { ints: [...order.slice(0, -2), last, last - 1] },
    });
  };
  return {
    dA: () => graph.emit("MatMul", [g, swapped(b)]),
    dB: () => graph.emit("MatMul", [swapped(a), g]),
  };
};

export const matmulGradients = {
  Einsum: einsum,
  Gemm: gemm,
  MatMul: matMul,
} satisfies Record<string, GradientRule>;
