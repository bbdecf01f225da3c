/** Measures of runs on streams, on curves drawn by hand whose adaptation is known. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MarkEvent, RunEvent } from "../../src/core/events.ts";
import { siteId } from "../../src/core/ids.ts";
import { createRandom } from "../../src/core/random.ts";
import {
  adaptationOf,
  CAUSE,
  errorOf,
  MARGIN,
  measureStreams,
  segmentsOf,
  WINDOW,
} from "../../src/run/stream-measures.ts";
import { applyToStreams, emptyStreams, type StreamsView } from "../../src/run/stream-view.ts";

const EXAMPLES = 100;

/** A site whose batches have these errors in a hundred. */
const batches = (site: string, errors: readonly number[], more: object = {}): RunEvent[] =>
  errors.map((wrong, batch) => ({
    type: "stream",
    t: 1e6 * (batch + 1),
    site: siteId(site),
    batch,
    examples: EXAMPLES,
    errors: wrong,
    modelBytes: 1000,
    flops: 10,
    ...more,
  }));

const mark = (site: string, batch: number, what: MarkEvent["mark"]): RunEvent => ({
  type: "mark",
  t: 1e6 * batch,
  site: siteId(site),
  batch,
  mark: what,
});

function fold(...events: readonly RunEvent[]): StreamsView {
  const view = emptyStreams();
  for (const event of events) applyToStreams(view, event, 0);
  return view;
}

const flat = (length: number, value: number): number[] => new Array(length).fill(value);
const siteOf = (view: StreamsView, id = "a") => view.sites.get(id)!;

describe("adaptation", () => {
  test("a jump that lasts k batches and is gone takes k batches, but for a tail that the margin lets pass", () => {
    for (const k of [0, 1, 5, 12, 30]) {
      const view = fold(
        mark("a", 100, "shift"),
        ...batches("a", [...flat(100, 5), ...flat(k, 50), ...flat(200 - k, 5)]),
      );
      const { stable, adapted, batches: took } = adaptationOf(siteOf(view), { from: 100, to: 300 });
      expect(stable).toBe(0.05);
      expect(adapted).toBe(true);
      // One batch of 50 % in a window of ten is 4.5 points: too much. So exactly k.
      expect(took).toBe(k);
    }
  });

  test("nothing that was before the shift enters: the window looks ahead", () => {
    const view = fold(mark("a", 50, "shift"), ...batches("a", [...flat(50, 90), ...flat(100, 5)]));
    expect(adaptationOf(siteOf(view), { from: 50, to: 150 }).batches).toBe(0);
  });

  test("a straight fall to the stable level takes until its window is within two points", () => {
    // From 42 % by one point a batch to 2 %, then level: the window at k has mean 42 - k - 4.5 while it is all slope.
    const slope = Array.from({ length: 40 }, (_, k) => 42 - k);
    const view = fold(mark("a", 0, "shift"), ...batches("a", [...slope, ...flat(160, 2)]));
    const { batches: took } = adaptationOf(siteOf(view), { from: 0, to: 200 });
    // Window at 34: 8 7 6 5 4 3 2 2 2 2 = 4.1; at 35: 7 6 5 4 3 2 2 2 2 2 = 3.5: the first within 2 + 2.
    expect(took).toBe(35);
  });

  test("the same curve in examples takes as many examples, whatever the size of a batch", () => {
    // Half of 1,000 examples wrong, then one in twenty: as batches of 20, 50, 100 and 200.
    for (const size of [20, 50, 100, 200]) {
      const wrong = (first: number) => size * (first < 1000 ? 0.5 : 0.05);
      const errors = Array.from({ length: 5000 / size }, (_, batch) => wrong(batch * size));
      const view = fold(mark("a", 0, "shift"), ...batches("a", errors, { examples: size }));
      expect(size * adaptationOf(siteOf(view), { from: 0, to: errors.length }).batches).toBe(1000);
    }
  });

  test("a peak shorter than the window is not swallowed by it", () => {
    // Three batches of ten with five wrong, then one in forty: 3.9 % of the first 1,000 examples, within two points of 2.5 %.
    const after = Array.from({ length: 397 }, (_, k) => (k % 4 === 0 ? 1 : 0));
    const view = fold(
      mark("a", 0, "shift"),
      ...batches("a", [5, 5, 5, ...after], { examples: 10 }),
    );
    const site = siteOf(view);
    expect(errorOf(site, 0, 100)).toBeLessThan(0.025 + MARGIN);
    expect(adaptationOf(site, { from: 0, to: 400 }).batches).toBe(3);
  });

  test("chance alone is no lack of adaptation: streams without a change adapt within a few batches of ten", () => {
    const random = createRandom(7);
    const took = Array.from({ length: 40 }, () => {
      const errors = Array.from({ length: 400 }, () => {
        let wrong = 0;
        for (let k = 0; k < 10; k++) if (random.next() < 0.05) wrong++;
        return wrong;
      });
      const view = fold(mark("a", 0, "shift"), ...batches("a", errors, { examples: 10 }));
      return adaptationOf(siteOf(view), { from: 0, to: 400 }).batches;
    });
    expect(took.reduce((all, one) => all + one, 0) / took.length).toBeLessThan(5);
  });

  test("an error that still falls at the end has not adapted, and counts whole", () => {
    const falling = Array.from({ length: 100 }, (_, k) => 90 - Math.floor(k * 0.8));
    const view = fold(mark("a", 0, "shift"), ...batches("a", falling));
    const found = adaptationOf(siteOf(view), { from: 0, to: 100 });
    expect(found.adapted).toBe(false);
    expect(found.batches).toBe(100);
    expect(measureStreams(view).adapted).toBe(0);
  });

  test("is never more than its segment, and 0 where nothing rose above the stable level", () => {
    const curve = fc.array(fc.integer({ min: 0, max: EXAMPLES }), { minLength: 20, maxLength: 80 });
    fc.assert(
      fc.property(curve, (errors) => {
        const view = fold(mark("a", 0, "shift"), ...batches("a", errors));
        const site = siteOf(view);
        const to = errors.length;
        const { batches: took, stable, adapted } = adaptationOf(site, { from: 0, to });
        expect(took).toBeGreaterThanOrEqual(0);
        expect(took).toBeLessThanOrEqual(to);
        if (!adapted) return;
        const moving = errorOf(site, took, Math.min(to, took + WINDOW / EXAMPLES));
        expect(moving).toBeLessThanOrEqual(stable + MARGIN + 1e-12);
      }),
    );
  });
});

