/** At its end a run says of each link what was measured beside what was declared (needs `npm run build` before). */
import { describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { linkTable } from "../../src/run/report/links.ts";
import { foldEvents } from "../../src/run/view.ts";
import { execute, small } from "../sync/real.ts";

const run = (world: unknown, rttMs: number) =>
  execute(
    small({
      sites: { count: 2, workers: 1, bandwidthMbps: 200, rttMs, processor: { msPerBatch: 5 } },
      between: { kind: "gaia", significance: 0 },
      stop: { maxClocks: 60 },
      evaluate: { every: 30 },
      world,
    }),
  );

const links = (events: readonly RunEvent[]) =>
  events.flatMap((event) => (event.type === "link" ? [event] : []));

const declared = (rttMs: number) => ({ bandwidth: 200e6, roundTripMicros: 1000 * rttMs });

describe("the links of a run", () => {
  test("in the simulated world are as they were declared; their events stand before the end", async () => {
    const { events } = await run("simulated", 40);
    const found = links(events);
    expect(found.map(({ from, to }) => [from, to])).toEqual([
      ["site-0", "site-1"],
      ["site-1", "site-0"],
    ]);
    for (const { goodput = 0, roundTripMicros = 0, ...link } of found) {
      expect(link.declared).toEqual(declared(40));
      expect(Math.abs(goodput / 200e6 - 1)).toBeLessThan(0.05);
      expect(Math.abs(roundTripMicros / 40_000 - 1)).toBeLessThan(0.05);
    }
    expect(events.slice(-3).map(({ type }) => type)).toEqual(["link", "link", "end"]);
    expect(linkTable(foldEvents(events))?.text).toContain("All are within a quarter");
  });

  test("on one machine are as they are shaped", async () => {
    const found = links((await run({ kind: "local" }, 40)).events);
    expect(found.length).toBe(2);
    for (const { goodput = 0, roundTripMicros = 0 } of found) {
      expect(goodput).toBeGreaterThan(0);
      expect(goodput).toBeLessThan(1.05 * 200e6);
      expect(roundTripMicros).toBeGreaterThanOrEqual(40_000);
    }
  });

  test("that are not what was declared stand out in the report", async () => {
    const { events } = await run({ kind: "local", links: "unshaped" }, 4000);
    for (const link of links(events)) {
      expect(link.declared).toEqual(declared(4000));
      expect(link.roundTripMicros).toBeLessThan(2_000_000);
    }
    const { text } = linkTable(foldEvents(events))!;
    expect(text).toContain("0 of 2 are within a quarter");
    expect(text).toContain('<td class="no">');
  });
});
