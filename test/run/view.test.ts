/** The fold of a log written by hand, its sums done by hand. */
import { describe, expect, it } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { nodeId, siteId } from "../../src/core/ids.ts";
import { conclusion, placeText } from "../../src/run/conclusion.ts";
import { reportPage } from "../../src/run/report/page.ts";
import { type CompareRow, compareRow, mergeSeeds, spreadOf } from "../../src/run/rows.ts";
import { RunSpec } from "../../src/run/spec.ts";
import { foldEvents } from "../../src/run/view.ts";

const A = siteId("a");
const B = siteId("b");

const spec = RunSpec.parse({
  version: 1,
  name: "hand",
  data: { kind: "digits" },
  model: { kind: "sequential", layers: ["flatten", { dense: 10 }] },
  optimizer: { kind: "sgd", learningRate: 0.1 },
  sites: { count: 2 },
  within: { kind: "parameter-server", consistency: "ssp", staleness: 2 },
  between: { kind: "gaia" },
  stop: { accuracy: 0.9 },
});

const clock = (t: number, site: typeof A, index: number, n: number, wait: number): RunEvent => ({
  type: "clock",
  t,
  node: nodeId(site, "worker", index),
  site,
  clock: n,
  loss: 1 / n,
  examples: 32,
  computeMicros: 1_000_000,
  waitMicros: wait,
  wireMicros: wait / 2,
  ...(wait > 0 ? { waitedFor: ["b"] } : {}),
});

const traffic = (t: number, from: typeof A, to: typeof A, bytes: number): RunEvent => ({
  type: "traffic",
  t,
  from,
  to,
  kind: from === to ? "push" : "update",
  bytes,
  messages: 1,
  wan: from !== to,
  dollars: from === to ? 0 : bytes * 0.01,
});

const judged = (t: number, n: number, accuracy: number, final = false): RunEvent => ({
  type: "evaluation",
  t,
  clock: n,
  metrics: { examples: 10, loss: 0.5, accuracy },
  ...(final ? { final, sites: { a: { examples: 5, loss: 1, accuracy: 0.8 } } } : {}),
});

const DECLARED = { bandwidth: 1e8, roundTripMicros: 80_000 };

const LOG: readonly RunEvent[] = [
  {
    type: "run",
    t: 0,
    name: "hand",
    spec,
    sites: [
      { id: A, name: "Aachen" },
      { id: B, name: "Berlin" },
    ],
    parameters: 7850,
    workers: 3,
  },
  clock(1e6, A, 0, 1, 0),
  clock(1e6, A, 1, 1, 500_000),
  clock(2e6, B, 0, 1, 2_000_000),
  traffic(2e6, A, B, 100),
  traffic(2e6, B, A, 30),
  traffic(2e6, A, A, 7),
  judged(2e6, 1, 0.5),
  clock(3e6, A, 0, 2, 0),
  traffic(3e6, A, B, 11),
  { type: "metric", t: 3e6, name: "gaia.significantFraction", value: 0.02, site: A },
  { type: "metric", t: 3e6, name: "gaia.significantFraction", value: 0.04, site: B },
  judged(4e6, 2, 0.91),
  { type: "note", t: 4e6, text: "read me" },
  { type: "fault", t: 4e6, fault: "crash", target: "b/worker-0" },
  judged(5e6, 2, 0.89, true),
  // Two hosts of A have told of one link.
  {
    type: "link",
    t: 5e6,
    from: A,
    to: B,
    goodput: 3e7,
    roundTripMicros: 90_000,
    declared: DECLARED,
  },
  { type: "link", t: 5e6, from: A, to: B, goodput: 4e7, declared: DECLARED },
  { type: "link", t: 5e6, from: B, to: A, roundTripMicros: 91_000, declared: DECLARED },
  { type: "end", t: 5e6, reason: "target" },
];

