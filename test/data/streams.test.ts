import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DenseDataset } from "../../src/core/dataset.ts";
import { createRandom } from "../../src/core/random.ts";
import { batchesOf, batchRows, type SiteStream } from "../../src/data/streams/contract.ts";
import { planStreams, type StreamsRequest } from "../../src/data/streams/plan.ts";
import { StreamSpec } from "../../src/data/streams/spec.ts";
import { repeats } from "../../src/data/streams/supply.ts";
import { issueOf } from "./files.ts";

/** Rows without features, of the given classes in turn or by counts. */
function labelled(labels: readonly number[], classes = Math.max(...labels) + 1): DenseDataset {
  return {
    kind: "dense",
    rows: labels.length,
    shape: [1],
    features: new Float32Array(labels.length),
    scale: 1,
    offset: 0,
    labels: Int32Array.from(labels),
    classes,
  };
}
const even = (rows: number, classes: number) =>
  labelled(Array.from({ length: rows }, (_, row) => row % classes));
const DIGITS = even(60_000, 10);

const plan = (stream: unknown, more: Partial<StreamsRequest> & { seed?: number } = {}) =>
  planStreams({
    spec: StreamSpec.parse(stream),
    dataset: DIGITS,
    sites: 10,
    random: createRandom(more.seed ?? 1),
    ...more,
  });

/** Share of a class in each batch. */
const shares = (stream: SiteStream, c: number, { labels } = DIGITS): number[] =>
  Array.from({ length: batchesOf(stream) }, (_, batch) => {
    const rows = batchRows(stream, batch);
    return rows.filter((row) => labels[row] === c).length / rows.length;
  });
const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;
const classesAt = (stream: SiteStream, { labels } = DIGITS): number[] =>
  [...new Set(Array.from(stream.rows, (row) => labels[row]!))].sort((a, b) => a - b);

