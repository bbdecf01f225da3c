/**
 * Gradients of reductions: the upstream gradient is spread back over the reduced axes. Elements that share
 * a maximum share its gradient equally (as PyTorch's amax does).
 */
import { axisOf, intAttribute, sizeOf } from "../graph.ts";
import { reducedAxes } from "../shape/reduce.ts";
import { type Formula, flat, formula } from "./formula.ts";
import { type GradientContext, type GradientRule, inputOf, reshape } from "./rule.ts";

interface Reduction extends Formula {
  /** The output and its gradient with the reduced axes kept as 1, so that they broadcast to the input. */
  readonly y: string;
  readonly g: string;
  /** How many elements went into each output. */
  readonly count: number;
  /** Of the input's shape. */
  spread(value: string): string;
  /** Sum over the same axes, kept. */
  sum(value: string): string;
  product(value: string): string;
}

function reductionOf(at: GradientContext): Reduction {
  const { graph } = at;
  const base = formula(at);
  const shape = graph.shapeOf(base.x);
  const given = inputOf(at, 1);
  const axes = reducedAxes(
    at.node,
    shape.length,
    given === "" ? undefined : graph.constantOf(given),
  );
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const again = (operator: string) => (value: string) =>
    graph.emit(operator, [value, graph.ints(axes)], {
      keepdims: { int: 1 },
      noop_with_empty_axes: { int: 1 },
    });
  return {
    ...base,
    get y() {
      return reshape(graph, base.y, kept);
    },
    g: reshape(graph, base.g, kept),
    count: sizeOf(shape) / sizeOf(kept),
    spread: (value) =>
      sizeOf(shape) === sizeOf(kept) ? value : graph.emit("Expand", [value, graph.ints(shape)]),
    sum: again("ReduceSum"),
    product: again("ReduceProd"),
  };
}

const reduction =
  (derive: (at: Reduction) => string): GradientRule =>
  (at) => [derive(reductionOf(at))];

const extreme = reduction(({ x, y, g, op, mask, sum }) => {
  const wins = mask(op("Equal", x, y));
  return op("Mul", wins, op("Div", g, sum(wins)));
});

/** The product of the others is y / x; where one element is 0, it alone has one; where two are, none has. */
const product = reduction(({ x, g, op, mask, sum, product: multiply }) => {
  const zero = mask(op("Equal", x, 0));
  const nonzero = op("Add", x, zero);
  const others = op("Div", op("Mul", g, multiply(nonzero)), nonzero);
  return op("Mul", others, mask(op("Equal", zero, sum(zero))));
});

/** Below this a norm counts as 0, whose gradient is 0: squares of such elements vanish in float32. */
const LEAST_NORM = 1e-18;

/** The gradient of the k best goes back to their places. */
const topK: GradientRule = (at) => {
  const { graph, node } = at;
  const shape = graph.shapeOf(inputOf(at, 0));
  const zeros = graph.emit("Expand", [graph.scalar(0), graph.ints(shape)]);
  const axis = axisOf(intAttribute(node, "axis", -1), shape.length);
  return [
    graph.emit("ScatterElements", [zeros, graph.extraOutput(node, 1), at.upstream], {
      axis: { int: axis },
    }),
  ];
};

/** Each element stands in the sums at and after it: sums of the gradient from the other end. */
const cumSum: GradientRule = (at) => [
  at.graph.emit("CumSum", [at.upstream, inputOf(at, 1)], {
    exclusive: { int: intAttribute(at.node, "exclusive", 0) },
    reverse: { int: 1 - intAttribute(at.node, "reverse", 0) },
  }),
];

export const reduceGradients = {
  ArgMax: flat,
  ArgMin: flat,
  CumSum: cumSum,
  ReduceL1: reduction(({ x, g, op }) => op("Mul", op("Sign", x), g)),
  ReduceL2: reduction(({ x, y, g, op }) => op("Mul", x, op("Div", g, op("Max", y, LEAST_NORM)))),
  ReduceLogSum: reduction(({ y, g, op, spread }) => spread(op("Mul", g, op("Exp", op("Neg", y))))),
  ReduceLogSumExp: reduction(({ x, y, g, op }) => op("Mul", g, op("Exp", op("Sub", x, y)))),
  ReduceMax: extreme,
  ReduceMean: reduction(({ g, op, count, spread }) => spread(op("Mul", g, 1 / count))),
  ReduceMin: extreme,
  ReduceProd: product,
  ReduceSum: reduction(({ g, spread }) => spread(g)),
  ReduceSumSquare: reduction(({ x, g, op }) => op("Mul", x, op("Mul", g, 2))),
  TopK: topK,
} satisfies Record<string, GradientRule>;
