import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import type { Kernels } from "../../src/core/kernels/contract.ts";
import { createKernels } from "../../src/core/kernels/create.ts";
import { SOURCE_SHA256 } from "../../src/core/kernels/module.ts";
import { createPhantomKernels } from "../../src/core/kernels/phantom.ts";
import { createPlainKernels } from "../../src/core/kernels/plain.ts";
import { createSimdKernels } from "../../src/core/kernels/simd.ts";
import { createRandom, type Random } from "../../src/core/random.ts";

const special = [0, -0, Number.NaN, Infinity, -Infinity, 1e-45, -1e-45, 1e-39, 3.4e38, -3.4e38, 1];

/** Values of all magnitudes, with every fourth one special. */
function wild(random: Random, length: number): Float32Array {
  return Float32Array.from({ length }, () =>
    random.integer(4) === 0
      ? special[random.integer(special.length)]!
      : random.normal() * 10 ** (random.integer(20) - 10),
  );
}

/** Bits as text, with every NaN the same: no standard fixes its payload. */
function bits(array: Float32Array): string {
  const words = new Uint32Array(array.slice().buffer);
  for (let i = 0; i < words.length; i++) if (Number.isNaN(array[i]!)) words[i] = 0x7fc00000;
  return Buffer.from(words.buffer).toString("base64");
}

type Place = "inside" | "outside" | "unaligned";

/** A copy of the values where the kernels work in place, elsewhere, or at an odd offset. */
function put(kernels: Kernels, values: Float32Array, place: Place): Float32Array {
  const array =
    place === "inside"
      ? kernels.allocate(values.length)
      : place === "unaligned"
        ? kernels.allocate(values.length + 3).subarray(3)
        : new Float32Array(values.length);
  array.set(values);
  return array;
}

interface Case {
  readonly name: string;
  /** Number of float arrays; all of them are compared afterwards. */
  readonly arrays: number;
  readonly run: (kernels: Kernels, arrays: Float32Array[], scalars: number[]) => unknown;
}

const cases: Case[] = [
  { name: "copy", arrays: 2, run: (k, [a, b]) => k.copy(a!, b!) },
  { name: "fill", arrays: 1, run: (k, [a], [s]) => k.fill(a!, s!) },
  { name: "add", arrays: 2, run: (k, [a, b]) => k.add(a!, b!) },
  { name: "add to itself", arrays: 1, run: (k, [a]) => k.add(a!, a!) },
  { name: "subtract", arrays: 2, run: (k, [a, b]) => k.subtract(a!, b!) },
  { name: "axpy", arrays: 2, run: (k, [a, b], [s]) => k.axpy(a!, s!, b!) },
  { name: "scale", arrays: 1, run: (k, [a], [s]) => k.scale(a!, s!) },
  { name: "sumOfSquares", arrays: 1, run: (k, [a]) => k.sumOfSquares(a!) },
  { name: "squaredDistance", arrays: 2, run: (k, [a, b]) => k.squaredDistance(a!, b!) },
  { name: "momentum", arrays: 3, run: (k, [h, g, d], [r, m]) => k.momentum(h!, g!, r!, m!, d!) },
  {
    name: "momentum in place",
    arrays: 2,
    run: (k, [h, g], [r, m]) => k.momentum(h!, g!, r!, m!, g!),
  },
  { name: "adagrad", arrays: 3, run: (k, [s, g, d], [r, e]) => k.adagrad(s!, g!, r!, e!, d!) },
  {
    name: "adam",
    arrays: 4,
    run: (k, [first, second, g, d], [rate, epsilon]) =>
      k.adam(
        { first: first!, second: second! },
        g!,
        rate!,
        { beta1: 0.9, beta2: 0.999, epsilon: epsilon!, correction1: 0.1, correction2: 0.001 },
        d!,
      ),
  },
];

const lengths = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: 0, max: 1000 }),
  fc.constantFrom(16383, 16384, 16385, 40_001),
);
const places = fc.constantFrom<Place>("inside", "outside", "unaligned");

describe("the SIMD module equals its plain twin bit for bit", () => {
  const simd = createSimdKernels();
  const plain = createPlainKernels();

  test.each(cases)("$name", ({ arrays, run }) => {
    fc.assert(
      fc.property(
        fc.nat(),
        lengths,
        fc.array(places, { minLength: arrays, maxLength: arrays }),
        (seed, length, where) => {
          const random = createRandom(seed);
          const values = Array.from({ length: arrays }, () => wild(random, length));
          const scalars = [wild(random, 1)[0]!, random.normal()];
          const mine = values.map((array, i) => put(simd, array, where[i]!));
          const theirs = values.map((array) => array.slice());
          expect(run(simd, mine, scalars)).toEqual(run(plain, theirs, scalars));
          expect(mine.map(bits)).toEqual(theirs.map(bits));
        },
      ),
      { numRuns: 40 },
    );
  });

  test.each(["relative", "absolute"] as const)("significance scan, %s", (kind) => {
    fc.assert(
      fc.property(fc.nat(), lengths, places, places, fc.boolean(), (seed, n, wa, wv, inner) => {
        const random = createRandom(seed);
        const [a, v] = [wild(random, n), wild(random, n)];
        const threshold = random.next() * 2;
        const out = inner ? simd.allocateIndices(n) : new Uint32Array(n);
        const expected = new Uint32Array(n);
        const [x, y] = [put(simd, a, wa), put(simd, v, wv)];
        const [count, wanted] =
          kind === "relative"
            ? [
                simd.significantRelative(x, y, threshold, out),
                plain.significantRelative(a, v, threshold, expected),
              ]
            : [
                simd.significantAbsolute(x, threshold, out),
                plain.significantAbsolute(a, threshold, expected),
              ];
        expect(count).toBe(wanted);
        expect([...out.subarray(0, count)]).toEqual([...expected.subarray(0, wanted)]);
      }),
      { numRuns: 100 },
    );
  });

  test("gather, take, scatterAdd, scatter with repeated indices", () => {
    fc.assert(
      fc.property(fc.nat(), lengths, places, places, fc.boolean(), (seed, n, wt, wl, inner) => {
        const random = createRandom(seed);
        const [target, listed] = [wild(random, n + 1), wild(random, n)];
        const indices = Uint32Array.from({ length: n }, () => random.integer(n + 1));
        const list = inner ? simd.allocateIndices(n) : new Uint32Array(n);
        list.set(indices);
        const [t, l] = [put(simd, target, wt), put(simd, listed, wl)];
        const [u, m] = [target.slice(), listed.slice()];
        simd.gather(l, t, list);
        plain.gather(m, u, indices);
        expect(bits(l)).toEqual(bits(m));
        simd.scatterAdd(t, list, l);
        plain.scatterAdd(u, indices, m);
        expect(bits(t)).toEqual(bits(u));
        simd.take(l, t, list);
        plain.take(m, u, indices);
        expect([bits(l), bits(t)]).toEqual([bits(m), bits(u)]);
        simd.scatter(t, list, l);
        plain.scatter(u, indices, m);
        expect(bits(t)).toEqual(bits(u));
      }),
      { numRuns: 100 },
    );
  });
});