describe("workloads of mixtures", () => {
  test("stationary: every class as often as the data have it, at every site and time", () => {
    const dataset = labelled([...Array(6000)].map((_, row) => (row % 4 === 0 ? 1 : 0)));
    const streams = plan({ batch: 20, batches: 30 }, { dataset, sites: 5 });
    expect(streams).toHaveLength(5);
    for (const stream of streams) {
      expect(stream.shifts).toEqual([]);
      expect(batchesOf(stream)).toBe(30);
      expect(mean(shares(stream, 1, dataset).slice(0, 15))).toBeCloseTo(0.25, 1);
      expect(mean(shares(stream, 1, dataset))).toBeCloseTo(0.25, 1);
    }
  });

  test("introduction: absent but at the donor, from the batch on at the target, 30 %", () => {
    const streams = plan({ batches: 150, workload: { kind: "introduction", class: 7 } });
    const target = streams.findIndex(({ shifts }) => shifts.length > 0);
    const having = streams.flatMap((stream, s) => (classesAt(stream).includes(7) ? [s] : []));
    expect(having).toHaveLength(2);
    expect(having).toContain(target);
    const donor = having.find((s) => s !== target)!;
    expect(streams[donor]!.shifts).toEqual([]);
    expect(mean(shares(streams[donor]!, 7))).toBeCloseTo(0.3, 1);
    expect(streams[target]!.shifts).toEqual([
      { batch: 100, what: "class 7 comes (30 %)", classes: [7] },
    ]);
    const over = shares(streams[target]!, 7);
    expect(over.slice(0, 100).every((share) => share === 0)).toBe(true);
    expect(mean(over.slice(100))).toBeCloseTo(0.3, 1);
    expect(over[100]).toBeGreaterThan(0.1);
  });

  test("fluctuation: on for a period, off for a period, recorded turn by turn", () => {
    const workload = { kind: "fluctuation", class: 2, at: 10, period: 20, targets: [3] };
    const stream = plan({ batches: 75, workload })[3]!;
    const on = shares(stream, 2).map((share) => share > 0);
    const expected = Array.from(
      { length: 75 },
      (_, b) => (b >= 10 && b < 30) || (b >= 50 && b < 70),
    );
    expect(on).toEqual(expected);
    expect(stream.shifts.map(({ batch, classes }) => [batch, ...classes])).toEqual([
      [10, 2],
      [30],
      [50, 2],
      [70],
    ]);
  });

  test("gradual: the share grows evenly over the span", () => {
    const workload = { kind: "gradual", class: 0, at: 40, span: 80, share: 0.4, targets: [0] };
    const stream = plan({ batch: 200, batches: 160, workload })[0]!;
    const over = shares(stream, 0);
    expect(over.slice(0, 40).every((share) => share === 0)).toBe(true);
    expect(mean(over.slice(40, 80))).toBeCloseTo(0.1, 1);
    expect(mean(over.slice(80, 120))).toBeCloseTo(0.3, 1);
    expect(mean(over.slice(120))).toBeCloseTo(0.4, 1);
    expect(stream.shifts).toHaveLength(1);
    expect(stream.shifts[0]!.batch).toBe(40);
  });

  test("swap: two sites exchange their classes, the others keep theirs", () => {
    const mixture = { kind: "classes", count: 3 };
    const streams = plan({ batches: 60, mixture, workload: { kind: "swap", at: 30 } });
    const kinds = streams.map((stream) => {
      const half = stream.rows.length / 2;
      return [stream.rows.slice(0, half), stream.rows.slice(half)].map((rows) =>
        classesAt({ ...stream, rows }),
      );
    });
    const moved = streams.flatMap(({ shifts }, s) => (shifts.length > 0 ? [s] : []));
    expect(moved).toHaveLength(2);
    const [a, b] = moved as [number, number];
    expect(kinds[a]).toEqual([kinds[b]![1], kinds[b]![0]]);
    for (const [s, [before, after]] of kinds.entries())
      if (!moved.includes(s)) expect(before).toEqual(after);
    expect(streams[a]!.shifts[0]!.classes).toEqual(
      kinds[a]![1]!.filter((c) => !kinds[a]![0]!.includes(c)),
    );
  });

  test("tailored sites know so many classes; each class lies at as many of ten sites", () => {
    const streams = plan({ batches: 40, mixture: { kind: "classes", count: 3 } });
    const known = streams.map((stream) => classesAt(stream));
    expect(known.every(({ length }) => length === 3)).toBe(true);
    for (let c = 0; c < 10; c++)
      expect(known.filter((classes) => classes.includes(c))).toHaveLength(3);
  });

  test("Dirichlet mixtures: skewed by a small alpha, like the data by a large one", () => {
    const most = (alpha: number): number =>
      mean(
        plan({ batches: 40, mixture: { kind: "dirichlet", alpha } }).map((stream) =>
          Math.max(...[...Array(10).keys()].map((c) => mean(shares(stream, c)))),
        ),
      );
    expect(most(0.05)).toBeGreaterThan(0.5);
    expect(most(1000)).toBeLessThan(0.15);
  });

  test("the donor is by default the site most like the target", () => {
    const mixture = { kind: "classes", count: 3 };
    for (let seed = 0; seed < 10; seed++) {
      const streams = plan({ batches: 110, mixture, workload: { kind: "introduction" } }, { seed });
      const target = streams.find(({ shifts }) => shifts.length > 0)!;
      const [added] = target.shifts[0]!.classes as [number];
      const own = classesAt(target);
      const donor = streams.find((s) => s !== target && classesAt(s).includes(added))!;
      expect(own).toContain(added);
      expect(classesAt(donor).filter((c) => own.includes(c)).length).toBeGreaterThanOrEqual(3);
    }
  });

  test("a class that is drawn is not a rare one", () => {
    const dataset = labelled([...Array(3000)].map((_, row) => (row < 10 ? 2 : row % 2)));
    for (let seed = 0; seed < 20; seed++) {
      const streams = plan({ workload: { kind: "introduction" } }, { dataset, sites: 3, seed });
      expect(
        streams.flatMap(({ shifts }) => shifts).flatMap(({ classes }) => classes),
      ).not.toContain(2);
    }
  });

  test("several targets and donors, a class by its name", () => {
    const classNames = [..."abcdefghij"];
    const workload = { kind: "introduction", class: "d", targets: [1, 2], donors: [4, 5], at: 5 };
    const streams = plan({ batches: 20, workload }, { classNames });
    expect(streams.flatMap((s, i) => (classesAt(s).includes(3) ? [i] : []))).toEqual([1, 2, 4, 5]);
    expect(streams[1]!.shifts[0]!.what).toBe("d comes (30 %)");
  });
});

