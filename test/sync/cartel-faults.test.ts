/**
 * What goes wrong around a site of Cartel never hurts it: it serves every batch, and its error ends no higher than that of
 * isolated learning by more than the margin of the acceptance test.
 */
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../src/core/ids.ts";
import { SECOND } from "../../src/core/units.ts";
import { TransferOptions } from "../../src/sync/between/cartel/options.ts";
import { PUBLISH } from "../../src/sync/between/cartel/registry/central.ts";
import { encodeRecord } from "../../src/sync/between/cartel/registry/record.ts";
import type { FaultSpec } from "../../src/world/simulated/faults.ts";
import {
  BATCHES,
  type CartelOutcome,
  type CartelRun,
  enlarge,
  INTRODUCTION,
  mean,
  runCartel,
  SWITCH,
} from "./cartel-fixtures.ts";
import { packed } from "./cartel-toy.ts";
import { recordOf } from "./registry-fixtures.ts";

const { margin } = TransferOptions.parse({});
const AFTER = [SWITCH, BATCHES] as const;
const END = [BATCHES - 20, BATCHES] as const;

const alone = await runCartel({ between: { kind: "none" } });

/** Every batch was served, and neither after the change nor at the end is the site worse off than alone. */
function unharmed(shared: CartelOutcome): void {
  expect([...shared.errors("s0")].some(Number.isNaN)).toBe(false);
  for (const part of [AFTER, END])
    expect(mean(shared.errors("s0"), ...part)).toBeLessThanOrEqual(
      mean(alone.errors("s0"), ...part) + margin,
    );
}

const marksOf = (shared: CartelOutcome): string[] =>
  shared.marks("s0").map((mark) => mark.replace(/^\d+ /, ""));

/** When s0 has asked: the drift is noticed at the batch of the change. */
const ASKED = SWITCH + 1;

const KEEPER = "s3/registry-0";
const between = (kind: string) => ({
  kind: "cartel",
  registry: kind === "central" ? { kind, site: "s3" } : { kind },
  // A registry that lost its memory is to know everybody again within these short streams.
  reportEvery: 25,
});

describe("the metadata service", () => {
  const crash = (at: number, restartAfter?: number): FaultSpec => ({
    kind: "crash",
    node: KEEPER,
    at,
    ...(restartAfter === undefined ? {} : { restartAfter }),
  });

  test.each([
    ["down from the start", [crash(0.5)], false],
    ["down in mid-run", [crash(40)], false],
    ["down as it is asked, and back", [crash(ASKED - 1, 4)], true],
    ["restarted before", [crash(20, 5)], true],
  ] as const)("%s", async (_, faults, helped) => {
    const shared = await runCartel({ between: between("central"), faults });
    unharmed(shared);
    expect(marksOf(shared)).toContain("request: for class 3");
    expect(marksOf(shared).some((mark) => mark.startsWith("accept"))).toBe(helped);
  });

  test.each(["central", "dht"])("lossy, late, twice and out of order (%s)", async (kind) => {
    const simulation = { lossRate: 0.2, duplicationRate: 0.3, jitterMicros: SECOND / 2 };
    const faults: FaultSpec[] = [{ kind: "delay", at: 30, for: 40, extraMs: 700 }];
    for (const seed of [1, 2, 3])
      unharmed(
        await runCartel({ between: between(kind), simulation, faults, simulationSeed: seed }),
      );
  });

  test("full of records that lie", async () => {
    const forged: CartelRun["programs"] = {
      "s2/peer-0": async (world, scope) => {
        for (let batch = 0; batch < BATCHES; batch++) {
          await world.clock.sleep(SECOND, scope);
          const now = world.clock.now();
          const wonderful = recordOf(2, now, [0, 1, 2, 3], 0);
          // Of itself, of others, and none at all.
          for (const bytes of [
            encodeRecord({ ...wonderful, node: "s1/peer-0" as NodeId }),
            encodeRecord({ ...wonderful, node: "nobody/peer-0" as NodeId }),
            encodeRecord(wonderful).subarray(0, 20),
            Uint8Array.from({ length: 80 }, (_, i) => (i * 37 + batch) % 256),
            encodeRecord(wonderful),
          ])
            world.network.send(KEEPER as NodeId, PUBLISH, {}, [bytes]);
        }
      },
    };
    const shared = await runCartel({ between: between("central"), programs: forged });
    unharmed(shared);
    // It has nothing to give for what it said of itself; the honest one is asked then.
    expect(marksOf(shared)).toContain("reject s2: silent");
    expect(marksOf(shared).some((mark) => mark.startsWith("accept s1"))).toBe(true);
    expect(shared.events).toContainEqual(
      expect.objectContaining({ name: "cartel.refusedRecords", site: "s3" }),
    );
  });
});

