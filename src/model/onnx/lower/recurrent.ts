/**
 * LSTM, GRU and RNN written out over their time steps, so that they are differentiated like everything else.
 * For judging the node is left to ONNX Runtime's own kernel, which knows only the layout with time first.
 *
 * Inputs X [steps, batch, inputs], W [directions, gates * hidden, inputs], R [directions, gates * hidden, hidden],
 * B [directions, 2 * gates * hidden], sequence_lens, initial_h and initial_c [directions, batch, hidden], P.
 * Outputs Y [steps, directions, batch, hidden], Y_h and Y_c [directions, batch, hidden]. With layout 1 the
 * batch comes first in all of them but the weights.
 */
import { unsupportedError } from "../errors.ts";
import { reshape } from "../gradient/rule.ts";
import { intAttribute, type Node, stringAttribute } from "../graph.ts";
import { recurrentShapes } from "../shape/recurrent.ts";
import type { ShapeRule } from "../shape/rule.ts";
import { CELLS, type Cell, type Direction, type State, split } from "./cells.ts";
import { inputAt, type Lowering, type LoweringContext } from "./rule.ts";

const [X, W, R, B, LENGTHS, INITIAL, PEEPHOLES] = [0, 1, 2, 3, 4, 5, 7];

const unrolled =
  (cell: Cell, checkShapes: ShapeRule): Lowering =>
  (at) => {
    const { graph, node } = at;
    const batchFirst = intAttribute(node, "layout", 0) === 1;
    if (!at.training && !batchFirst) return undefined;
    refuse(at);
    const inputs = node.inputs.map((name) => (name === "" ? undefined : graph.typeOf(name)));
    checkShapes({ node, inputs, constant: () => undefined });
    const exchange = (value: string, perm: readonly number[]): string =>
      batchFirst ? graph.emit("Transpose", [value], { perm: { ints: perm } }) : value;
    const x = exchange(inputAt(at, X), [1, 0, 2]);
    const [steps = 0, batch = 0, width = 0] = graph.shapeOf(x);
    refuseShortSequences(at, steps);
    const [directions = 1, , hidden = 0] = graph.shapeOf(inputAt(at, R));
    const rows = reshape(graph, x, [steps * batch, width]);
    const starts = initialStates(at, cell, [directions, batch, hidden], exchange);
    const runs = directionsOf(at, cell, { x: rows, steps, hidden }, directions).map((along, d) =>
      run(cell.step(along), starts[d] ?? [], timesOf(node, d, steps)),
    );
    const sequences = runs.map(({ outputs }) =>
      reshape(graph, joined(at, outputs, 0), [steps, 1, batch, hidden]),
    );
    const ends = starts[0]?.map((_, i) => {
      const each = runs.map(({ state }) => reshape(graph, state[i] ?? "", [1, batch, hidden]));
      return exchange(joined(at, each, 0), [1, 0, 2]);
    });
    return [exchange(joined(at, sequences, 1), [2, 0, 1, 3]), ...(ends ?? [])];
  };

/** Runs over `times` in their order; `outputs` are in the order of time. */
function run(
  step: ReturnType<Cell["step"]>,
  start: State,
  times: readonly number[],
): { outputs: readonly string[]; state: State } {
  const outputs: string[] = [];
  let state = start;
  for (const time of times) {
    state = step(state, time);
    outputs[time] = state[0] ?? "";
  }
  return { outputs, state };
}

function timesOf(node: Node, direction: number, steps: number): readonly number[] {
  const times = Array.from({ length: steps }, (_, time) => time);
  const backwards = stringAttribute(node, "direction", "forward") === "reverse" || direction === 1;
  return backwards ? times.reverse() : times;
}

