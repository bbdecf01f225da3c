/** Shapes of matrix products. */
import { shapeError } from "../errors.ts";
import { intAttribute } from "../graph.ts";
import { broadcast, required, type ShapeRule } from "./rule.ts";

/** Y[m,n] = alpha * A' B' + beta * C, where A' is A or its transpose. */
const gemm: ShapeRule = (at) => {
  const a = required(at, 0);
  const b = required(at, 1);
  if (a.shape.length !== 2 || b.shape.length !== 2)
    throw shapeError(at.node, at.inputs, "both factors must be matrices", "flatten the input");
  const transA = intAttribute(at.node, "transA", 0);
  const transB = intAttribute(at.node, "transB", 0);
  const [m, k] = transA ? [a.shape[1], a.shape[0]] : a.shape;
  const [inner, n] = transB ? [b.shape[1], b.shape[0]] : b.shape;
  if (k !== inner) throw shapeError(at.node, at.inputs, `inner sizes ${k} and ${inner} differ`);
  const shape = [m ?? 0, n ?? 0];
  const c = at.inputs[2];
  if (c && broadcast(c.shape, shape)?.join() !== shape.join())
    throw shapeError(at.node, at.inputs, `the addend does not broadcast to [${shape.join()}]`);
  return [{ type: a.type, shape }];
};

/** NumPy's matmul for two or more dimensions. */
const matMul: ShapeRule = (at) => {
  const a = required(at, 0);
  const b = required(at, 1);
  if (a.shape.length < 2 || b.shape.length < 2)
    throw shapeError(at.node, at.inputs, "factors of one dimension are not supported", "reshape");
  const [m, k] = a.shape.slice(-2);
  const [inner, n] = b.shape.slice(-2);
  if (k !== inner) throw shapeError(at.node, at.inputs, `inner sizes ${k} and ${inner} differ`);
  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (!batch) throw shapeError(at.node, at.inputs, "batch axes cannot be broadcast");
  return [{ type: a.type, shape: [...batch, m ?? 0, n ?? 0] }];
};

export const matmulShapes = { Gemm: gemm, MatMul: matMul } satisfies Record<string, ShapeRule>;