describe("a neighbour", () => {
  test("that dies in mid-transfer is given up, and the next one is asked", async () => {
    const shared = await runCartel({
      between: { ...between("central"), transfer: { maxBytes: 400_000, timeoutMs: 6_000 } },
      bandwidth: 1e6,
      model: (_, model) => enlarge(model, 320_000),
      faults: [{ kind: "crash", node: "s1/peer-0", at: ASKED + 1 }],
    });
    unharmed(shared);
    expect(marksOf(shared)).toContain("reject s1: stopped in the middle");
    expect(marksOf(shared).some((mark) => mark.startsWith("accept s2"))).toBe(true);
  });

  test("that dies and comes back goes on as a site", async () => {
    const shared = await runCartel({
      between: between("dht"),
      faults: [{ kind: "crash", node: "s1/peer-0", at: ASKED, restartAfter: 20 }],
    });
    unharmed(shared);
    expect(shared.errors("s1").slice(-10).some(Number.isNaN)).toBe(false);
  });

  test.each([
    ["malformed", () => Uint8Array.of(1, 2, 3), /no portion/],
    ["empty", () => new Uint8Array(0), /no portion/],
    ["of numbers that are none", () => packed([[3, Number.NaN]]), /no portion/],
    [
      "plausible and harmful",
      () =>
        packed([
          [3, 0.98],
          [0, 0],
          [1, 0],
        ]),
      /errs \d+\.\d % with it/,
    ],
    ["useless", () => packed([[3, 0]]), /errs \d+\.\d % with it/],
    ["larger than asked", () => new Uint8Array(200_000), /no portion/],
  ] as const)("that lies: its portion is %s", async (_, lie, reason) => {
    const shared = await runCartel({
      between: between("central"),
      model: (site, model) => {
        if (site === "s1") model.pack = lie;
      },
    });
    unharmed(shared);
    const rejected = marksOf(shared).find((mark) => mark.startsWith("reject s1"));
    expect(rejected).toMatch(reason);
    expect(marksOf(shared).some((mark) => mark.startsWith("accept s2"))).toBe(true);
  });

  test("and everybody else lies: the site is as if alone", async () => {
    const shared = await runCartel({
      between: between("central"),
      model: (site, model) => {
        if (site !== "s0")
          model.pack = () =>
            packed([
              [3, 0.9],
              [0, 0.1],
              [1, 0.1],
              [2, 0.1],
            ]);
      },
    });
    unharmed(shared);
    expect(marksOf(shared).some((mark) => mark.startsWith("accept"))).toBe(false);
    expect(shared.errors("s0")).toEqual(alone.errors("s0"));
  });
});

describe("a portion", () => {
  // Class 2 is away while the portion is tested, and back two batches later.
  const away = (batch: number): number[] => {
    const classes = batch < SWITCH ? [0, 1] : [0, 1, 3];
    return batch >= SWITCH - 15 && batch < SWITCH + 4 ? classes : [...classes, 2];
  };
  const run: CartelRun = {
    between: between("central"),
    mixtures: [away, ...INTRODUCTION.slice(1)],
    model: (site, model) => {
      if (site !== "s0")
        model.pack = () =>
          packed([
            [3, 0.3],
            [2, 0],
          ]);
    },
  };

  test("whose harm the window cannot show is taken back on probation: the site is as if alone", async () => {
    const [shared, isolated] = [
      await runCartel(run),
      await runCartel({ ...run, between: { kind: "none" } }),
    ];
    const accepted = shared.marks("s0").find((mark) => /accept s\d/.test(mark));
    const back = shared.marks("s0").find((mark) => /taken back: \d+ rows wrong by it/.test(mark));
    expect(accepted).toBeDefined();
    expect(back).toBeDefined();
    // As soon as the class is back, it has learned as one that never asked: no difference is left.
    const from = Number.parseInt(back!, 10);
    expect(from).toBeLessThanOrEqual(SWITCH + 6);
    expect(shared.errors("s0").slice(from + 1)).toEqual(isolated.errors("s0").slice(from + 1));
    expect(mean(shared.errors("s0"), ...END)).toBeLessThanOrEqual(
      mean(isolated.errors("s0"), ...END) + margin,
    );
  });
});

describe("a partition", () => {
  const cut = (from: number, seconds: number): FaultSpec[] =>
    [1, 2, 3].map((i) => ({ kind: "partition", a: "s0", b: `s${i}`, at: from, for: seconds }));

  test.each(["central", "dht"])(
    "from before the change to the end: isolated learning (%s)",
    async (kind) => {
      const shared = await runCartel({ between: between(kind), faults: cut(50, 500) });
      unharmed(shared);
      expect(shared.errors("s0")).toEqual(alone.errors("s0"));
    },
  );

  test.each(["central", "dht"])("that heals soon: help comes then (%s)", async (kind) => {
    const shared = await runCartel({ between: between(kind), faults: cut(ASKED - 1, 6) });
    unharmed(shared);
    expect(marksOf(shared).some((mark) => mark.startsWith("accept"))).toBe(true);
  });

  test("between the site and its best neighbour: another one helps", async () => {
    const faults: FaultSpec[] = [{ kind: "partition", a: "s0", b: "s1", at: ASKED - 2, for: 500 }];
    const shared = await runCartel({ between: between("central"), faults });
    unharmed(shared);
    expect(marksOf(shared)).toContain("reject s1: silent");
    expect(marksOf(shared).some((mark) => mark.startsWith("accept s2"))).toBe(true);
  });
});
