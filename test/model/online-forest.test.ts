/** The online forest against its papers: the bound of splits, bagging, drift of single trees, memory. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DenseDataset, shapeOf } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { createTailored } from "../../src/model/online/create.ts";
import { Dice, Poisson } from "../../src/model/online/dice.ts";
import { ErrorTest } from "../../src/model/online/error-test.ts";
import { Histograms } from "../../src/model/online/histograms.ts";
import { HoeffdingTree, LEAF } from "../../src/model/online/hoeffding-tree.ts";
import { CutFinder, hoeffdingBound, shouldSplit } from "../../src/model/online/split.ts";
import { accuracyOn, allRows, blobs, learnAll } from "./online-data.ts";

/** One feature, one class for each side of zero. */
function step(rows: number, noise = 0): DenseDataset {
  const random = createRandom(9);
  const features = Float32Array.from({ length: rows }, () => 2 * random.next() - 1);
  const labels = Int32Array.from(features, (x) =>
    random.next() < noise ? random.integer(2) : x > 0.2 ? 1 : 0,
  );
  return { kind: "dense", rows, shape: [1], features, scale: 1, offset: 0, labels, classes: 2 };
}

const shape = {
  features: 1,
  classes: 2,
  subspace: 1,
  bins: 8,
  delta: 1e-3,
  tie: 0.05,
  maxNodes: 31,
  grace: 10,
};

describe("Hoeffding trees (Domingos and Hulten 2000)", () => {
  test("the bound is sqrt(R^2 ln(1/delta) / 2n)", () => {
    expect(hoeffdingBound(1, Math.exp(-2), 100)).toBeCloseTo(0.1, 12);
    expect(hoeffdingBound(3, Math.exp(-2), 100)).toBeCloseTo(0.3, 12);
  });

  test("a split needs a lead of more than the bound, or a bound below the tie", () => {
    const rule = { delta: Math.exp(-2), tie: 0.05 };
    expect(shouldSplit(0.5, 0.39, 2, 100, rule)).toBe(true);
    expect(shouldSplit(0.5, 0.41, 2, 100, rule)).toBe(false);
    expect(shouldSplit(0.5, 0.499, 2, 401, rule)).toBe(true);
    expect(shouldSplit(0.5, 0.499, 2, 399, rule)).toBe(false);
    // Not to split is a candidate, too: what gains nothing is not worth its memory.
    expect(shouldSplit(0.001, 0, 2, 1e6, rule)).toBe(false);
  });

  test("the gain of a cut is that of its definition", () => {
    const entropy = (counts: readonly number[]): number => {
      const sum = counts.reduce((a, b) => a + b, 0);
      return counts.reduce((h, n) => (n > 0 ? h - (n / sum) * Math.log2(n / sum) : h), 0);
    };
    const histogram = fc.array(fc.array(fc.nat(50), { minLength: 3, maxLength: 3 }), {
      minLength: 2,
      maxLength: 6,
    });
    const finder = new CutFinder(3);
    fc.assert(
      fc.property(histogram, (bins) => {
        const sum = (of: readonly (readonly number[])[]): number[] =>
          [0, 1, 2].map((c) => of.reduce((all, bin) => all + bin[c]!, 0));
        const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
        const n = total(sum(bins));
        const gains = bins.slice(0, -1).map((_, b) => {
          const [left, right] = [sum(bins.slice(0, b + 1)), sum(bins.slice(b + 1))];
          const [l, r] = [total(left), total(right)];
          if (l < 0.01 * n || r < 0.01 * n || n === 0) return 0;
          return entropy(sum(bins)) - (l * entropy(left) + r * entropy(right)) / n;
        });
        expect(finder.find(bins.flat(), 0, bins.length)).toBe(n);
        expect(finder.best.gain).toBeCloseTo(Math.max(0, ...gains), 9);
      }),
    );
  });

  test("a leaf splits when the bound allows it, where the classes part", () => {
    const data = step(400);
    const dice = new Dice(1);
    const tree = new HoeffdingTree(shape, dice);
    let at = 0;
    while (tree.nodes === 1) {
      tree.learn(0, data, at, data.labels[at]!, 1, dice);
      at++;
    }
    // All gain is in one feature, so that n with bound < gain suffices, at the next multiple of the grace period.
    expect(at % shape.grace).toBe(0);
    expect(hoeffdingBound(1, shape.delta, at)).toBeLessThan(1);
    expect(tree.feature[0]).toBe(0);
    expect(Math.abs(tree.threshold[0]! - 0.2)).toBeLessThan(0.35);
    expect([tree.nodes, tree.leaves]).toEqual([3, 2]);
    expect(tree.total[0]! + tree.total[1]!).toBe(at);
  });

  test("noise is not split", () => {
    const data = step(2000, 1);
    const dice = new Dice(2);
    const tree = new HoeffdingTree({ ...shape, tie: 0 }, dice);
    for (let at = 0; at < data.rows; at++)
      tree.learn(tree.find(data, at), data, at, data.labels[at]!, 1, dice);
    expect(tree.nodes).toBe(1);
  });

  test("nodes are bounded; a full tree gives its histograms back and goes on learning", () => {
    const data = blobs(4, { classes: 8, features: 2, apart: 4 });
    const dice = new Dice(3);
    const full = { ...shape, features: 2, classes: 8, subspace: 2, maxNodes: 9 };
    const tree = new HoeffdingTree(full, dice);
    for (let row = 0; row < data.rows; row++)
      tree.learn(tree.find(data, 2 * row), data, 2 * row, data.labels[row]!, 1, dice);
    expect(tree.nodes).toBe(9);
    expect(tree.histograms).toBeUndefined();
    const branches = tree.feature.subarray(0, 9).filter((feature) => feature !== LEAF);
    expect(branches).toHaveLength(4);
    const before = tree.total[0]!;
    tree.learn(tree.next.indexOf(0, 1), data, 0, 3, 2, dice);
    expect(tree.total[0]).toBe(before + 2);
  });
});

