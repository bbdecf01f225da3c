import { describe, expect, test } from "vitest";
import { createKernels } from "../../src/core/kernels/create.ts";
import { createRandom } from "../../src/core/random.ts";
import { createOptimizer } from "../../src/optimize/optimizer.ts";
import { createRule } from "../../src/optimize/rule.ts";
import { ScheduleSpec, scheduleFactor } from "../../src/optimize/schedule.ts";
import { OptimizerSpec } from "../../src/optimize/spec.ts";

const kernels = createKernels();
const make = (spec: unknown, length: number) =>
  createOptimizer(OptimizerSpec.parse(spec), length, kernels);

describe("schedules in closed form", () => {
  const at = (spec: unknown, clock: number) => scheduleFactor(ScheduleSpec.parse(spec), clock);
  test.each([
    [{ kind: "constant" }, 1000, 1],
    [{ kind: "step", every: 10, factor: 0.5 }, 9, 1],
    [{ kind: "step", every: 10, factor: 0.5 }, 35, 0.125],
    [{ kind: "multistep", at: [10, 30], factor: 0.1 }, 9, 1],
    [{ kind: "multistep", at: [10, 30], factor: 0.1 }, 10, 0.1],
    [{ kind: "multistep", at: [10, 30], factor: 0.1 }, 31, 0.1 * 0.1],
    [{ kind: "exp", gamma: 0.9 }, 2, 0.81],
    [{ kind: "inv", gamma: 0.5, power: 2 }, 6, 1 / 16],
    [{ kind: "inverse-sqrt" }, 24, 0.2],
    [{ kind: "poly", maxClocks: 100, power: 2 }, 50, 0.25],
    [{ kind: "poly", maxClocks: 100 }, 200, 0],
    [{ kind: "cosine", clocks: 100, floor: 0.1 }, 50, 0.55],
  ])("%j at clock %i is %f", (spec, clock, factor) => {
    expect(at(spec, clock)).toBeCloseTo(factor, 12);
    expect(at(spec, 0)).toBe(1);
  });
  test("a cosine after a ramp", () => {
    const spec = { kind: "cosine", clocks: 110, warmup: 10, floor: 0.1 };
    for (const [clock, factor] of [
      [0, 0.1],
      [4, 0.5],
      [10, 1],
      [60, 0.55],
      [500, 0.1],
    ] as const)
      expect(at(spec, clock)).toBeCloseTo(factor, 12);
  });
});

/** Scalar rules written out by hand, in float64. */
const oracles = {
  sgd: () => (g: number) => -0.1 * g,
  momentum: () => {
    let h = 0;
    return (g: number) => -(h = 0.9 * h + 0.1 * g);
  },
  adagrad: () => {
    let s = 0;
    return (g: number) => (-0.1 * g) / (Math.sqrt((s += g * g)) + 1e-8);
  },
  adam: () => {
    let [m, v, t] = [0, 0, 0];
    return (g: number) => {
      t++;
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      return (-0.1 * (m / (1 - 0.9 ** t))) / (Math.sqrt(v / (1 - 0.999 ** t)) + 1e-8);
    };
  },
};
const kinds = Object.keys(oracles) as (keyof typeof oracles)[];

describe.each(kinds)("%s", (kind) => {
  const length = 37;
  const gradients = (clock: number) => {
    const random = createRandom(clock, kind);
    return Float32Array.from({ length }, () => random.normal());
  };

  test("follows the scalar rule for 20 clocks, also in place, and anew after a reset", () => {
    const optimizer = make({ kind, learningRate: 0.1 }, length);
    for (const inPlace of [false, true]) {
      const rules = Array.from({ length }, () => oracles[kind]());
      for (let clock = 0; clock < 20; clock++) {
        const gradient = gradients(clock);
        const wanted = [...gradient].map((g, i) => rules[i]!(g));
        const delta = inPlace ? gradient : new Float32Array(length);
        optimizer.delta(gradient, clock, delta);
        for (let i = 0; i < length; i++)
          expect(Math.abs(delta[i]! - wanted[i]!)).toBeLessThan(3e-6);
      }
      optimizer.reset();
    }
  });

  test("the schedule scales the rate", () => {
    const schedule = { kind: "step", every: 1, factor: 0.5 };
    const [plain, falling] = [
      make({ kind, learningRate: 0.1 }, length),
      make({ kind, learningRate: 0.8, schedule }, length),
    ];
    const [a, b] = [new Float32Array(length), new Float32Array(length)];
    plain.delta(gradients(0), 3, a);
    falling.delta(gradients(0), 3, b);
    for (let i = 0; i < length; i++) expect(b[i]).toBeCloseTo(a[i]!, 6);
  });
});

