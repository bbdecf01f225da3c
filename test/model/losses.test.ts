/**
 * Losses, penalties and clipping against plain TypeScript that follows the formulas, against values known in
 * closed form, and their gradients against central differences.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createRandom, type Random } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import { sizeOf } from "../../src/model/onnx/graph.ts";
import { clipGradients } from "../../src/model/onnx/loss/clip.ts";
import { LossOptions } from "../../src/model/onnx/loss/options.ts";
import { addPenalties } from "../../src/model/onnx/loss/penalties.ts";
import { lossOf } from "../../src/model/onnx/loss/table.ts";
import { createRuntime, type Engine } from "../../src/model/onnx/run.ts";
import {
  apart,
  evaluator,
  expectClose,
  expectGradients,
  type NumericInput,
  uniform,
} from "./numeric.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createRuntime().engine();
});

/** Class indices are constants of the graph; they are not float32. */
type Target =
  | NumericInput
  | { readonly shape: readonly number[]; readonly indices: readonly number[] };

const declare = (graph: GraphBuilder, target: Target): string =>
  "indices" in target
    ? graph.constant("target", {
        type: "int64",
        shape: target.shape,
        data: BigInt64Array.from(target.indices, BigInt),
      })
    : graph.input("target", { type: "float32", shape: target.shape });

async function evaluate(
  inputs: Readonly<Record<string, NumericInput>>,
  build: (graph: GraphBuilder) => readonly string[],
): Promise<number[][]> {
  const graph = new GraphBuilder();
  const outputs = build(graph).map((name) => graph.emit("Identity", [name]));
  const program = await evaluator(engine, graph.build("test", outputs));
  const values = (await program.run(inputs)).map((value) => [...value]);
  await program.release();
  return values;
}

/** The loss of each example, and the gradient of their mean with respect to the output. */
async function lossAndGradient(options: unknown, output: NumericInput, target: Target) {
  const parsed = LossOptions.parse(options);
  const inputs = { output, ...("indices" in target ? {} : { target }) };
  const [losses = [], gradient = []] = await evaluate(inputs, (graph) => {
    graph.input("output", { type: "float32", shape: output.shape });
    const loss = lossOf(graph, parsed, "output", declare(graph, target));
    expect(graph.shapeOf(loss)).toEqual([output.shape[0]]);
    const mean = graph.emit("ReduceMean", [loss], { keepdims: { int: 0 } });
    return [loss, differentiate(graph, mean, ["output"]).get("output") as string];
  });
  return { losses, gradient };
}

const checkGradients = (options: unknown, output: NumericInput, target: Target): Promise<void> => {
  const parsed = LossOptions.parse(options);
  return expectGradients(engine, [output], (graph, [name = ""]) => {
    const data = "indices" in target ? undefined : target.values;
    const fixed = data
      ? graph.constant("target", { type: "float32", shape: target.shape, data })
      : declare(graph, target);
    return lossOf(graph, parsed, name, fixed);
  });
};

const row = (values: ArrayLike<number>, shape: readonly number[]): NumericInput => ({
  shape,
  values: Float32Array.from(values),
});
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const size = fc.integer({ min: 1, max: 4 });
const runs = { numRuns: 25, seed: 1 };

/** PyTorch's `cross_entropy`, element by element: [batch, classes, inner] with the class axis in the middle. */
interface Case {
  readonly batch: number;
  readonly classes: number;
  readonly inner: number;
  readonly smoothing: number;
  readonly weights: readonly number[] | undefined;
  readonly ignore: number | undefined;
}
function torchCrossEntropy(
  at: Case,
  x: (n: number, c: number, p: number) => number,
  target: (n: number, c: number, p: number) => number,
  index: ((n: number, p: number) => number) | undefined,
): number {
  let sum = 0;
  let total = 0;
  for (let n = 0; n < at.batch; n++)
    for (let p = 0; p < at.inner; p++) {
      const own = index?.(n, p);
      if (own !== undefined && own === at.ignore) continue;
      const row = Array.from({ length: at.classes }, (_, c) => x(n, c, p));
      const largest = Math.max(...row);
      const norm = largest + Math.log(row.reduce((all, v) => all + Math.exp(v - largest), 0));
      row.forEach((value, c) => {
        const given = own === undefined ? target(n, c, p) : Number(own === c);
        const aim = given * (1 - at.smoothing) + at.smoothing / at.classes;
        sum -= aim * (at.weights?.[c] ?? 1) * (value - norm);
      });
      total += own === undefined ? 1 : (at.weights?.[own] ?? 1);
    }
  return total === 0 ? 0 : sum / total;
}