describe("measures", () => {
  test("errors, shifts, requests and delays of two sites", () => {
    const view = fold(
      mark("a", 100, "shift"),
      mark("a", 104, "drift"),
      mark("a", 104, "request"),
      mark("a", 105, "reject"),
      mark("a", 106, "request"),
      mark("a", 107, "accept"),
      mark("b", 50, "drift"),
      mark("b", 50, "request"),
      ...batches("a", [...flat(100, 5), ...flat(10, 50), ...flat(190, 5)]),
      ...batches("b", flat(300, 10), { modelBytes: 3000, flops: 30 }),
    );
    const found = measureStreams(view);
    expect(found.batches).toBe(600);
    expect(found.error).toBeCloseTo((290 * 5 + 10 * 50 + 300 * 10) / 60_000, 12);
    expect(found.errorAfterShifts).toBeCloseTo((10 * 50 + 40 * 5) / 5000, 12);
    expect(found.shifts).toBe(1);
    expect(found.adapted).toBe(1);
    expect(found.adaptationBatches).toBe(10);
    expect(found.detectionDelay).toBe(4);
    expect([found.drifts, found.requests, found.accepted, found.rejected]).toEqual([2, 3, 1, 1]);
    // b asked though nothing had shifted there: one in 600 batches.
    expect(found.falseRequestsPer1000).toBeCloseTo(1000 / 600, 12);
    expect(found.modelBytes).toBe(2000);
    expect(found.trainFlops).toBe((300 * 10 + 300 * 30) / 2);
  });

  test("a request is a shift's for so many batches after it, and no longer", () => {
    const asked = (batch: number) =>
      measureStreams(
        fold(mark("a", 10, "shift"), mark("a", batch, "request"), ...batches("a", flat(500, 5))),
      ).falseRequestsPer1000;
    expect([asked(9), asked(10), asked(9 + CAUSE), asked(10 + CAUSE)]).toEqual([2, 0, 0, 2]);
  });

  test("training at a centre is one model's, and sites that train nothing do not count", () => {
    const t = 1;
    const view = fold(
      ...batches("a", flat(10, 5), { flops: 0 }),
      ...batches("b", flat(10, 5), { flops: 0 }),
      { type: "metric", t, name: "centralize.trainFlops", value: 700, site: siteId("a") },
      { type: "metric", t, name: "centralize.trainFlops", value: 300, site: siteId("a") },
      { type: "metric", t, name: "centralize.modelBytes", value: 5, site: siteId("a") },
    );
    expect(measureStreams(view).trainFlops).toBe(1000);
  });

  test("batches that were lost have no examples, and take no part in errors", () => {
    const all = batches("a", flat(20, 10));
    const view = fold(...all.slice(0, 5), ...all.slice(15));
    expect(siteOf(view).examples.slice(5, 15)).toEqual(flat(10, 0));
    expect(measureStreams(view).error).toBe(0.1);
  });

  test("segments end at the next shift; those too short to judge count for the error alone", () => {
    const view = fold(
      mark("a", 10, "shift"),
      mark("a", 19, "shift"),
      ...batches("a", flat(100, 5)),
    );
    expect(segmentsOf(siteOf(view))).toEqual([
      { from: 10, to: 19 },
      { from: 19, to: 100 },
    ]);
    expect(measureStreams(view).shifts).toBe(1);
  });

  test("nothing at all is no reason to divide by it", () => {
    const found = measureStreams(emptyStreams());
    expect(found.batches).toBe(0);
    expect(found.error).toBe(0);
    expect(found.adaptationBatches).toBeNull();
  });
});
