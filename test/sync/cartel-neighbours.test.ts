/** The divergence is what it is said to be, and the choice of neighbours is reasoned and depends on nothing else. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { SECOND } from "../../src/core/units.ts";
import { jensenShannon, sketchDivergence } from "../../src/sync/between/cartel/divergence.ts";
import {
  chooseNeighbours,
  NeighbourOptions,
  type Surroundings,
  type Target,
} from "../../src/sync/between/cartel/neighbours.ts";
import type { SiteRecord } from "../../src/sync/between/cartel/registry/contract.ts";
import { CLASSES, peerId, recordOf } from "./registry-fixtures.ts";

const histogram = fc.array(fc.nat(1000), { minLength: 5, maxLength: 5 });
const options = NeighbourOptions.parse({});

describe("the Jensen-Shannon divergence", () => {
  test("lies in [0, 1], is symmetric, 0 for the same shares, and knows no scale", () => {
    fc.assert(
      fc.property(histogram, histogram, fc.integer({ min: 1, max: 50 }), (p, q, scale) => {
        const js = jensenShannon(p, q);
        expect(js).toBeGreaterThanOrEqual(0);
        expect(js).toBeLessThanOrEqual(1);
        expect(jensenShannon(q, p)).toBeCloseTo(js, 12);
        expect(jensenShannon(p, p)).toBeCloseTo(0, 12);
        expect(
          jensenShannon(
            p.map((n) => n * scale),
            q,
          ),
        ).toBeCloseTo(js, 9);
      }),
    );
  });

  test("its root is a metric", () => {
    fc.assert(
      fc.property(histogram, histogram, histogram, (p, q, r) => {
        const root = (a: number[], b: number[]): number => Math.sqrt(jensenShannon(a, b));
        expect(root(p, r)).toBeLessThanOrEqual(root(p, q) + root(q, r) + 1e-9);
      }),
    );
  });

  test.each([
    [[1, 0], [0, 1], 1],
    [[1, 1], [1, 1], 0],
    // H(3/4, 1/4) - (H(1, 0) + H(1/2, 1/2)) / 2
    [[1, 0], [1, 1], 0.8112781 - 0.5],
  ])("of %j and %j is %f", (p, q, js) => {
    expect(jensenShannon(p, q)).toBeCloseTo(js, 4);
  });

  test("of sketches is that of their coins", () => {
    expect(sketchDivergence([1, 0], [0, 0])).toBeCloseTo(0.5, 4);
  });
});

const NOW = 100 * SECOND;

const target = (need: readonly number[], classes: readonly number[]): Target => ({
  node: peerId(0),
  modelKind: "toy",
  classCounts: recordOf(0, 0, classes).classCounts,
  classErrors: new Float32Array(CLASSES).fill(0.9),
  need,
});

const around: Surroundings = {
  now: NOW,
  staleAfter: 30 * SECOND,
  roundTripMicros: () => 1,
  dollarsPerGB: () => 0,
};

const keptOf = (verdicts: ReturnType<typeof chooseNeighbours>): string[] =>
  verdicts.filter(({ kept }) => kept).map(({ record }) => record.node);

const reasonsOf = (records: readonly SiteRecord[], seeker: Target): string[] =>
  chooseNeighbours(seeker, records, around, options).map(({ reason }) => reason);

describe("the choice of neighbours", () => {
  const seeker = target([3], [1, 2, 3]);

  test("says of each why it was kept or dropped", () => {
    const like = recordOf(1, NOW, [1, 2, 3]);
    const cases: [SiteRecord, RegExp][] = [
      [like, /^near \(0\.00\), errs 10 % on the classes in need$/],
      [recordOf(0, NOW, [1, 2, 3]), /the site itself/],
      [{ ...like, modelKind: "forest" }, /its model is a forest/],
      [recordOf(1, NOW - 31 * SECOND, [1, 2, 3]), /31 s old/],
      [recordOf(1, NOW, [1, 2]), /has seen 0/],
      [recordOf(1, NOW, [1, 2, 3], 0.85), /errs 85 %, the site 90 %/],
      [recordOf(1, NOW, [3, 4, 5, 6, 7, 8, 9, 0]), /too far/],
    ];
    for (const [record, reason] of cases)
      expect(reasonsOf([record], seeker)).toEqual([expect.stringMatching(reason)]);
  });

  test("relaxes from near to far only while nobody is nearer", () => {
    const middling = recordOf(1, NOW, [3, 4]);
    const near = recordOf(2, NOW, [1, 2, 3, 4]);
    expect(keptOf(chooseNeighbours(seeker, [middling], around, options))).toEqual([peerId(1)]);
    expect(keptOf(chooseNeighbours(seeker, [middling, near], around, options))).toEqual([
      peerId(2),
    ]);
  });

  test("of ties the shorter round trip wins, then the cheaper way", () => {
    const records = [1, 2, 3].map((i) => recordOf(i, NOW, [1, 2, 3]));
    const far = (site: string) => (site === "s1" ? 9 : 5);
    const dear = (site: string) => (site === "s2" ? 0.1 : 0.02);
    const choice = { ...around, roundTripMicros: far, dollarsPerGB: dear };
    expect(keptOf(chooseNeighbours(seeker, records, choice, options))).toEqual(
      [3, 2, 1].map(peerId),
    );
  });

  test("asks no more than the most, and says so", () => {
    const records = [1, 2, 3, 4, 5].map((i) => recordOf(i, NOW, [1, 2, 3], 0.1 * i));
    expect(keptOf(chooseNeighbours(seeker, records, around, options))).toEqual(
      [1, 2, 3].map(peerId),
    );
    expect(reasonsOf(records, seeker).slice(3)).toEqual(["3 are better", "3 are better"]);
  });

  test("does not depend on the order of records, nor on how classes are numbered", () => {
    const one = fc.record({
      classes: fc.uniqueArray(fc.nat(CLASSES - 1), { minLength: 1 }),
      error: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 8 }), fc.nat(), (drawn, seed) => {
        const records = drawn.map(({ classes, error }, i) => recordOf(i + 1, NOW, classes, error));
        const chosen = keptOf(chooseNeighbours(seeker, records, around, options));
        const random = createRandom(seed);
        const shuffled = random.shuffle([...records]);
        expect(keptOf(chooseNeighbours(seeker, shuffled, around, options))).toEqual(chosen);

        const to = random.shuffle(Array.from({ length: CLASSES }, (_, c) => c));
        const renamed = <A extends Uint32Array | Float32Array>(values: A): A => {
          const out = values.slice() as A;
          to.forEach((place, c) => {
            out[place] = values[c]!;
          });
          return out;
        };
        const renumber = <R extends Pick<Target, "classCounts" | "classErrors">>(of: R): R => ({
          ...of,
          classCounts: renamed(of.classCounts),
          classErrors: renamed(of.classErrors),
        });
        const seekers = { ...renumber(seeker), need: seeker.need.map((c) => to[c]!) };
        expect(keptOf(chooseNeighbours(seekers, records.map(renumber), around, options))).toEqual(
          chosen,
        );
      }),
    );
  });

  test("a worse error never improves a rank", () => {
    fc.assert(
      fc.property(
        fc.float({ min: 0, max: Math.fround(0.5), noNaN: true }),
        fc.float({ min: 0, max: Math.fround(0.5), noNaN: true }),
        (a, b) => {
          const records = [recordOf(1, NOW, [1, 2, 3], a), recordOf(2, NOW, [1, 2, 3], b)];
          const [first] = chooseNeighbours(seeker, records, around, options);
          if (Math.abs(a - b) > 2 * options.tie)
            expect(first!.record.node).toBe(peerId(a < b ? 1 : 2));
        },
      ),
    );
  });
});
