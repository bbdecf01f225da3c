/**
 * Gradients of operators that work element by element. Where a derivative does not exist, PyTorch's choice
 * is ours: inputs that share a maximum share its gradient equally, what lies at a bound of Clip has none, Abs has 0 at 0.
 */
import { type Formula, flat, formula, unary } from "./formula.ts";
import { type GradientContext, type GradientRule, inputOf, unbroadcast } from "./rule.ts";

/** Gradients of broadcast inputs: computed only where needed, then summed to the input's shape. */
const broadcasting =
  (
    ...derivatives: readonly ((at: Formula, b: string, context: GradientContext) => string)[]
  ): GradientRule =>
  (at) =>
    derivatives.map((derive, i) =>
      at.needs(i)
        ? unbroadcast(
            at.graph,
            derive(formula(at), inputOf(at, 1), at),
            at.graph.shapeOf(inputOf(at, i)),
          )
        : undefined,
    );

const add = broadcasting(
  ({ g }) => g,
  ({ g }) => g,
);
const sub = broadcasting(
  ({ g }) => g,
  ({ g, op }) => op("Neg", g),
);
const mul = broadcasting(
  ({ g, op }, b) => op("Mul", g, b),
  ({ x, g, op }) => op("Mul", g, x),
);
/** d(a/b)/da = 1/b, d(a/b)/db = -y/b. */
const div = broadcasting(
  ({ g, op }, b) => op("Div", g, b),
  ({ y, g, op }, b) => op("Neg", op("Mul", g, op("Div", y, b))),
);

/**
 * d(x^p)/dx = p x^(p-1), which is 0 for p = 0 even at x = 0; d(x^p)/dp = y log x, which is 0 at x = 0 for
 * p >= 0. To a negative base a trained exponent has no derivative: NaN, as in PyTorch.
 */
const pow = broadcasting(
  ({ x, g, op }, exponent, { graph }) => {
    const powers = graph.constantOf(exponent);
    const [power] = powers ?? [];
    if (powers?.length === 1 && power !== undefined) return op("Mul", g, slope(op, x, power));
    const p = floats(graph, exponent);
    const general = op("Mul", p, op("Pow", x, op("Sub", p, 1)));
    if (powers?.every((each) => each !== 0)) return op("Mul", g, general);
    return op("Mul", g, op("Where", op("Equal", p, 0), 0, general));
  },
  ({ x, y, g, op }, p) => {
    const atZero = op("And", op("Equal", x, 0), op("GreaterOrEqual", p, 0));
    return op("Mul", g, op("Where", atZero, 0, op("Mul", y, op("Log", x))));
  },
);

/** p x^(p-1) for a known p, in cheap operators. */
function slope(op: Formula["op"], x: string, p: number): string | number {
  if (p === 0 || p === 1) return p;
  if (p === 2) return op("Add", x, x);
  if (p === 3) return op("Mul", op("Mul", x, x), 3);
  return op("Mul", op("Pow", x, p - 1), p);
}

const floats = (graph: GradientContext["graph"], value: string): string =>
  graph.typeOf(value).type === "float32" ? value : graph.emit("Cast", [value], { to: { int: 1 } });

/** One entry for each of any number of broadcast inputs. */
const variadic =
  (derive: (at: Formula, input: string, context: GradientContext) => string): GradientRule =>
  (at) =>
    at.node.inputs.map((input, i) =>
      at.needs(i)
        ? unbroadcast(at.graph, derive(formula(at), input, at), at.graph.shapeOf(input))
        : undefined,
    );

const sum = variadic(({ g }) => g);
const mean = variadic(({ g, op }, _, { node }) => op("Mul", g, 1 / node.inputs.length));

/** Of Max and Min: the inputs that equal the output share its gradient equally. */
const extreme: GradientRule = (at) => {
  const { y, g, op, mask } = formula(at);
  const { inputs } = at.node;
  const wins = inputs.map((input) => mask(op("Equal", input, y)));
  const share = inputs.length === 1 ? g : op("Div", g, op("Sum", ...wins));
  return inputs.map((input, i) =>
    at.needs(i)
      ? unbroadcast(at.graph, op("Mul", share, wins[i] as string), at.graph.shapeOf(input))
      : undefined,
  );
};