describe("the view", () => {
  const view = foldEvents(LOG);

  it("adds bytes up once, by pair, kind and direction", () => {
    expect([view.wanBytes, view.lanBytes]).toEqual([141, 7]);
    expect(view.egressDollars).toBeCloseTo(1.41, 12);
    expect(view.pairs.get("a")?.get("b")).toBe(111);
    expect(view.pairs.get("a")?.get("a")).toBe(7);
    expect(view.bytesByKind).toEqual(
      new Map([
        ["update", 141],
        ["push", 7],
      ]),
    );
    const { bytesSent, bytesReceived } = view.sites.get("a")!;
    expect([bytesSent, bytesReceived]).toEqual([111, 30]);
  });

  it("keeps the best that was measured of each link, beside what was declared", () => {
    const declared = DECLARED;
    const there = { goodput: 4e7, roundTripMicros: 90_000, declared };
    const back = { goodput: undefined, roundTripMicros: 91_000, declared };
    expect(view.links.get("a")).toEqual(new Map([["b", there]]));
    expect(view.links.get("b")).toEqual(new Map([["a", back]]));
  });

  it("gives a site the clock of its slowest worker and the mean time of its workers", () => {
    const a = view.sites.get("a")!;
    expect(a.name).toBe("Aachen");
    expect(a.clock).toBe(1);
    expect(a.loss).toBe(0.5);
    expect([a.computeSeconds, a.waitSeconds]).toEqual([1.5, 0.25]);
    expect(a.wireSeconds).toBe(0.125);
    expect([...a.waitedFor]).toEqual([["b", 1]]);
    expect(a.accuracy).toBe(0.8);
  });

  it("keeps judgements with the bytes until then, and when the target was met first", () => {
    expect(view.evaluations.map((p) => [p.seconds, p.accuracy, p.wanBytes])).toEqual([
      [2, 0.5, 130],
      [4, 0.91, 141],
    ]);
    expect(view.reachedAt).toBe(4);
    expect(view.final?.accuracy).toBe(0.89);
  });

  it("keeps notes, faults, named numbers and the end", () => {
    expect(view.notes).toEqual(["read me"]);
    expect(view.faults).toEqual([{ seconds: 4, fault: "crash", target: "b/worker-0" }]);
    expect(view.metrics.get("gaia.significantFraction")).toMatchObject({ last: 0.04, count: 2 });
    expect(view.end?.reason).toBe("target");
  });

  it("is the same from a log that went through JSON", () => {
    const read = LOG.map((event) => JSON.parse(JSON.stringify(event)) as RunEvent);
    expect(compareRow(foldEvents(read), spec)).toEqual(compareRow(view, spec));
  });
});

describe("a model that diverged", () => {
  // What JSON makes of NaN and of infinity.
  const broken = [null, Number.NaN, Number.POSITIVE_INFINITY].map((loss) =>
    foldEvents([
      ...LOG.slice(0, 3),
      judged(3e6, 1, 0.2),
      {
        type: "evaluation",
        t: 4e6,
        clock: 2,
        metrics: { examples: 10, loss: loss as number, accuracy: 0.1 },
      },
      { type: "end", t: 4e6, reason: "maxClocks" },
    ]),
  );

  it("is said in row and sentence, and has a report", () => {
    for (const view of broken) {
      const row = compareRow(view, spec);
      expect(row).toMatchObject({ diverged: true, final: { accuracy: 0.1, loss: null } });
      expect(conclusion([row], { accuracy: 0.9 }, "two sites")).toContain("its model diverged");
      const run = { row, view, origins: {} };
      const target = { accuracy: 0.9 };
      const page = reportPage({ title: "t", conclusion: "", target, runs: [run], rows: [row] });
      expect(page).toContain("diverged");
    }
  });
});

