/** The parts of a site of Cartel, each by itself: need, budget, the acceptance test, probation, one at a time. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { tryPortion } from "../../src/sync/between/cartel/acceptance.ts";
import { Budget } from "../../src/sync/between/cartel/budget.ts";
import { Exclusive } from "../../src/sync/between/cartel/exclusive.ts";
import { NeedOptions } from "../../src/sync/between/cartel/options.ts";
import { Probation } from "../../src/sync/between/cartel/probation.ts";
import { Quiet } from "../../src/sync/between/cartel/quiet.ts";
import {
  type ClassTally,
  classesInNeed,
  SiteWindow,
} from "../../src/sync/between/cartel/window.ts";
import type { JudgedBatch } from "../../src/sync/site-loop.ts";
import { packed, ToyModel, toyDataset } from "./cartel-toy.ts";

const CLASSES = 4;
const dataset = toyDataset(CLASSES, 4000);
/** Rows of the classes in turns. */
const rowsOf = (classes: readonly number[], count: number, from = 0): Uint32Array =>
  Uint32Array.from(
    { length: count },
    (_, i) => (from + i) * CLASSES + classes[i % classes.length]!,
  );

const tally = (counts: number[], errors: number[]): ClassTally => ({
  counts: Uint32Array.from(counts),
  errors: Float32Array.from(errors),
});
const need = NeedOptions.parse({});

describe("classes in need", () => {
  test.each([
    ["a new class that is always wrong", [40, 40, 20], [0.05, 0.05, 1], [2]],
    ["a new class that is known all the same", [40, 40, 20], [0.05, 0.05, 0.05], []],
    ["a class that has become worse", [40, 40, 0], [0.5, 0.05, Number.NaN], [0]],
    ["worse by chance only", [40, 5, 0], [0.05, 0.2, Number.NaN], []],
    ["too few to say", [40, 40, 2], [0.05, 0.05, 1], []],
    ["the worst first, by rows", [40, 20, 20], [0.5, 1, 0.05], [1, 0]],
  ])("%s", (_, counts, errors, wanted) => {
    const before = tally([500, 500, 0], [0.05, 0.05, Number.NaN]);
    expect(classesInNeed(tally(counts, errors), before, need)).toEqual(wanted);
  });
});

describe("a window", () => {
  const batch = (rows: Uint32Array, counts: number[], wrong: number[]) => ({
    rows,
    classCounts: Uint32Array.from(counts),
    classErrors: Uint32Array.from(wrong),
  });

  test("tells the errors of the present model where it has been tried on the class", () => {
    const window = new SiteWindow(2, 3);
    const [a, b] = [rowsOf([0], 2), rowsOf([1], 2)];
    window.push(batch(a, [10, 0], [5, 0]));
    window.push(batch(b, [10, 10], [0, 10]));
    expect([...window.all().errors]).toEqual([0.25, 1]);
    window.rejudged([{ rows: b, wrong: Uint32Array.of(1, 2) }]);
    const told = window.all();
    expect([...told.counts]).toEqual([20, 10]);
    expect(told.errors[0]).toBeCloseTo(0.1);
    expect(told.errors[1]).toBeCloseTo(0.2);
    expect(window.seen(1)).toEqual([{ rows: b, wrong: Uint32Array.of(1, 2) }]);
    for (let i = 0; i < 3; i++) window.push(batch(rowsOf([0], 1), [1, 0], [0, 0]));
    expect([...window.all().counts]).toEqual([3, 0]);
  });
});