describe.each([
  ["plain", createPlainKernels],
  ["simd", createSimdKernels],
])("%s kernels by hand", (_, create) => {
  const k = create();

  test("the significance filter is Gaia's: |accumulated / value| above the threshold, zeros excepted", () => {
    const accumulated = Float32Array.of(0, 0.5, -0.02, 0.005, 0.01, Number.NaN);
    const values = Float32Array.of(0, 0, 1, 1, 1, 1);
    const out = new Uint32Array(6);
    const count = k.significantRelative(accumulated, values, 0.01, out);
    expect([...out.subarray(0, count)]).toEqual([1, 2]);
    expect(k.significantRelative(accumulated, values, 0, out)).toBe(4);
    const far = k.significantAbsolute(accumulated, 0.015, out);
    expect([...out.subarray(0, far)]).toEqual([1, 2]);
  });

  test("wrong lengths and indices out of range stop loudly", () => {
    const [three, four] = [k.allocate(3), k.allocate(4)];
    expect(() => k.add(three, four)).toThrow("invariant");
    expect(() => k.squaredDistance(three, four)).toThrow("invariant");
    expect(() => k.significantAbsolute(four, 1, new Uint32Array(3))).toThrow("invariant");
    expect(() => k.gather(k.allocate(1), four, Uint32Array.of(4))).toThrow("index 4");
    expect(() => k.scatter(four, Uint32Array.of(2 ** 32 - 1), k.allocate(1))).toThrow("invariant");
  });

  test("a snapshot is ordinary memory and does not follow", () => {
    const array = k.allocate(5);
    k.fill(array, 2);
    const kept = k.snapshot(array);
    k.fill(array, 3);
    expect([...kept]).toEqual([2, 2, 2, 2, 2]);
    expect(kept.buffer).toBeInstanceOf(ArrayBuffer);
    expect(array.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  test("sums of squares are exact where float32 is not", () => {
    const values = k.allocate(100_000);
    k.fill(values, 3000.5);
    expect(k.sumOfSquares(values)).toBe(100_000 * 3000.5 ** 2);
  });
});

test("growth: arrays made before and after share one memory and stay valid", () => {
  const k = createSimdKernels();
  const small = k.allocate(1000);
  k.fill(small, 1);
  const large = k.allocate(4_000_000);
  expect(large.every((value) => value === 0)).toBe(true);
  const tail = k.allocate(1000);
  k.fill(tail, 2);
  k.add(small, tail);
  k.add(tail, small.subarray(0, 1000));
  expect([small[0], small[999], tail[0], tail[999]]).toEqual([3, 3, 5, 5]);
  expect([small, large, tail].map((array) => array.byteOffset % 64)).toEqual([0, 0, 0]);
});

test("a full memory is an operating error that says the sizes", () => {
  const k = createSimdKernels(32);
  k.allocate(100_000);
  const thrown = (() => {
    try {
      return k.allocate(500_000);
    } catch (error) {
      return error;
    }
  })();
  expect(thrown).toBeInstanceOf(PangaeaError);
  expect(thrown).toMatchObject({ code: "OUT_OF_MEMORY" });
  expect(String(thrown)).toContain("2.0 MB more");
  expect(k.allocate(10).length).toBe(10);
});

test("each set of kernels has its own memory", () => {
  const [a, b] = [createKernels(), createKernels()];
  expect(a.name).toBe("simd");
  expect(a.allocate(4).buffer).not.toBe(b.allocate(4).buffer);
});

test("phantom kernels compute nothing and cost the memory of one array", () => {
  const k = createPhantomKernels();
  const a = k.allocate(10);
  k.fill(a, 7);
  k.add(a, a);
  expect([...a]).toEqual(new Array(10).fill(0));
  expect(k.snapshot(a)).toBe(a);
  expect(k.allocate(5).buffer).toBe(a.buffer);
  expect(k.allocate(1000).length).toBe(1000);
});

describe("the committed module is fresh", () => {
  test("it was made from the source that lies beside it", () => {
    const source = readFileSync("src/core/kernels/assembly/kernels.ts");
    expect(createHash("sha256").update(source).digest("hex")).toBe(SOURCE_SHA256);
  });
  test("compiling again gives the same bytes", () => {
    execFileSync(process.execPath, ["scripts/build-kernels.mjs", "--check"]);
  });
});