describe("the row", () => {
  it("has the fields of `compare --json`", () => {
    expect(compareRow(foldEvents(LOG), spec)).toEqual({
      name: "hand",
      within: "ssp:2",
      between: "gaia",
      codec: "significance",
      reachedTarget: true,
      timeToTargetSeconds: 4,
      final: { accuracy: 0.89, loss: 0.5 },
      clocks: 1,
      seconds: 5,
      end: "target",
      wanBytes: 141,
      lanBytes: 7,
      egressDollars: expect.closeTo(1.41, 12),
      computeSeconds: expect.closeTo(4 / 3, 12),
      waitSeconds: expect.closeTo(2.5 / 3, 12),
      wireSeconds: expect.closeTo(1.25 / 3, 12),
      significantFraction: 0.03,
    });
  });

  it("merges seeds into means and spread", () => {
    const row = compareRow(foldEvents(LOG), spec);
    const other = { ...row, timeToTargetSeconds: 6, wanBytes: 241 };
    const merged = mergeSeeds([row, other]);
    expect(merged.timeToTargetSeconds).toBe(5);
    expect(merged.wanBytes).toBe(191);
    expect(merged.seeds).toBe(2);
    expect(merged.spread?.timeToTargetSeconds?.deviation).toBeCloseTo(Math.SQRT2, 12);
    expect(mergeSeeds([row, { ...other, reachedTarget: false }]).reachedTarget).toBe(false);
    expect(spreadOf([3])).toEqual({ mean: 3, min: 3, max: 3, deviation: 0, count: 1 });
  });
});

describe("the conclusion", () => {
  const base = compareRow(foldEvents(LOG), spec);
  const row = (name: string, between: string, time: number | null, more = {}): CompareRow => ({
    ...base,
    name,
    between,
    reachedTarget: time !== null,
    timeToTargetSeconds: time,
    seconds: time ?? 900,
    wanBytes: 0,
    egressDollars: 0,
    final: { accuracy: 0.97, loss: 0.1 },
    ...more,
  });
  const lan = row("lan", "stretched", 37);
  const bsp = row("stretched-bsp", "stretched", 504, { wanBytes: 40e9, egressDollars: 2.4 });
  const gaia = row("gaia", "gaia", 41, { wanBytes: 2e9, egressDollars: 0.12 });
  const say = (...rows: CompareRow[]): string =>
    conclusion(rows, { accuracy: 0.97 }, placeText(11, "ec2-11"));

  it("states speed, the LAN and the bytes", () => {
    expect(say(lan, bsp, gaia)).toBe(
      "Over eleven regions Gaia reached 97.0 % accuracy in 41.0 s: 12.3x faster than a parameter " +
        "server stretched over the WAN (stretched-bsp) and 1.1x the time on a LAN, for 1/20 of the " +
        "WAN bytes (USD 0.12 against USD 2.40).",
    );
  });

  it("takes the quickest stretched row as the baseline, and names a quicker rival", () => {
    const ssp = row("stretched-ssp", "stretched", 100, { wanBytes: 40e9, egressDollars: 2.4 });
    expect(say(lan, bsp, ssp, gaia)).toContain("2.4x faster");
    expect(say(lan, bsp, ssp, gaia)).toContain("(stretched-ssp)");
    const fedavg = row("fedavg", "federated", 20);
    expect(say(lan, bsp, fedavg, gaia)).toContain("; fedavg was quicker still, 20.0 s.");
  });

  it("stays right when a row did not get there", () => {
    const never = { final: { accuracy: 0.951, loss: 0.2 } };
    expect(say(lan, row("stretched-bsp", "stretched", null, never), gaia)).toContain(
      "(stretched-bsp) did not reach it in 15 min 0 s (95.1 %)",
    );
    expect(say(row("lan", "stretched", null, never), bsp, gaia)).toContain("LAN did not reach it");
    const missed = say(lan, bsp, row("gaia", "gaia", null, { ...never, wanBytes: 5e6 }));
    expect(missed).toBe(
      "Over eleven regions Gaia did not reach 97.0 % accuracy (it came to 95.1 % in 15 min 0 s, " +
        "5.00 MB over the WAN); the quickest that did was lan, 37.0 s.",
    );
    expect(say(lan, bsp, row("gaia", "gaia", 1000))).toContain("2.0x slower than");
  });

  it("speaks of a run alone, and of one without a target", () => {
    expect(say(gaia)).toBe("Over eleven regions Gaia reached 97.0 % accuracy in 41.0 s.");
    expect(conclusion([lan, bsp], {}, "two sites")).toMatch(
      /^Over two sites stretched-bsp came to/,
    );
    expect(conclusion([], {}, "two sites")).toBe("");
  });
});
