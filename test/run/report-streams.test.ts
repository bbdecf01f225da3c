/** Reports of runs on streams in a real browser: every site drawn, every mark of its shape, no error, no overflow. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MarkEvent, RunEvent } from "../../src/core/events.ts";
import { siteId } from "../../src/core/ids.ts";
import { conclusion } from "../../src/run/conclusion.ts";
import { reportPage } from "../../src/run/report/page.ts";
import { compareRow, mergeSeeds } from "../../src/run/rows.ts";
import { RunSpec } from "../../src/run/spec.ts";
import { foldEvents } from "../../src/run/view.ts";

const { findChromium } = (await import(pathToFileURL("scripts/test-prerequisites.mjs").href)) as {
  findChromium: () => string | undefined;
};

const specOf = (kind: string): RunSpec =>
  RunSpec.parse({
    version: 1,
    name: "streams",
    data: { kind: "digits", stream: {} },
    model: { kind: "svm" },
    sites: { count: 2 },
    between: { kind },
  });

const SITES = [siteId("a"), siteId("b")];
const BATCHES = 120;
const PER_BATCH = { cartel: 5, none: 30, centralize: 1 } as const;

/** Both sites shift at 60; the error falls again within so many batches. */
function events(kind: keyof typeof PER_BATCH): RunEvent[] {
  const spec = specOf(kind);
  const sites = SITES.map((id) => ({ id, name: `<site ${id}>` }));
  const all: RunEvent[] = [
    { type: "run", t: 0, name: "streams", spec, sites, parameters: 0, workers: 2 },
  ];
  for (let batch = 0; batch < BATCHES; batch++)
    for (const site of SITES) {
      const t = 1e6 * (batch + 1);
      const mark = (what: MarkEvent["mark"], more: object = {}) =>
        all.push({ type: "mark", t, site, batch, mark: what, ...more });
      if (batch === 60) mark("shift", { text: "class <3> comes" });
      if (kind === "cartel" && batch === 62) {
        mark("drift");
        mark("request");
        mark("reject", { peer: SITES[0] });
        mark("accept", { peer: SITES[1] });
      }
      const since = batch - 60;
      const errors = since >= 0 && since < PER_BATCH[kind] ? 40 : 5;
      const classCounts = since < 0 ? [50, 50, 0] : [30, 40, 30];
      const cost = { modelBytes: kind === "centralize" ? 3000 : 1000, flops: 100 };
      all.push({ type: "stream", t, site, batch, examples: 100, errors, classCounts, ...cost });
    }
  const bytes = { cartel: 1000, none: 0, centralize: 2e6 }[kind];
  const traffic = { kind: "x", bytes, messages: 1, wan: true, dollars: 0.01 };
  if (bytes > 0)
    all.push({ type: "traffic", t: 1.2e8, from: SITES[0]!, to: SITES[1]!, ...traffic });
  all.push({ type: "end", t: 1.2e8, reason: "finished" });
  return all;
}

const runs = (["cartel", "none", "centralize"] as const).map((kind) => {
  const view = foldEvents(events(kind));
  return { row: compareRow(view, specOf(kind), kind), view, origins: {} };
});
const rows = runs.map(({ row }) => row);
const sentence = conclusion(rows, {}, "two sites");

describe("words", () => {
  it("says how much faster, and what it cost beside centralised learning", () => {
    expect(sentence).toBe(
      "Over two sites Cartel adapted to a shift in 5.00 batches, 6.0x faster than isolated learning (30.0 batches); " +
        "its error was 6.5 % against 13.8 %; beside centralised learning 2000x fewer bytes over the WAN (1.00 KB against " +
        "2.00 MB), 3.0x fewer model bytes at a site and as much training.",
    );
  });

  it("means and spreads over seeds are those of the measures", () => {
    const [one] = rows;
    const other = { ...one!, streams: { ...one!.streams!, adaptationBatches: 7, error: 0.085 } };
    const merged = mergeSeeds([one!, other]);
    expect(merged.streams?.adaptationBatches).toBe(6);
    expect(merged.spread?.["streams.adaptationBatches"]).toMatchObject({
      min: 5,
      max: 7,
      count: 2,
    });
  });
});

describe("in Chromium", () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    const executablePath = findChromium();
    if (!executablePath) throw new Error("no Chromium: run node scripts/test-prerequisites.mjs");
    const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
    browser = await chromium.launch({ executablePath, args });
    folder = await mkdtemp(join(tmpdir(), "pangaea-report-"));
  });

  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([1280, 420])("draws every site, mark and class at a width of %i", async (width) => {
    const path = join(folder, `${width}.html`);
    const text = reportPage({ title: "streams", conclusion: sentence, target: {}, runs });
    await writeFile(path, text);
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => problems.push(message.text()));
    await page.goto(pathToFileURL(path).href);
    const count = (selector: string) => page.locator(selector).count();
    expect(await count("figure.site")).toBe(2);
    expect(await count("figure.site .line")).toBe(6);
    for (const mark of ["shift", "drift", "request", "accept", "reject"])
      expect(await count(`figure.site .mark.${mark}`)).toBe(2);
    expect(await count("figure.site .mix rect")).toBe(2 * (30 * 2 + 30 * 3));
    expect(await page.locator("figure.site h3").allTextContents()).toEqual([
      "<site a>",
      "<site b>",
    ]);
    expect(await page.locator("figure.site .mark.accept title").first().textContent()).toBe(
      "batch 62: portion accepted (<site b>)",
    );
    // Marks of one batch do not hide each other.
    const boxes = await page.locator("figure.site").first().locator("g.mark").all();
    const places = await Promise.all(boxes.map((box) => box.boundingBox()));
    const lefts = places.map((box) => Math.round(box?.x ?? 0));
    expect(new Set(lefts).size).toBe(4);
    expect(await page.locator("tbody tr").first().textContent()).toContain("6.46 %");
    const wide = await page.evaluate("document.documentElement.scrollWidth");
    expect(wide).toBeLessThanOrEqual(width);
    expect(problems).toEqual([]);
    await page.close();
  });
});
