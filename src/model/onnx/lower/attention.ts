/**
 * Attention and RotaryEmbedding of operator set 23 written out as matrix products and softmax
 * (https://onnx.ai/onnx/operators/onnx__Attention.html, onnx__RotaryEmbedding.html), always: the set that we speak
 * does not have them.
 *
 * scores = cap(scale * Q K^T) + mask; Y = softmax(scores) V. The cap comes before the mask, as the standard says
 * since its correction (https://github.com/onnx/onnx/pull/7867).
 */
import { shapeError, unsupportedError } from "../errors.ts";
import { reshape } from "../gradient/rule.ts";
import { floatAttribute, intAttribute, type TensorType } from "../graph.ts";
import { split } from "./cells.ts";
import { inputAt, type Lowering, type LoweringContext } from "./rule.ts";

const [Q, K, V, MASK, PAST_KEY, PAST_VALUE, LENGTHS] = [0, 1, 2, 3, 4, 5, 6];

/** Added to scores that must not count: exp gives 0, and a row without any that counts stays finite. */
const NEVER = -1e30;

/** Q [batch, heads, queries, size], or [batch, queries, heads * size]; K and V alike. Y has Q's form. */
const attention: Lowering = (at) => {
  const { graph, node } = at;
  refuseCache(at);
  const merged = graph.shapeOf(inputAt(at, Q)).length === 3;
  const q = inHeads(at, Q, "q_num_heads", [0, 2, 1, 3]);
  const [batch = 0, heads = 0, queries = 0, size = 0] = graph.shapeOf(q);
  const k = repeated(at, inHeads(at, K, "kv_num_heads", [0, 2, 3, 1]), heads);
  const v = repeated(at, inHeads(at, V, "kv_num_heads", [0, 2, 1, 3]), heads);
  const scale = floatAttribute(node, "scale", 1 / Math.sqrt(size));
  const raw = graph.emit("MatMul", [graph.emit("Mul", [q, graph.scalar(scale)]), k]);
  const share = graph.emit("Softmax", [masked(at, capped(at, raw))], { axis: { int: -1 } });
  const y = graph.emit("MatMul", [share, v]);
  if (!merged) return [y];
  const rows = graph.emit("Transpose", [y], { perm: { ints: [0, 2, 1, 3] } });
  return [reshape(graph, rows, [batch, queries, heads * (graph.shapeOf(v)[3] ?? 0)])];
};

/** As [batch, heads, ...] in the order of `perm`, where [0, 2, 1, 3] is [batch, heads, length, size]. */
function inHeads(
  at: LoweringContext,
  index: number,
  attribute: string,
  perm: readonly number[],
): string {
  const { graph, node } = at;
  const value = inputAt(at, index);
  const shape = graph.shapeOf(value);
  const [batch = 0, length = 0, width = 0] = shape;
  if (shape.length === 4) {
    const inOrder = perm[2] === 1;
    return inOrder ? value : graph.emit("Transpose", [value], { perm: { ints: [0, 1, 3, 2] } });
  }
  const heads = intAttribute(node, attribute, 0);
  if (shape.length !== 3 || heads < 1 || width % heads !== 0)
    throw misfit(at, `input ${index} cannot be split into ${attribute} = ${heads} heads`);
  const apart = reshape(graph, value, [batch, length, heads, width / heads]);
  return graph.emit("Transpose", [apart], { perm: { ints: perm } });
}

/** Grouped queries: each head of K and V serves as many neighbouring heads of Q as there are more of these. */
function repeated(at: LoweringContext, value: string, heads: number): string {
  const { graph } = at;
  const [batch = 0, own = 0, ...rest] = graph.shapeOf(value);
  if (own === heads) return value;
  if (heads % own !== 0) throw misfit(at, `${heads} heads of queries cannot share ${own}`);
  const apart = reshape(graph, value, [batch, own, 1, ...rest]);
  const times = graph.ints([batch, own, heads / own, ...rest]);
  return reshape(graph, graph.emit("Expand", [apart, times]), [batch, heads, ...rest]);
}

/** cap * tanh(scores / cap) bends scores softly to at most `cap`. */
function capped(at: LoweringContext, scores: string): string {
  const { graph, node } = at;
  const cap = floatAttribute(node, "softcap", 0);
  if (cap === 0) return scores;
  const bent = graph.emit("Tanh", [graph.emit("Mul", [scores, graph.scalar(1 / cap)])]);
  return graph.emit("Mul", [bent, graph.scalar(cap)]);
}