describe("softmax cross-entropy", () => {
  const cases = fc.record({
    batch: size,
    classes: fc.integer({ min: 2, max: 4 }),
    inner: fc.constantFrom([], [3], [2, 2]),
    last: fc.boolean(),
    hard: fc.boolean(),
    smoothing: fc.constantFrom(0, 0.1, 1),
    weighted: fc.boolean(),
    ignore: fc.constantFrom(undefined, -100, 0),
    seed: fc.integer(),
  });
  type Drawn = typeof cases extends fc.Arbitrary<infer T> ? T : never;

  function drawn(at: Drawn) {
    const random = createRandom(at.seed);
    const count = sizeOf(at.inner);
    const shape = at.last
      ? [at.batch, ...at.inner, at.classes]
      : [at.batch, at.classes, ...at.inner];
    const output = uniform(random, shape, -3, 3);
    const indices = Array.from({ length: at.batch * count }, () =>
      at.ignore !== undefined && random.next() < 0.3
        ? at.ignore
        : Math.floor(random.next() * at.classes),
    );
    const soft = uniform(random, shape, 0, 1);
    const target: Target = at.hard ? { shape: [at.batch, ...at.inner], indices } : soft;
    const weights = at.weighted
      ? Array.from({ length: at.classes }, () => 0.5 + random.next())
      : undefined;
    const options = {
      kind: "softmax-cross-entropy",
      axis: at.last ? -1 : 1,
      labelSmoothing: at.smoothing,
      ...(weights ? { classWeights: weights } : {}),
      ...(at.hard && at.ignore !== undefined ? { ignoreIndex: at.ignore } : {}),
    };
    const place = (n: number, c: number, p: number): number =>
      at.last ? (n * count + p) * at.classes + c : (n * at.classes + c) * count + p;
    const plain = torchCrossEntropy(
      { ...at, inner: count, weights },
      (...where) => output.values[place(...where)] as number,
      (...where) => soft.values[place(...where)] as number,
      at.hard ? (n, p) => indices[n * count + p] as number : undefined,
    );
    return { options, output, target, plain };
  }

  test("its mean over a batch is PyTorch's", () =>
    fc.assert(
      fc.asyncProperty(cases, async (at) => {
        const { options, output, target, plain } = drawn(at);
        const { losses } = await lossAndGradient(options, output, target);
        expect(mean(losses)).toBeCloseTo(plain, 4);
      }),
      { numRuns: 60, seed: 1 },
    ));

  test("has the gradients of central differences", () =>
    fc.assert(
      fc.asyncProperty(cases, async (at) => {
        const { options, output, target } = drawn({ ...at, batch: Math.min(2, at.batch) });
        await checkGradients(options, output, target);
      }),
      { numRuns: 25, seed: 2 },
    ));

  test("by hand: log 2 where two classes tie; a share for every class with smoothing", async () => {
    const kind = "softmax-cross-entropy";
    const output = row([0, 0, Math.log(3), 0], [2, 2]);
    const { losses } = await lossAndGradient({ kind }, output, { shape: [2], indices: [0, 0] });
    expect(losses[0]).toBeCloseTo(Math.log(2), 6);
    expect(losses[1]).toBeCloseTo(Math.log(4 / 3), 6);
    const smooth = await lossAndGradient({ kind, labelSmoothing: 0.5 }, output, {
      shape: [2],
      indices: [0, 0],
    });
    expect(smooth.losses[1]).toBeCloseTo(0.75 * Math.log(4 / 3) + 0.25 * Math.log(4), 6);
  });

  test("images have their classes on axis 1", async () => {
    const output = uniform(createRandom(1), [2, 3, 2, 2]);
    const target = { shape: [2, 2, 2], indices: [0, 1, 2, 0, 1, 2, 0, 1] };
    const { losses } = await lossAndGradient({ kind: "softmax-cross-entropy" }, output, target);
    const named = await lossAndGradient({ kind: "softmax-cross-entropy", axis: 1 }, output, target);
    expect(losses).toEqual(named.losses);
  });

  test("a batch in which nothing counts has loss and gradient 0", async () => {
    const { losses, gradient } = await lossAndGradient(
      { kind: "softmax-cross-entropy", ignoreIndex: -100 },
      row([1, 2, 3, 4], [2, 2]),
      { shape: [2], indices: [-100, -100] },
    );
    expect([...losses, ...gradient].every((value) => Math.abs(value) === 0)).toBe(true);
  });

  test("does not fit: both types are named", async () => {
    const output = row([1, 2, 3, 4], [2, 2]);
    const kind = "softmax-cross-entropy";
    const fails = (options: object, target: Target) =>
      expect(lossAndGradient({ kind, ...options }, output, target)).rejects;
    await fails({}, { shape: [3], indices: [0, 1, 1] }).toThrow(
      "loss softmax-cross-entropy: with classes on axis 1 the target must be [2]; " +
        "output: float32[2,2], target: int64[3]",
    );
    await fails({ classWeights: [1] }, { shape: [2], indices: [0, 1] }).toThrow(/1 class weights/);
    await fails({ ignoreIndex: 0 }, output).toThrow(/ignoreIndex needs/);
    await fails({ axis: 0 }, output).toThrow(/axis 0 is not/);
  });
});

