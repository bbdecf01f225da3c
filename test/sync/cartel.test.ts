/** Cartel on toy streams: what it does on drift, what it never does, and what its options mean. */
import { describe, expect, test } from "vitest";
import { createBetween } from "../../src/sync/algorithms.ts";
import { BetweenSpec } from "../../src/sync/options.ts";
import {
  BATCHES,
  type CartelRun,
  enlarge,
  INTRODUCTION,
  mean,
  runCartel,
  SWITCH,
} from "./cartel-fixtures.ts";
import { packed } from "./cartel-toy.ts";

const isolated = (run: CartelRun = {}) => runCartel({ ...run, between: { kind: "none" } });
const withOptions = (options: object): CartelRun => ({ between: { kind: "cartel", ...options } });

const whatHappened = (marks: readonly string[]): string[] =>
  marks.map((mark) => mark.replace(/^\d+ /, "").replace(/:.*/, ""));

describe("cartel", () => {
  test.each(["central", "dht", "nats"])(
    "a class that comes is learned from a neighbour before the next batch (%s)",
    async (kind) => {
      const shared = await runCartel(withOptions({ registry: { kind } }));
      expect(whatHappened(shared.marks("s0"))).toEqual(["shift", "drift", "request", "accept s1"]);
      const alone = await isolated();
      expect(mean(shared.errors("s0"), SWITCH + 1, SWITCH + 20)).toBeLessThan(0.06);
      expect(mean(alone.errors("s0"), SWITCH + 3, SWITCH + 20)).toBeGreaterThan(0.15);
      // Until the change the two are the same, batch by batch.
      expect(shared.errors("s0").slice(0, SWITCH + 1)).toEqual(
        alone.errors("s0").slice(0, SWITCH + 1),
      );
    },
  );

  test("marks say for which class, from whom, and what it brought", async () => {
    const { marks } = await runCartel();
    const [, , request, accept] = marks("s0");
    expect(request).toMatch(/request: for class 3$/);
    expect(accept).toMatch(
      /accept s1: class 3: errs \d\.\d % with it, \d+\.\d % without; near \(0\.0\d\), errs \d+ %/,
    );
  });

  test("the same seed gives the same events, another one others", async () => {
    const [a, b, c] = [await runCartel(), await runCartel(), await runCartel({ seed: 2 })];
    expect(a.events).toEqual(b.events);
    expect(a.events).not.toEqual(c.events);
  });

  test("nothing that can carry records is ever sent, and the policy would refuse it", async () => {
    for (const kind of ["central", "dht"]) {
      const carried = new Map<string, string>();
      await runCartel({
        ...withOptions({ registry: { kind } }),
        onSend: (sent) => carried.set(sent.name, sent.carries),
        simulation: { recordsMayLeave: () => false },
      });
      expect([...carried.values()]).not.toContain("records");
      expect(carried.get("cartel.portion")).toBe("parameters");
      expect(carried.get("cartel.get-portion")).toBe("metadata");
    }
  });

  test("a portion on which the window cannot decide is tried again as rows of the class come", async () => {
    const { marks } = await runCartel({
      // Of the first five rows of the class it has most right, and of twice as many of another class as many more wrong.
      model: (site, model) => {
        if (site !== "s0")
          model.pack = () =>
            packed([
              [3, 0.9],
              [2, 0.7],
            ]);
      },
    });
    const of = marks("s0").map((mark) => mark.replace(/:.*/, ""));
    const refused = of.indexOf("60 reject s1");
    expect(refused).toBeGreaterThan(of.indexOf("60 request"));
    // Nobody was asked again in between.
    expect(of.slice(refused + 1).find((mark) => /request|accept/.test(mark))).toMatch(
      /6[1-4] accept s1/,
    );
  });

  test("on stationary streams nobody asks, and nobody errs more than alone", async () => {
    const mixtures = INTRODUCTION.map((mixture) => () => mixture(BATCHES));
    const run = { mixtures, batches: 300 };
    const [shared, alone] = [await runCartel(run), await isolated(run)];
    for (const site of ["s0", "s1", "s2", "s3"]) {
      expect(whatHappened(shared.marks(site))).not.toContain("request");
      expect(shared.errors(site)).toEqual(alone.errors(site));
    }
  });

  test("a class that comes back is known still: nobody is asked", async () => {
    const mixtures = [
      (batch: number) => (batch % 40 < 20 ? [0, 1, 2, 3] : [0, 1, 2]),
      ...INTRODUCTION.slice(1),
    ];
    const { marks } = await runCartel({ mixtures, batches: 300 });
    const asked = marks("s0").filter((mark) => mark.includes("request"));
    expect(asked.length).toBeLessThanOrEqual(2);
  });

  test("who knows no better than the site itself is not asked", async () => {
    // Nobody has had class 3 before.
    const mixtures = [INTRODUCTION[0]!, INTRODUCTION[3]!, () => [0, 1, 2]];
    const { marks, traffic } = await runCartel({ mixtures });
    expect(marks("s0").find((mark) => mark.includes("reject"))).toMatch(/nobody/);
    expect(traffic.some(({ kind }) => kind === "cartel.portion")).toBe(false);
  });

  test("a helper that is busy refuses, and the next one is asked", async () => {
    const target = INTRODUCTION[0]!;
    const mixtures = [target, ...INTRODUCTION.slice(1), target];
    const { marks } = await runCartel({
      ...withOptions({ transfer: { helps: 1 } }),
      mixtures,
      bandwidth: 1e6,
      // Large portions: two at once would share the link.
      model: (site, model) => {
        if (site === "s1" || site === "s2") enlarge(model, 60_000);
      },
    });
    const of = [...marks("s0"), ...marks("s4")];
    expect(of.some((mark) => /reject s[12]: refuses: busy/.test(mark))).toBe(true);
    for (const site of ["s0", "s4"])
      expect(whatHappened(marks(site)).filter((mark) => mark.startsWith("accept"))).toHaveLength(1);
  });

  test("no more is asked for than the budget of bytes allows", async () => {
    const transfer = { budgetBytes: 10, budgetBatches: 10_000 };
    const { marks, traffic } = await runCartel(withOptions({ transfer }));
    expect(marks("s0").some((mark) => mark.includes("reject"))).toBe(true);
    expect(traffic.some(({ kind }) => kind === "cartel.portion")).toBe(false);
  });

  test("is no way to train from data that lie still", () => {
    const between = createBetween(BetweenSpec.parse({ kind: "cartel" }));
    expect(() => between.deploy({} as never)).toThrow(
      expect.objectContaining({ code: "IMPOSSIBLE_PAIR" }),
    );
  });
});