describe("rows", () => {
  test("without replacement over all sites as far as the data reach, then again", () => {
    const dataset = even(1000, 4);
    const all = (batches: number) => plan({ batch: 10, batches }, { dataset, sites: 4 });
    const few = all(20).flatMap(({ rows }) => [...rows]);
    expect(new Set(few).size).toBe(800);
    expect(all(20).map(repeats)).toEqual([0, 0, 0, 0]);
    const twice = all(50).flatMap(({ rows }) => [...rows]);
    const times = new Map<number, number>();
    for (const row of twice) times.set(row, (times.get(row) ?? 0) + 1);
    // 2,000 draws of 1,000 rows, the classes by chance: once, twice, or thrice where a class came more often.
    expect(times.size).toBeGreaterThan(990);
    expect(Math.max(...times.values())).toBeLessThanOrEqual(3);
    expect(
      all(50)
        .map(repeats)
        .every((count) => count > 0 && count < 250),
    ).toBe(true);
  });

  test("property: the same seed gives the same rows; a longer run begins as a shorter one", () => {
    const kinds = fc.constantFrom("stationary", "introduction", "fluctuation", "gradual");
    const runs = fc.record({
      kind: kinds,
      seed: fc.nat(1e6),
      batch: fc.integer({ min: 1, max: 20 }),
      sites: fc.integer({ min: 2, max: 6 }),
      count: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(runs, ({ kind, seed, batch, sites, count }) => {
        const dataset = even(500, 5);
        const of = (batches: number) =>
          plan(
            {
              batch,
              batches,
              mixture: { kind: "classes", count },
              workload: kind === "stationary" ? { kind } : { kind, at: 4 },
            },
            { dataset, sites, seed },
          ).map(({ rows }) => rows);
        const long = of(12);
        expect(of(12)).toEqual(long);
        expect(of(5)).toEqual(long.map((rows) => rows.slice(0, 5 * batch)));
      }),
      { numRuns: 40 },
    );
  });

  test("another seed, another stream; batches at their rate", () => {
    const [a] = plan({ batches: 5 });
    const [b] = plan({ batches: 5 }, { seed: 2 });
    expect(a!.rows).not.toEqual(b!.rows);
    expect(a!.everyMicros).toBe(1_000_000);
    expect(plan({ batches: 2, rate: 40 })[0]!.everyMicros).toBe(25_000);
  });
});

describe("natural order", () => {
  const dataset = even(103, 2);
  const natural = (workload: object, more: object = {}) =>
    plan({ batch: 10, workload: { kind: "natural", ...workload } }, { dataset, sites: 2, ...more });

  test("interleaved, contiguous, or by the sites of the data, each row once, in its order", () => {
    expect(natural({})[1]!.rows.slice(0, 3)).toEqual(Uint32Array.of(1, 3, 5));
    expect(natural({}).map(batchesOf)).toEqual([5, 5]);
    expect(natural({ deal: "contiguous" }).map(({ rows }) => rows[0])).toEqual([0, 51]);
    const of = Int32Array.from({ length: 103 }, (_, row) => (row < 30 ? 1 : 0));
    const sites = natural({ deal: "sites" }, { natural: { names: ["a", "b"], of } });
    expect(sites.map(batchesOf)).toEqual([7, 3]);
    expect(sites.map(({ rows }) => rows[0])).toEqual([30, 0]);
  });

  test("known changes come in the batch of the first changed row, at the sites that meet it", () => {
    const changes = [{ row: 61, what: "the price is set anew" }];
    expect(natural({ changes }).map(({ shifts }) => shifts.map(({ batch }) => batch))).toEqual([
      [3],
      [3],
    ]);
    const apart = natural({ deal: "contiguous", changes });
    expect(apart.map(({ shifts }) => shifts.map(({ batch }) => batch))).toEqual([[], [1]]);
    const never = natural({ deal: "contiguous", changes: [{ row: 20, what: "x" }] });
    expect(never.map(({ shifts }) => shifts.length)).toEqual([1, 0]);
  });
});

describe("what cannot be", () => {
  const introduction = (more: object) => ({ workload: { kind: "introduction", ...more } });
  test.each([
    ["a class that is not there", introduction({ class: 10 }), "workload.class"],
    ["a change after the end", introduction({ at: 300 }), "workload.at"],
    ["no donor left", introduction({ targets: 10 }), "workload.targets"],
    ["target and donor at once", introduction({ targets: [1], donors: [1] }), "workload.donors"],
    ["a site that is not there", introduction({ targets: [10] }), "workload.targets"],
    ["too many classes", { mixture: { kind: "classes", count: 11 } }, "mixture.count"],
    ["natural sites of none", { workload: { kind: "natural", deal: "sites" } }, "workload.deal"],
    ["a batch beyond the data", { batch: 7000, workload: { kind: "natural" } }, "batch"],
    [
      "a swap of equals",
      { mixture: { kind: "classes", count: 10 }, workload: { kind: "swap", between: [0, 1] } },
      "workload.between",
    ],
  ])("%s", async (_, spec, path) => {
    const issue = await issueOf(() => plan(spec));
    expect(issue.code).toBe("BAD_STREAM");
    expect(issue.path?.join(".")).toBe(`data.stream.${path}`);
  });

  test("numbers to predict, and mixtures where they mean nothing", async () => {
    const dataset = { ...DIGITS, labels: new Float32Array(60_000), classes: 0 };
    expect((await issueOf(() => plan({}, { dataset }))).code).toBe("BAD_STREAM");
    expect(StreamSpec.safeParse({ workload: { kind: "swap" } }).success).toBe(false);
    const mixture = { kind: "iid" };
    expect(StreamSpec.safeParse({ mixture, workload: { kind: "natural" } }).success).toBe(false);
  });
});