/** Losses of one output x and target t; an example's loss is their mean (squared error: half their sum). */
const ELEMENT_LOSSES: readonly {
  readonly options: { readonly kind: string; readonly [key: string]: unknown };
  readonly plain: (x: number, t: number) => number;
  readonly sums?: true;
}[] = [
  { options: { kind: "squared-error" }, plain: (x, t) => (x - t) ** 2 / 2, sums: true },
  { options: { kind: "absolute-error" }, plain: (x, t) => Math.abs(x - t) },
  ...[0.3, 1].map((delta) => ({
    options: { kind: "huber", delta },
    plain: (x: number, t: number): number => {
      const d = Math.abs(x - t);
      return d <= delta ? d ** 2 / 2 : delta * (d - delta / 2);
    },
  })),
  ...[1, 3].map((positiveWeight) => ({
    options: { kind: "binary-cross-entropy", positiveWeight },
    plain: (x: number, t: number): number =>
      positiveWeight * t * Math.log1p(Math.exp(-x)) + (1 - t) * Math.log1p(Math.exp(x)),
  })),
];

describe.each(ELEMENT_LOSSES)("$options", ({ options, plain, sums }) => {
  const shapes = fc.array(size, { minLength: 1, maxLength: 3 });
  const targetsOf = (random: Random, shape: readonly number[]): NumericInput =>
    uniform(random, shape, 0, 1);

  test("is its formula", () =>
    fc.assert(
      fc.asyncProperty(shapes, fc.integer(), async (shape, seed) => {
        const random = createRandom(seed);
        const output = uniform(random, shape, -3, 3);
        const target = targetsOf(random, shape);
        const { losses } = await lossAndGradient(options, output, target);
        const each = [...output.values].map((x, i) => plain(x, target.values[i] as number));
        const width = each.length / losses.length;
        const wanted = losses.map((_, n) => {
          const own = each.slice(n * width, (n + 1) * width);
          return mean(own) * (sums ? width : 1);
        });
        expectClose(losses, wanted, "losses", 1e-5);
      }),
      runs,
    ));

  test("has the gradients of central differences", () =>
    fc.assert(
      fc.asyncProperty(shapes, fc.integer(), async (shape, seed) => {
        const output = apart(createRandom(seed), shape);
        await checkGradients(
          options,
          output,
          row(
            output.values.map(() => 0),
            shape,
          ),
        );
      }),
      runs,
    ));
});