describe("histograms of leaves", () => {
  test("count every example once, by interval and class", () => {
    const values = fc.array(fc.tuple(fc.integer({ min: -4, max: 4 }), fc.nat(1)), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(values, fc.integer({ min: 2, max: 6 }), (examples, bins) => {
        const features = Float32Array.from(examples, ([x]) => x);
        const histograms = new Histograms({ features: 1, classes: 2, subspace: 1, bins });
        histograms.begin(0, new Dice(1));
        const data = { ...step(1), features, rows: examples.length };
        for (const [row, [, label]] of examples.entries()) histograms.add(0, data, row, label, 1);
        const bounds = [...histograms.bounds.subarray(0, histograms.filled[0])];
        expect(bounds).toEqual([...new Set(bounds)].sort((a, b) => a - b));
        const first = [...new Set(examples.map(([x]) => x))].slice(0, bins - 1);
        expect(new Set(bounds)).toEqual(new Set(first.map((x) => x + 0)));
        for (const c of [0, 1]) {
          const counted = Array.from({ length: bins }, (_, b) => histograms.counts[b * 2 + c]!);
          expect(counted.reduce((a, b) => a + b)).toBe(
            examples.filter(([, label]) => label === c).length,
          );
        }
      }),
    );
  });

  test("draw different features for each leaf, all equally often", () => {
    const dice = new Dice(5);
    const histograms = new Histograms({ features: 12, classes: 2, subspace: 4, bins: 2 });
    const drawn = new Array(12).fill(0);
    for (let i = 0; i < 6000; i++) {
      histograms.begin(0, dice);
      expect(new Set(histograms.places.subarray(0, 4)).size).toBe(4);
      for (const place of histograms.places.subarray(0, 4)) drawn[place]++;
    }
    for (const count of drawn) expect(Math.abs(count - 2000)).toBeLessThan(4 * Math.sqrt(2000));
  });
});

describe("online bagging (Oza and Russell 2001)", () => {
  test.each([0.5, 1, 6])("a tree sees an example Poisson(%d) times", (lambda) => {
    const poisson = new Poisson(lambda);
    const dice = new Dice(7);
    const draws = 40_000;
    const counts = new Array(64).fill(0);
    for (let i = 0; i < draws; i++) counts[poisson.draw(dice)]++;
    let expected = draws * Math.exp(-lambda);
    for (let k = 0; k < 12; k++) {
      expect(Math.abs(counts[k] - expected)).toBeLessThan(5 * Math.sqrt(expected) + 5);
      expected *= lambda / (k + 1);
    }
  });
});