/** The weights of each direction, on their own. */
function directionsOf(
  at: LoweringContext,
  cell: Cell,
  common: Pick<Direction, "x" | "steps" | "hidden">,
  count: number,
): readonly Direction[] {
  const { graph, node } = at;
  const gates = cell.gates * common.hidden;
  const each = (name: string, shape: readonly number[]): readonly string[] =>
    split(graph, name, 0, Array<number>(count).fill(1)).map((one) => reshape(graph, one, shape));
  const w = each(inputAt(at, W), [gates, graph.shapeOf(inputAt(at, W))[2] ?? 0]);
  const r = each(inputAt(at, R), [gates, common.hidden]);
  const b = inputAt(at, B) === "" ? [] : each(inputAt(at, B), [2 * gates]);
  const activations = activationsOf(at, cell, count);
  return w.map((weights, d) => {
    const [wb = "", rb = ""] = b[d] === undefined ? [] : split(graph, b[d], 0, [gates, gates]);
    return {
      ...common,
      graph,
      w: weights,
      r: r[d] ?? "",
      wb,
      rb,
      activations: activations.slice(d * cell.activations.length),
      resetsLast: intAttribute(node, "linear_before_reset", 0) !== 0,
    };
  });
}

/** For each direction the state before its first step: zeros where the node gives none. */
function initialStates(
  at: LoweringContext,
  cell: Cell,
  shape: readonly [number, number, number],
  exchange: (value: string, perm: readonly number[]) => string,
): readonly State[] {
  const { graph } = at;
  const [directions, ...one] = shape;
  const states = Array.from({ length: cell.states }, (_, i) => {
    const given = inputAt(at, INITIAL + i);
    const zeros = (): string => graph.emit("Expand", [graph.scalar(0), graph.ints(one)]);
    if (given === "") return Array.from({ length: directions }, zeros);
    const each = split(graph, exchange(given, [1, 0, 2]), 0, Array<number>(directions).fill(1));
    return each.map((value) => reshape(graph, value, one));
  });
  return Array.from({ length: directions }, (_, d) => states.map((values) => values[d] ?? ""));
}

const joined = (at: LoweringContext, values: readonly string[], axis: number): string =>
  values.length === 1
    ? (values[0] ?? "")
    : at.graph.emit("Concat", values, { axis: { int: axis } });

const ACTIVATIONS = ["Relu", "Sigmoid", "Tanh"];

function activationsOf(at: LoweringContext, cell: Cell, directions: number): readonly string[] {
  const given = at.node.attributes.activations;
  const names = given && "strings" in given ? given.strings : [];
  if (names.length === 0) return Array(directions).fill(cell.activations).flat();
  return names.map((name) => {
    const known = ACTIVATIONS.find((each) => each.toLowerCase() === name.toLowerCase());
    if (known) return known;
    throw unsupportedError(
      at.node,
      `the activation ${name} is not supported`,
      `use ${ACTIVATIONS.join(", ")}`,
    );
  });
}

function refuse(at: LoweringContext): void {
  const { node } = at;
  if (node.attributes.clip) throw unsupportedError(node, "clip is not supported", "leave it out");
  if (intAttribute(node, "input_forget", 0) !== 0)
    throw unsupportedError(node, "coupled gates (input_forget) are not supported", "set it to 0");
  if (inputAt(at, PEEPHOLES) !== "")
    throw unsupportedError(node, "peepholes (input P) are not supported", "leave them out");
}

/** Sequences of different lengths would need a mask at every step. */
function refuseShortSequences(at: LoweringContext, steps: number): void {
  const name = inputAt(at, LENGTHS);
  if (name === "" || at.graph.constantOf(name)?.every((length) => length === steps)) return;
  throw unsupportedError(
    at.node,
    "sequences of different lengths (sequence_lens) are not supported",
    "pad them, leave sequence_lens out and ignore the padding in the loss",
  );
}

export const recurrentLowerings = {
  GRU: unrolled(CELLS.GRU, recurrentShapes.GRU),
  LSTM: unrolled(CELLS.LSTM, recurrentShapes.LSTM),
  RNN: unrolled(CELLS.RNN, recurrentShapes.RNN),
} satisfies Record<string, Lowering>;