test.each(["sgd", "adagrad"])("sparse %s equals dense %s where it is named", (kind) => {
  const length = 50;
  const random = createRandom(3);
  const [dense, sparse] = [
    make({ kind, learningRate: 0.1 }, length),
    make({ kind, learningRate: 0.1 }, length),
  ];
  for (let clock = 0; clock < 10; clock++) {
    const full = new Float32Array(length);
    const indices = Uint32Array.from({ length }, (_, i) => i).filter(() => random.integer(3) === 0);
    const values = Float32Array.from(indices, () => random.normal());
    for (const [k, index] of indices.entries()) full[index] = values[k]!;
    const [a, b] = [new Float32Array(length), new Float32Array(indices.length)];
    dense.delta(full, clock, a);
    sparse.sparseDelta(indices, values, clock, b);
    expect([...b]).toEqual([...indices].map((index) => a[index]));
  }
});

test.each(["momentum", "adam"])("%s refuses sparse updates and says what to use", (kind) => {
  const optimizer = make({ kind, learningRate: 0.1 }, 4);
  expect(() =>
    optimizer.sparseDelta(Uint32Array.of(1), Float32Array.of(1), 0, new Float32Array(1)),
  ).toThrow(expect.objectContaining({ code: "SPARSE_UNSUPPORTED" }));
});

test("preview is a gradient's own share of the next change of a linear rule", () => {
  const optimizer = make({ kind: "momentum", learningRate: 0.5 }, 2);
  const [others, mine, both] = [Float32Array.of(1, 2), Float32Array.of(4, -8), new Float32Array(2)];
  const [without, withMine, preview] = [both.slice(), both.slice(), both.slice()];
  const twin = make({ kind: "momentum", learningRate: 0.5 }, 2);
  for (const each of [optimizer, twin]) each.delta(others, 0, both);
  optimizer.delta(others, 1, without);
  twin.delta(Float32Array.of(5, -6), 1, withMine);
  optimizer.preview?.(mine, 1, preview);
  expect([...preview]).toEqual([-2, 4]);
  for (let i = 0; i < 2; i++) expect(withMine[i]! - without[i]!).toBeCloseTo(preview[i]!, 6);
  expect(make({ kind: "adagrad", learningRate: 1 }, 1).preview).toBeUndefined();
  expect(make({ kind: "adam", learningRate: 1 }, 1).preview).toBeUndefined();
});

test("bad options are refused", () => {
  for (const spec of [
    { kind: "sgd" },
    { kind: "sgd", learningRate: -1 },
    { kind: "momentum", learningRate: 1, momentum: 1 },
    { kind: "sgd", learningRate: 1, momentum: 0.9 },
    { kind: "adam", learningRate: 1, schedule: { kind: "step" } },
  ])
    expect(OptimizerSpec.safeParse(spec).success).toBe(false);
});

describe("a rule for trained entries with state behind them", () => {
  const optimizer = OptimizerSpec.parse({ kind: "adagrad", learningRate: 0.1 });
  const results = () => Float32Array.from([1, -2, 3, 4, -5]);

  test("trained as by the optimizer times sqrt(part), state times part; also in place", () => {
    const rule = createRule({ optimizer, length: 5, trained: 3, part: 1 / 4 }, kernels);
    const alone = make({ kind: "adagrad", learningRate: 0.1 }, 3);
    for (const clock of [0, 1]) {
      const expected = new Float32Array(3);
      alone.delta(results().subarray(0, 3), clock, expected);
      const delta = results();
      rule.delta(delta, clock, delta);
      expect([...delta]).toEqual([...expected.map((value) => value / 2), 1, -1.25]);
    }
    rule.reset();
    const first = new Float32Array(5);
    rule.delta(results(), 0, first);
    expect(first[0]).toBeCloseTo(-0.05, 6);
  });

  test("sparse: each index by its side of the border", () => {
    const rule = createRule({ optimizer, length: 5, trained: 3, part: 1 }, kernels);
    const delta = new Float32Array(3);
    rule.sparseDelta(Uint32Array.of(1, 3, 4), Float32Array.of(2, 7, 8), 0, delta);
    expect(delta[0]).toBeCloseTo(-0.1, 6);
    expect([...delta.subarray(1)]).toEqual([7, 8]);
  });
});