describe("errors that grow (Frías-Blanco et al. 2015)", () => {
  const confidence = { warning: 0.005, drift: 0.0005 };
  const until = (seed: number, before: number, after: number, at: number): number => {
    const random = createRandom(seed);
    const found = new ErrorTest();
    for (let i = 0; i < at + 2000; i++)
      if (found.add(random.next() < (i < at ? before : after), confidence) === "drift") return i;
    return Number.POSITIVE_INFINITY;
  };

  test("are found soon after they do, and seldom before", () => {
    const seeds = Array.from({ length: 40 }, (_, seed) => seed);
    const found = seeds.map((seed) => until(seed, 0.1, 0.5, 3000));
    expect(found.filter((at) => at < 3000).length).toBeLessThanOrEqual(4);
    const delays = found.filter((at) => at >= 3000).map((at) => at - 3000);
    expect(Math.max(...delays)).toBeLessThan(150);
  });

  test("errors that fall are no drift", () => {
    const random = createRandom(1);
    const found = new ErrorTest();
    for (let i = 0; i < 5000; i++)
      expect(found.add(random.next() < 0.6 - i / 10_000, confidence)).not.toBe("drift");
  });
});

describe("the forest", () => {
  test("recovers after a drift, by trees that take others' places", async () => {
    const data = blobs(21, { rows: 6000, classes: 4 });
    const rows = allRows(data);
    const forest = createTailored({ kind: "forest" }, shapeOf(data), createRandom(1));
    await learnAll(forest, data, rows.subarray(0, 3000));
    // Classes exchange their names.
    const labels = Int32Array.from(data.labels, (c) => (c + 1) % 4);
    const swapped = { ...data, labels };
    const before = await accuracyOn(forest, data, rows.subarray(3000));
    expect(before).toBeGreaterThan(0.93);
    expect(await accuracyOn(forest, swapped, rows.subarray(3000))).toBeLessThan(0.1);
    await learnAll(forest, swapped, rows.subarray(3000, 4500));
    const after = await accuracyOn(forest, swapped, rows.subarray(4500));
    expect(after).toBeGreaterThan(before - 0.05);
  });

  test("a portion is at most its share of the trees, best at the classes; the forest's size stays", async () => {
    const data = blobs(22, { rows: 4000, classes: 5 });
    const rows = allRows(data);
    const make = (seed: number) =>
      createTailored({ kind: "forest", trees: 7, share: 0.4 }, shapeOf(data), createRandom(seed));
    const [donor, target] = [make(1), make(2)];
    await learnAll(donor, data, rows.subarray(0, 1500));
    await learnAll(target, data, rows.subarray(1500, 3000));
    const packed = donor.pack({ classes: [3], maxBytes: 1e9 })!;
    // Behind the frame: ceil(0.4 * 7) trees.
    expect(packed[11]).toBe(3);
    const best = donor
      .portions()
      .map(({ use, bytes }) => ({ use: use[3]!, bytes }))
      .sort((a, b) => b.use - a.use);
    const sum = best.slice(0, 3).reduce((all, { bytes }) => all + bytes, 12);
    expect(packed.length).toBe(sum);
    target.merge(packed, { classes: [3], counts: new Uint32Array(5) });
    expect(target.portions()).toHaveLength(7);
  });
});

describe("pooled forests (Hauschild et al. 2022)", () => {
  const trees = 10;
  const data = blobs(2, { rows: 400, classes: 2 });
  const pool = async (weights: readonly number[], seed: number) => {
    const forest = (drawn: number) =>
      createTailored({ kind: "forest", trees }, shapeOf(data), createRandom(drawn));
    // Each has seen one class only: whose tree it is shows in its recall.
    const forests = [forest(1), forest(2)];
    for (const [label, one] of forests.entries())
      await one.learn({
        dataset: data,
        rows: allRows(data).filter((row) => data.labels[row] === label),
      });
    const pooled = forest(seed);
    pooled.average?.(
      forests.map((one) => one.save()),
      weights,
    );
    return { forests, pooled };
  };
  const giver = ({ use }: { readonly use: Float32Array }): number => ((use[0] ?? 0) > 0 ? 0 : 1);

  test("have as many trees of each site as its share of the weight, rounded up or down", async () => {
    const seen = new Set<number>();
    for (let seed = 10; seed < 20; seed++) {
      const { pooled, forests } = await pool([3, 1], seed);
      const of = pooled.portions().map(giver);
      const first = of.filter((site) => site === 0).length;
      expect([7, 8]).toContain(first);
      // A place keeps the tree that stands there in one of the forests.
      for (const [place, portion] of pooled.portions().entries())
        expect(portion).toEqual(forests[of[place]!]!.portions()[place]);
      seen.add(of.indexOf(1));
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  test("of one weight alone predict as that one does", async () => {
    const { pooled, forests } = await pool([0, 5], 3);
    const rows = allRows(data);
    const [mine, theirs] = [new Int32Array(rows.length), new Int32Array(rows.length)];
    await pooled.predict({ dataset: data, rows }, mine);
    await forests[1]!.predict({ dataset: data, rows }, theirs);
    expect(mine).toEqual(theirs);
  });
});