describe("binary cross-entropy", () => {
  test("stays exact far out: x - t * x, and 0 where the answer is right", async () => {
    const output = row([1e4, 1e4, -1e4, -1e4, 20, 0], [6, 1]);
    const target = row([1, 0, 1, 0, 1, 0.5], [6, 1]);
    const { losses, gradient } = await lossAndGradient(
      { kind: "binary-cross-entropy" },
      output,
      target,
    );
    expect(losses.slice(0, 4)).toEqual([0, 1e4, 1e4, 0]);
    expect((losses[4] as number) / Math.exp(-20)).toBeCloseTo(1, 5);
    expect(losses[5]).toBeCloseTo(Math.log(2), 6);
    expectClose(gradient, [0, 1 / 6, -1 / 6, 0, 0, 0], "gradient", 1e-6);
  });
});

test("softmax cross-entropy stays exact far out", async () => {
  const output = row([1e4, -1e4, 0, 1e4, -1e4, 0], [2, 3]);
  const target = { shape: [2], indices: [0, 1] };
  const kind = "softmax-cross-entropy";
  const { losses, gradient } = await lossAndGradient({ kind }, output, target);
  expectClose(losses, [0, 2e4], "losses", 0);
  expectClose(gradient, [0, 0, 0, 0.5, -0.5, 0], "gradient", 1e-6);
});

test("squares of large errors stay finite", async () => {
  for (const kind of ["squared-error", "absolute-error", "huber"]) {
    const { losses, gradient } = await lossAndGradient(
      { kind },
      row([1e4, -1e4], [1, 2]),
      row([-1e4, 1e4], [1, 2]),
    );
    expect([...losses, ...gradient].every(Number.isFinite)).toBe(true);
  }
});

describe("InfoNCE", () => {
  /** The formula, example by example. */
  function plain(a: number[][], b: number[][], temperature: number): number[] {
    const unit = (v: number[]): number[] => v.map((x) => x / Math.hypot(...v));
    const [left, right] = [a.map(unit), b.map(unit)];
    const similarity = left.map((u) =>
      right.map((v) => u.reduce((sum, x, k) => sum + x * (v[k] as number), 0) / temperature),
    );
    const logSum = (values: number[]): number =>
      Math.log(mean(values.map(Math.exp)) * values.length);
    return similarity.map((own, i) => {
      const column = similarity.map((other) => other[i] as number);
      return (logSum(own) + logSum(column)) / 2 - (own[i] as number);
    });
  }
  const rows = (input: NumericInput): number[][] => {
    const [, width = 1] = input.shape;
    return Array.from({ length: input.shape[0] ?? 0 }, (_, n) => [
      ...input.values.subarray(n * width, (n + 1) * width),
    ]);
  };

  test("is its formula, with the gradients of central differences for both views", () =>
    fc.assert(
      fc.asyncProperty(size, size, fc.constantFrom(0.5, 1), fc.integer(), async (n, k, t, seed) => {
        const random = createRandom(seed);
        const views = [uniform(random, [n, k], 0.2, 1), uniform(random, [n, k], -1, -0.2)] as const;
        const options = { kind: "info-nce", temperature: t } as const;
        const { losses } = await lossAndGradient(options, ...views);
        expectClose(losses, plain(rows(views[0]), rows(views[1]), t), "losses", 1e-4);
        await expectGradients(engine, views, (graph, [a = "", b = ""]) =>
          lossOf(graph, options, a, b),
        );
      }),
      { numRuns: 12, seed: 1 },
    ));

  test("is log(batch) where all views are equal, and finite for zeros", async () => {
    const ones = row(Array(12).fill(1), [4, 3]);
    const { losses } = await lossAndGradient({ kind: "info-nce" }, ones, ones);
    expectClose(losses, Array(4).fill(Math.log(4)), "losses", 1e-5);
    const zeros = row(Array(12).fill(0), [4, 3]);
    const dead = await lossAndGradient({ kind: "info-nce" }, zeros, zeros);
    expect([...dead.losses, ...dead.gradient].every(Number.isFinite)).toBe(true);
  });
});

