/** The observer sees every copy whole, at marks of the clock, and shares the test rows out once. */
import { describe, expect, test } from "vitest";
import { siteId } from "../../src/core/ids.ts";
import { createRandom } from "../../src/core/random.ts";
import { CopyObserver, judgeAll, type Sighting } from "../../src/run/observer.ts";
import type { WorkerPlan } from "../../src/sync/contract.ts";
import { randomTimes, runToy, SGD } from "./harness.ts";

interface Seen {
  readonly clock: number;
  readonly copies: Readonly<Record<string, readonly number[]>>;
}

function observe(copies: readonly string[], length: number, every: number) {
  const seen: Seen[] = [];
  const observer = new CopyObserver({
    copies,
    length,
    every,
    onSighting: (sighting) => {
      const entries = sighting.snapshots.map((s) => [s.copy, [...s.parameters]] as const);
      seen.push({ clock: sighting.clock, copies: Object.fromEntries(entries) });
      observer.release(sighting);
    },
  });
  return { observer, seen };
}

describe("marks", () => {
  test("a sighting comes when all ranges of all copies have passed the mark, each as it was then", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = createRandom(seed);
      const [length, every, clocks] = [7, 1 + random.integer(4), 17];
      const copies = ["a", "b", "c"];
      const { observer, seen } = observe(copies, length, every);
      // Each copy in ranges of its own, each range at a pace of its own.
      const parts = copies.flatMap((copy) => {
        const cut = 1 + random.integer(length - 1);
        return [
          { start: 0, end: cut },
          { start: cut, end: length },
        ].map((range) => ({
          copy,
          range,
          values: new Float32Array(range.end - range.start),
          clock: 0,
        }));
      });
      for (const { copy, range, values } of parts) observer.attach(copy, range, values);
      const worth = (copy: string, clock: number, index: number): number =>
        1000 * copies.indexOf(copy) + 10 * clock + index;
      for (;;) {
        const open = parts.filter(({ clock }) => clock < clocks);
        const part = open[random.integer(open.length)];
        if (!part) break;
        part.clock++;
        part.values.forEach((_, i) => {
          part.values[i] = worth(part.copy, part.clock, part.range.start + i);
        });
        observer.reached(part.copy, part.range, part.clock);
      }
      const marks = Array.from({ length: Math.floor(clocks / every) }, (_, i) => (i + 1) * every);
      expect(seen.map(({ clock }) => clock)).toEqual(marks);
      for (const { clock, copies: at } of seen) {
        for (const copy of copies) {
          expect(at[copy]).toEqual(Array.from({ length }, (_, i) => worth(copy, clock, i)));
        }
      }
      const now = observer.now();
      expect(now.clock).toBe(clocks);
      for (const { copy, parameters } of now.snapshots) {
        expect([...parameters]).toEqual(Array.from({ length }, (_, i) => worth(copy, clocks, i)));
      }
    }
  });

  test("clocks that jump over marks (federated rounds) are seen where they land", () => {
    const { observer, seen } = observe(["global"], 2, 10);
    const values = new Float32Array(2);
    observer.attach("global", { start: 0, end: 2 }, values);
    for (const clock of [7, 14, 21, 28, 35]) {
      values.fill(clock);
      observer.reached("global", { start: 0, end: 2 }, clock);
    }
    expect(seen.map(({ clock }) => clock)).toEqual([14, 21, 35]);
    expect(seen.map(({ copies }) => copies["global"])).toEqual([
      [14, 14],
      [21, 21],
      [35, 35],
    ]);
  });

  test("what is seen of a bulk-synchronous run is the model of exactly that clock, whatever the times", async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const outcome = await runToy({
        toy: { length: 10, gradient: ({ out }) => out.fill(-1) },
        sites: 2,
        servers: 2,
        clocks: 12,
        seed,
        optimizer: SGD,
        between: { kind: "stretched" },
        ...randomTimes(seed),
      });
      const clocks = outcome.reached.map(({ clock }) => clock);
      expect(clocks.filter((clock) => clock === 12)).toHaveLength(4);
      expect([...(outcome.copies.get("all") ?? [])]).toEqual(new Array(10).fill(12));
    }
  });
});

describe("judgement", () => {
  const rows = Uint32Array.from({ length: 3001 }, (_, i) => 5000 - i);
  const sighting = (count: number): Sighting => ({
    clock: 1,
    snapshots: Array.from({ length: count }, (_, i) => ({
      copy: `c${i}`,
      parameters: Float32Array.of(i),
      owners: [],
    })),
  });
  const test_ = { rows, ofWorker: () => undefined };

  async function judged(count: number, coverage: "share" | "all") {
    const calls: { copy: number; rows: number[] }[] = [];
    const verdict = await judgeAll(
      sighting(count),
      async (parameters, part) => {
        calls.push({ copy: parameters[0] as number, rows: [...part] });
        const lossSum = part.reduce((sum, row) => sum + row, 0);
        return { examples: part.length, lossSum, correct: part.filter((r) => r % 2 === 0).length };
      },
      test_,
      coverage,
    );
    return { calls, verdict };
  }

  test.each([1, 2, 7, 11])("%i copies: the shares cover the test rows once", async (count) => {
    const { calls, verdict } = await judged(count, "share");
    expect(calls.flatMap((call) => call.rows)).toEqual([...rows]);
    const loss = rows.reduce((sum, row) => sum + row, 0) / rows.length;
    const accuracy = rows.filter((row) => row % 2 === 0).length / rows.length;
    expect(verdict.metrics).toEqual({ examples: rows.length, loss, accuracy });
    expect(verdict.sites === undefined).toBe(count === 1);
    const sizes = Object.values(verdict.sites ?? {}).map(({ examples }) => examples);
    if (count > 1) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  });

  test("at the end every copy sees all", async () => {
    const { calls, verdict } = await judged(3, "all");
    for (const copy of [0, 1, 2]) {
      const part = calls.filter((call) => call.copy === copy).flatMap((call) => call.rows);
      expect(part).toEqual([...rows]);
    }
    expect(verdict.metrics.examples).toBe(3 * rows.length);
  });

  test("private parameters are judged with their worker's rows only", async () => {
    const worker = (number: number): WorkerPlan => ({
      number,
      node: { id: `s/worker-${number}` as never, site: siteId("s"), role: "worker", index: number },
      rows: new Uint32Array(0),
    });
    const seen: { own: number | undefined; rows: number[] }[] = [];
    const owners = [0, 1, 2].map((n) => ({ worker: worker(n), own: Float32Array.of(n) }));
    const verdict = await judgeAll(
      { clock: 1, snapshots: [{ copy: "all", parameters: new Float32Array(1), owners }] },
      async (_, part, own) => {
        seen.push({ own: own?.[0], rows: [...part] });
        return { examples: part.length, lossSum: 0, squaredErrorSum: 4 * part.length };
      },
      {
        rows,
        ofWorker: (number) => (number === 2 ? undefined : Uint32Array.of(number, number + 10)),
      },
      "share",
    );
    expect(seen).toEqual([
      { own: 0, rows: [0, 10] },
      { own: 1, rows: [1, 11] },
    ]);
    expect(verdict.metrics).toEqual({ examples: 4, loss: 0, rmse: 2 });
  });
});
