/** Shapes of matrix products. */
import { shapeError } from "../errors.ts";
import { intAttribute } from "../graph.ts";
import { einsumShapes } from "./einsum.ts";
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

/** NumPy's matmul: a factor of one dimension is a row on the left, a column on the right. */
const matMul: ShapeRule = (at) => {
  const a = required(at, 0);
  const b = required(at, 1);
  if (a.shape.length === 0 || b.shape.length === 0)
    throw shapeError(at.node, at.inputs, "scalars have no matrix product", "use Mul");
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [m = 0, k] = left.slice(-2);
  const [inner, n = 0] = right.slice(-2);
  if (k !== inner) throw shapeError(at.node, at.inputs, `inner sizes ${k} and ${inner} differ`);
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2));
  if (!batch) throw shapeError(at.node, at.inputs, "batch axes cannot be broadcast");
  const rows = a.shape.length === 1 ? [] : [m];
  const columns = b.shape.length === 1 ? [] : [n];
  return [{ type: a.type, shape: [...batch, ...rows, ...columns] }];
};

export const matmulShapes = { ...einsumShapes, Gemm: gemm, MatMul: matMul } satisfies Record<
  string,
  ShapeRule
>;