function masked(at: LoweringContext, scores: string): string {
  const { graph, node } = at;
  let value = scores;
  const mask = inputAt(at, MASK);
  if (mask !== "") value = graph.emit("Add", [value, additive(at, mask)]);
  if (intAttribute(node, "is_causal", 0) === 0) return value;
  const [queries = 0, keys = 0] = graph.shapeOf(scores).slice(-2);
  const later = Float32Array.from({ length: queries * keys }, (_, i) =>
    i % keys > Math.floor(i / keys) ? NEVER : 0,
  );
  const name = graph.freshName("causal");
  graph.constant(name, { type: "float32", shape: [queries, keys], data: later });
  return graph.emit("Add", [value, name]);
}

/** A mask of booleans says what counts. */
const additive = ({ graph }: LoweringContext, mask: string): string =>
  graph.typeOf(mask).type === "bool"
    ? graph.emit("Where", [mask, graph.scalar(0), graph.scalar(NEVER)])
    : mask;

function refuseCache(at: LoweringContext): void {
  const { node } = at;
  for (const window of ["left_window_size", "right_window_size"])
    if (intAttribute(node, window, -1) >= 0)
      throw unsupportedError(node, `${window} is not supported`, "give the window as attn_mask");
  for (const index of [PAST_KEY, PAST_VALUE, LENGTHS])
    if (inputAt(at, index) !== "")
      throw unsupportedError(
        node,
        "caches of keys and values (past_key, past_value, nonpad_kv_seqlen) are not supported",
        "export the model without a cache",
      );
  if (node.outputs.slice(1).some((name) => name !== ""))
    throw unsupportedError(node, "outputs other than Y are not supported", "leave them out");
}

const misfit = (at: LoweringContext, message: string): Error => {
  const types = at.node.inputs.map((name): TensorType | undefined =>
    name === "" ? undefined : at.graph.typeOf(name),
  );
  return shapeError(at.node, types, message);
};

/**
 * Turns pairs (a, b) of the first `rotary_embedding_dim` elements of each head by an angle of its position:
 * (a cos - b sin, a sin + b cos). Pairs are neighbours if interleaved, otherwise one of each half. X is
 * [batch, heads, length, size] or [batch, length, heads * size]; the caches are [positions, pairs] with
 * position_ids [batch, length], or [batch, length, pairs] without.
 */
const rotaryEmbedding: Lowering = (at) => {
  const { graph, node } = at;
  const shape = graph.shapeOf(inputAt(at, 0));
  const x = shape.length === 3 ? inHeads(at, 0, "num_heads", [0, 2, 1, 3]) : inputAt(at, 0);
  const [batch = 0, heads = 0, length = 0, size = 0] = graph.shapeOf(x);
  const turning = intAttribute(node, "rotary_embedding_dim", 0) || size;
  const [turned = "", rest] = split(
    graph,
    x,
    3,
    turning < size ? [turning, size - turning] : [size],
  );
  const [cos = "", sin = ""] = [1, 2].map((index) => {
    const cache = inputAt(at, index);
    const ids = inputAt(at, 3);
    const rows = ids === "" ? cache : graph.emit("Gather", [cache, ids], { axis: { int: 0 } });
    return reshape(graph, rows, [batch, 1, length, turning / 2]);
  });
  const interleaved = intAttribute(node, "interleaved", 0) === 1;
  const pairs = interleaved ? [turning / 2, 2] : [2, turning / 2];
  const apart = reshape(graph, turned, [batch, heads, length, ...pairs]);
  const axis = interleaved ? 4 : 3;
  const flat = [batch, heads, length, turning / 2];
  const [a = "", b = ""] = split(graph, apart, axis, [1, 1]).map((one) =>
    reshape(graph, one, flat),
  );
  const times = (left: string, right: string): string => graph.emit("Mul", [left, right]);
  const both = [
    graph.emit("Sub", [times(a, cos), times(b, sin)]),
    graph.emit("Add", [times(a, sin), times(b, cos)]),
  ].map((one) => reshape(graph, one, [...flat.slice(0, axis), 1, ...flat.slice(axis)]));
  const joined = graph.emit("Concat", both, { axis: { int: axis } });
  const result = reshape(graph, joined, [batch, heads, length, turning]);
  const y =
    rest === undefined ? result : graph.emit("Concat", [result, rest], { axis: { int: 3 } });
  if (shape.length === 4) return [y];
  const back = graph.emit("Transpose", [y], { perm: { ints: [0, 2, 1, 3] } });
  return [reshape(graph, back, shape)];
};

export const attentionLowerings = {
  Attention: attention,
  RotaryEmbedding: rotaryEmbedding,
} satisfies Record<string, Lowering>;
