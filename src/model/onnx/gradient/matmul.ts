/** Gradients of matrix products. g = dLoss/dY. */
import { floatAttribute, intAttribute } from "../graph.ts";
import { type GradientContext, type GradientRule, inputOf, unbroadcast } from "./rule.ts";

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

/** dA = g B^T, dB = A^T g over the last two axes, summed over broadcast batch axes. */
const matMul: GradientRule = (at) => {
  const { graph, upstream } = at;
  const swapped = (name: string): string => {
    const order = graph.shapeOf(name).map((_, axis) => axis);
    const last = order.length - 1;
    return graph.emit("Transpose", [name], {
      perm: { ints: [...order.slice(0, -2), last, last - 1] },
    });
  };
  const [a, b] = [inputOf(at, 0), inputOf(at, 1)];
  const finish = (left: string, right: string, like: string): string =>
    unbroadcast(graph, graph.emit("MatMul", [left, right]), graph.shapeOf(like));
  return [
    at.needs(0) ? finish(upstream, swapped(b), a) : undefined,
    at.needs(1) ? finish(swapped(a), upstream, b) : undefined,
  ];
};

export const matmulGradients = { Gemm: gemm, MatMul: matMul } satisfies Record<
  string,
  GradientRule
>;