test("no stretch of a period takes more than the budget", () => {
  const step = fc.record({ wait: fc.nat(3 * SECOND), wish: fc.nat(2000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const budget = new Budget(1000, 10 * SECOND);
      const spent: { t: number; bytes: number }[] = [];
      let t = 0;
      for (const { wait, wish } of steps) {
        t += wait;
        const bytes = Math.min(wish, budget.left(t));
        budget.spend(bytes, t);
        spent.push({ t, bytes });
      }
      for (const { t: from } of spent) {
        const within = spent.filter((one) => one.t >= from && one.t < from + 10 * SECOND);
        expect(within.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(1000);
      }
    }),
  );
});

describe("the acceptance test", () => {
  const model = (): ToyModel => {
    const toy = new ToyModel(CLASSES);
    toy.skills.set([0.9, 0.9, 0, 0]);
    return toy;
  };
  const rows = rowsOf([0, 1, 3], 120);
  const trial = {
    dataset,
    // All rows of class 3 were wrong when they came.
    batches: [{ rows, wrong: Uint32Array.of(4, 4, 0, 40) }],
    context: { classes: [3], counts: new Uint32Array(CLASSES) },
    margin: 0.02,
  };

  test("keeps what helps, and says by how much", async () => {
    const toy = model();
    const result = await tryPortion(toy, packed([[3, 0.95]]), trial);
    expect(result.accepted).toBe(true);
    expect(result.reason).toMatch(/^errs \d+\.\d % with it, \d+\.\d % without$/);
    expect(toy.skills[3]).toBeCloseTo(0.95);
    expect(result.judged[0]!.rows).toBe(rows);
  });

  test.each([
    ["does nothing", packed([[3, 0]])],
    [
      "spoils others more than it helps",
      packed([
        [3, 0.95],
        [0, 0],
        [1, 0],
      ]),
    ],
    ["is malformed", Uint8Array.of(1)],
  ])("takes back what %s, to the bit", async (_, portion) => {
    const toy = model();
    const before = toy.save();
    const result = await tryPortion(toy, portion, trial);
    expect(result.accepted).toBe(false);
    expect(toy.save()).toEqual(before);
    expect(result.saved).toEqual(before);
  });

  test.each([
    ["hardly more than it helps: a few rows more may tell", 0.5, [[1, 0.1]], true],
    ["nothing, and helps with nothing", 0, [], true],
    [
      "clearly",
      0,
      [
        [0, 0],
        [1, 0],
      ],
      false,
    ],
  ] as const)(
    "says whether chance explains a refusal of what harms %s",
    async (_, skill, harm, undecided) => {
      const result = await tryPortion(
        model(),
        packed([[3, skill], ...harm.map(([c, to]) => [c, to] as [number, number])]),
        trial,
      );
      expect(result.accepted).toBe(false);
      expect(result.undecided).toBe(undecided);
    },
  );

  test("what the model has memorised of the rows in need does not protect it", async () => {
    const toy = model();
    // It has learned the very rows by now; when they came it knew none of them.
    toy.skills[3] = 0.98;
    expect((await tryPortion(toy, packed([[3, 0.9]]), trial)).accepted).toBe(true);
  });
});

describe("quiet", () => {
  const make = () => new Quiet({ quiet: 5, quietMost: 20 });
  const firstAfter = (quiet: Quiet, c: number, batch: number): number => {
    for (let at = batch; ; at++) if (quiet.mayAsk(c, at)) return at - batch;
  };

  test("is of the class that was asked for", () => {
    const quiet = make();
    quiet.asked([1, 2], 10, true);
    expect([0, 1, 2].map((c) => quiet.mayAsk(c, 11))).toEqual([true, false, false]);
    expect(quiet.mayAsk(1, 15)).toBe(true);
  });

  test("doubles with each request in vain, whatever for, and is short again after one of use", () => {
    const quiet = make();
    const lasts = [1, 2, 1, 2].map((c, i) => {
      quiet.asked([c], 10 * i, true);
      return firstAfter(quiet, c, 10 * i);
    });
    expect(lasts).toEqual([5, 10, 20, 20]);
    quiet.useful();
    quiet.asked([1], 40, true);
    expect(firstAfter(quiet, 1, 40)).toBe(5);
  });

  test("what was in vain long ago is forgotten", () => {
    const quiet = make();
    for (const batch of [0, 5]) quiet.asked([1], batch, true);
    quiet.asked([1], 45, true);
    expect(firstAfter(quiet, 1, 45)).toBe(5);
  });

  test("silence says nothing of a request's use", () => {
    const quiet = make();
    for (const batch of [0, 5, 10]) quiet.asked([1], batch, false);
    expect(firstAfter(quiet, 1, 10)).toBe(5);
  });
});

describe("a probation", () => {
  const judged = (predicted: readonly number[], labels: readonly number[]): JudgedBatch =>
    ({
      dataset,
      rows: Uint32Array.from(labels),
      labels: Int32Array.from(labels),
      predicted: Int32Array.from(predicted),
    }) as unknown as JudgedBatch;
  /** Knows all of class 0 and nothing of class 1; row r is of class r. */
  const shadow = (): ToyModel => {
    const toy = new ToyModel(CLASSES);
    toy.skills.set([1, 0, 0, 0]);
    return toy;
  };

  test("keeps a portion that does no harm", async () => {
    const probation = new Probation(shadow(), 2);
    await probation.judge(judged([0, 1], [0, 1]));
    expect(probation.judgement).toBe("open");
    await probation.judge(judged([0, 1], [0, 1]));
    expect(probation.judgement).toBe("kept");
  });

  test("says of help only what chance does not explain", async () => {
    const helpedBy = async (right: number): Promise<boolean> => {
      const probation = new Probation(shadow(), 1);
      // The shadow has all of class 1 wrong.
      const labels = Array.from({ length: right }, () => 1);
      await probation.judge(judged(labels, labels));
      expect(probation.judgement).toBe("kept");
      return probation.helped;
    };
    expect([await helpedBy(0), await helpedBy(4), await helpedBy(5)]).toEqual([false, false, true]);
  });

  test("ends at once where harm is clear, and at its end where there is any", async () => {
    const clear = new Probation(shadow(), 9);
    await clear.judge(judged([1, 1, 1, 1, 1], [0, 0, 0, 0, 0]));
    expect(clear.judgement).toBe("taken back");
    expect(clear.reason).toBe("5 rows wrong by it, 0 right");
    const slight = new Probation(shadow(), 2);
    await slight.judge(judged([1], [0]));
    expect(slight.judgement).toBe("open");
    await slight.judge(judged([0], [0]));
    expect(slight.judgement).toBe("taken back");
  });
});

test("exclusive work runs one at a time, in order, whatever fails", async () => {
  const exclusive = new Exclusive();
  const log: string[] = [];
  const work = (name: string, fail = false) =>
    exclusive.run(async () => {
      log.push(`${name} begins`);
      await Promise.resolve();
      log.push(`${name} ends`);
      if (fail) throw new Error(name);
      return name;
    });
  const all = await Promise.allSettled([work("a"), work("b", true), work("c")]);
  expect(all.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(log).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
});
