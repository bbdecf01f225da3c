/**
 * The recurrent cells of ONNX as functions from the state before a time step to the state after it
 * (https://onnx.ai/onnx/operators/onnx__LSTM.html, onnx__GRU.html, onnx__RNN.html).
 *
 * Weights stack one block of `hidden` rows a gate. The products of the inputs with their weights need no
 * recurrence: one Gemm over all steps, both biases added. Biases may be left out: "".
 */
import type { GraphBuilder } from "../builder.ts";

/** One direction of a layer. */
export interface Direction {
  readonly graph: GraphBuilder;
  readonly hidden: number;
  readonly steps: number;
  /** Inputs of all steps, [steps * batch, inputs]. */
  readonly x: string;
  /** Weights of the inputs [gates * hidden, inputs] and of the state [gates * hidden, hidden]. */
  readonly w: string;
  readonly r: string;
  /** Their biases [gates * hidden]. */
  readonly wb: string;
  readonly rb: string;
  /** Operators, in the order of the node's attribute `activations`. */
  readonly activations: readonly string[];
  /** Whether GRU applies its reset gate after the product with the weights instead of before. */
  readonly resetsLast: boolean;
}

/** [h], or [h, c] for LSTM; each of shape [batch, hidden]. */
export type State = readonly string[];
/** The state after time step `time`. */
export type Step = (state: State, time: number) => State;

export interface Cell {
  readonly gates: number;
  /** Values in a state. */
  readonly states: number;
  readonly activations: readonly string[];
  step(at: Direction): Step;
}

/** Pieces of `value` along `axis`. */
export const split = (
  graph: GraphBuilder,
  value: string,
  axis: number,
  sizes: readonly number[],
): readonly string[] =>
  sizes.length === 1
    ? [value]
    : graph.emitAll(
        "Split",
        [value, graph.ints(sizes)],
        { axis: { int: axis } },
        { outputs: sizes.length },
      );

/** x w^T + bias. */
const affine = (graph: GraphBuilder, x: string, w: string, bias: string): string =>
  graph.emit("Gemm", bias === "" ? [x, w] : [x, w, bias], { transB: { int: 1 } });

/** For each time step the inputs' share of the gates, [batch, rows of w]. */
function projected({ graph, x, steps }: Direction, w: string, bias: string): readonly string[] {
  const all = affine(graph, x, w, bias);
  const batch = (graph.shapeOf(all)[0] ?? 0) / steps;
  return split(graph, all, 0, Array<number>(steps).fill(batch));
}

const sum = (graph: GraphBuilder, a: string, b: string): string =>
  a === "" || b === "" ? a || b : graph.emit("Add", [a, b]);

/** h' = f(x W^T + h R^T + b). */
const rnnStep = (at: Direction): Step => {
  const { graph, r } = at;
  const [f = ""] = at.activations;
  const x = projected(at, at.w, sum(graph, at.wb, at.rb));
  return ([h = ""], time) => [graph.emit(f, [affine(graph, h, r, x[time] ?? "")])];
};

/** Gates i, o, f and the candidate g: c' = f * c + i * g, h' = o * tanh(c'). */
const lstmStep = (at: Direction): Step => {
  const { graph, hidden, r } = at;
  const [gate = "", candidate = "", squash = ""] = at.activations;
  const x = projected(at, at.w, sum(graph, at.wb, at.rb));
  return ([h = "", c = ""], time) => {
    const raw = split(graph, affine(graph, h, r, x[time] ?? ""), 1, [3 * hidden, hidden]);
    const open = graph.emit(gate, [raw[0] ?? ""]);
    const [i = "", o = "", f = ""] = split(graph, open, 1, [hidden, hidden, hidden]);
    const g = graph.emit(candidate, [raw[1] ?? ""]);
    const kept = graph.emit("Mul", [f, c]);
    const cell = graph.emit("Add", [kept, graph.emit("Mul", [i, g])]);
    return [graph.emit("Mul", [o, graph.emit(squash, [cell])]), cell];
  };
};

/**
 * Gates z, r and the candidate n: h' = (1 - z) * n + z * h, where n sees (r * h) R^T, or r * (h R^T + b) if the
 * gate resets last.
 */
const gruStep = (at: Direction): Step => {
  const { graph, hidden } = at;
  const [gate = "", candidate = ""] = at.activations;
  const parts = (value: string): readonly string[] =>
    value === "" ? ["", ""] : split(graph, value, 0, [2 * hidden, hidden]);
  const [[wGates = "", wNew = ""], [rGates = "", rNew = ""]] = [parts(at.w), parts(at.r)];
  const [[wbGates = "", wbNew = ""], [rbGates = "", rbNew = ""]] = [parts(at.wb), parts(at.rb)];
  const xGates = projected(at, wGates, sum(graph, wbGates, rbGates));
  const xNew = projected(at, wNew, at.resetsLast ? wbNew : sum(graph, wbNew, rbNew));
  return ([h = ""], time) => {
    const open = graph.emit(gate, [affine(graph, h, rGates, xGates[time] ?? "")]);
    const [z = "", reset = ""] = split(graph, open, 1, [hidden, hidden]);
    const x = xNew[time] ?? "";
    const raw = at.resetsLast
      ? sum(graph, x, graph.emit("Mul", [reset, affine(graph, h, rNew, rbNew)]))
      : affine(graph, graph.emit("Mul", [reset, h]), rNew, x);
    const n = graph.emit(candidate, [raw]);
    const back = graph.emit("Mul", [z, graph.emit("Sub", [h, n])]);
    return [graph.emit("Add", [n, back])];
  };
};

export const CELLS = {
  GRU: { gates: 3, states: 1, activations: ["Sigmoid", "Tanh"], step: gruStep },
  LSTM: { gates: 4, states: 2, activations: ["Sigmoid", "Tanh", "Tanh"], step: lstmStep },
  RNN: { gates: 1, states: 1, activations: ["Tanh"], step: rnnStep },
} satisfies Record<string, Cell>;