/** The input has the gradient strictly between the bounds, each bound where the input lies beyond it. */
const clip: GradientRule = (at) => {
  const { x, g, op, mask } = formula(at);
  const [low, high] = [inputOf(at, 1), inputOf(at, 2)];
  const inside = (): string => {
    const above = low && op("Greater", x, low);
    const below = high && op("Less", x, high);
    if (!above && !below) return g;
    return op("Mul", g, mask(above && below ? op("And", above, below) : above || below));
  };
  const beyond = (index: number, comparison: string): string | undefined =>
    at.needs(index)
      ? unbroadcast(at.graph, op("Mul", g, mask(op(comparison, x, inputOf(at, index)))), [])
      : undefined;
  return [at.needs(0) ? inside() : undefined, beyond(1, "Less"), beyond(2, "Greater")];
};

/** Where, not a mask: what was not chosen may be infinite upstream. */
const where: GradientRule = (at) => {
  const { x: condition, g, op } = formula(at);
  const chosen = (index: number, a: string | number, b: string | number): string | undefined =>
    at.needs(index)
      ? unbroadcast(at.graph, op("Where", condition, a, b), at.graph.shapeOf(inputOf(at, index)))
      : undefined;
  return [undefined, chosen(1, g, 0), chosen(2, 0, g)];
};

const square = (op: Formula["op"], x: string): string => op("Mul", x, x);
/** 1 / sqrt(1 - x^2), the slope of the arcsine. */
const arc = ({ x, g, op }: Formula): string =>
  op("Div", g, op("Sqrt", op("Sub", 1, square(op, x))));

export const elementwiseGradients = {
  Abs: unary(({ x, g, op }) => op("Mul", g, op("Sign", x))),
  Acos: unary((at) => at.op("Neg", arc(at))),
  Acosh: unary(({ x, g, op }) => op("Div", g, op("Sqrt", op("Sub", square(op, x), 1)))),
  Add: add,
  And: flat,
  Asin: unary(arc),
  Asinh: unary(({ x, g, op }) => op("Div", g, op("Sqrt", op("Add", square(op, x), 1)))),
  Atan: unary(({ x, g, op }) => op("Div", g, op("Add", square(op, x), 1))),
  Atanh: unary(({ x, g, op }) => op("Div", g, op("Sub", 1, square(op, x)))),
  Ceil: flat,
  Clip: clip,
  Cos: unary(({ x, g, op }) => op("Neg", op("Mul", g, op("Sin", x)))),
  Cosh: unary(({ x, g, op }) => op("Mul", g, op("Sinh", x))),
  Div: div,
  Equal: flat,
  Erf: unary(({ x, g, op }) =>
    op("Mul", g, op("Mul", op("Exp", op("Neg", square(op, x))), 2 / Math.sqrt(Math.PI))),
  ),
  Exp: unary(({ y, g, op }) => op("Mul", g, y)),
  Floor: flat,
  Greater: flat,
  GreaterOrEqual: flat,
  Identity: unary(({ g }) => g),
  IsInf: flat,
  IsNaN: flat,
  Less: flat,
  LessOrEqual: flat,
  Log: unary(({ x, g, op }) => op("Div", g, x)),
  Max: extreme,
  Mean: mean,
  Min: extreme,
  Mul: mul,
  Neg: unary(({ g, op }) => op("Neg", g)),
  Not: flat,
  Or: flat,
  Pow: pow,
  Reciprocal: unary(({ y, g, op }) => op("Neg", op("Mul", g, square(op, y)))),
  Round: flat,
  Sign: flat,
  Sin: unary(({ x, g, op }) => op("Mul", g, op("Cos", x))),
  Sinh: unary(({ x, g, op }) => op("Mul", g, op("Cosh", x))),
  Sqrt: unary(({ y, g, op }) => op("Div", g, op("Add", y, y))),
  Sub: sub,
  Sum: sum,
  Tan: unary(({ y, g, op }) => op("Mul", g, op("Add", square(op, y), 1))),
  Where: where,
  Xor: flat,
} satisfies Record<string, GradientRule>;