test("sizes that differ are refused with both types", async () => {
  await expect(
    lossAndGradient({ kind: "huber" }, row([1, 2], [2, 1]), row([1, 2, 3], [3, 1])),
  ).rejects.toThrow(/loss huber: .* output: float32\[2,1\], target: float32\[3,1\]/);
});

test("penalties add l1 |w| + l2/2 |w|^2", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(size, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(0, 0.1, 2),
      fc.constantFrom(0, 0.3),
      fc.integer(),
      async (shape, l1, l2, seed) => {
        const inputs = { a: apart(createRandom(seed), shape), b: row([3, -4], [2]) };
        const [[loss] = [], ...gradients] = await evaluate(inputs, (graph) => {
          for (const [name, { shape }] of Object.entries(inputs))
            graph.input(name, { type: "float32", shape });
          const data = graph.emit("ReduceSum", ["b"], { keepdims: { int: 0 } });
          const seen = graph.emit("Add", [
            data,
            graph.emit("ReduceSum", ["a"], { keepdims: { int: 0 } }),
          ]);
          const total = addPenalties(graph, seen, ["a", "b"], { l1, l2 });
          return [total, ...differentiate(graph, total, ["a", "b"]).values()];
        });
        const all = [...inputs.a.values, ...inputs.b.values];
        const wanted = all.reduce((sum, w) => sum + w + l1 * Math.abs(w) + (l2 / 2) * w * w, 0);
        expect(loss).toBeCloseTo(wanted, 3);
        expectClose(
          gradients.flat(),
          all.map((w) => 1 + l1 * Math.sign(w) + l2 * w),
          "gradients",
          1e-5,
        );
      },
    ),
    runs,
  ));

describe("clipping of gradients", () => {
  const clipped = (
    inputs: Record<string, NumericInput>,
    clip: Parameters<typeof clipGradients>[2],
  ) =>
    evaluate(inputs, (graph) => {
      for (const [name, { shape }] of Object.entries(inputs))
        graph.input(name, { type: "float32", shape });
      const names = new Map(Object.keys(inputs).map((name) => [`of ${name}`, name]));
      const result = clipGradients(graph, names, clip);
      expect([...result.keys()]).toEqual([...names.keys()]);
      return [...result.values()];
    });

  test("by norm and by value, as PyTorch does", () =>
    fc.assert(
      fc.asyncProperty(
        fc.option(fc.constantFrom(0.1, 1, 100), { nil: undefined }),
        fc.option(fc.constantFrom(0.2, 5), { nil: undefined }),
        fc.integer(),
        async (norm, value, seed) => {
          const random = createRandom(seed);
          const inputs = {
            a: uniform(random, [2, 3]),
            b: uniform(random, [4]),
            c: uniform(random, []),
          };
          const flat = Object.values(inputs).flatMap(({ values }) => [...values]);
          const bounded = flat.map((g) =>
            value === undefined ? g : Math.min(value, Math.max(-value, g)),
          );
          const factor =
            norm === undefined ? 1 : Math.min(1, norm / (Math.hypot(...bounded) + 1e-6));
          const result = (await clipped(inputs, { norm, value })).flat();
          expectClose(
            result,
            bounded.map((g) => g * factor),
            "clipped",
            1e-5,
          );
          if (norm !== undefined) expect(Math.hypot(...result)).toBeLessThan(norm * (1 + 1e-5));
        },
      ),
      runs,
    ));

  test("gradients of 0 stay 0", async () => {
    expect(await clipped({ a: row([0, 0], [2]) }, { norm: 1 })).toEqual([[0, 0]]);
  });
});
