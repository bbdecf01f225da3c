/** Reports opened in a real browser, from disk: they draw, they log no error, they heed dark and light. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conclusion, placeText } from "../../src/run/conclusion.ts";
import { readSource } from "../../src/run/file/source.ts";
import { resolveEntries } from "../../src/run/load.ts";
import { reportPage } from "../../src/run/report/page.ts";
import { decimate, linearScale, logScale } from "../../src/run/report/scale.ts";
import { compareRow, targetOf } from "../../src/run/rows.ts";
import { foldEvents } from "../../src/run/view.ts";
import { fakeRun } from "./report-fake.ts";

const { findChromium } = (await import(pathToFileURL("scripts/test-prerequisites.mjs").href)) as {
  findChromium: () => string | undefined;
};

const FILE = "test/run/digits.yaml";
const source = readSource(readFileSync(FILE, "utf8"), FILE, "yaml");
const runs = resolveEntries(source, {}).map((run) => {
  const view = foldEvents(fakeRun(run.spec));
  return { row: compareRow(view, run.spec, run.name), view, origins: run.origins };
});
const target = targetOf(resolveEntries(source)[0]!.spec);
const sentence = conclusion(
  runs.map((run) => run.row),
  target,
  placeText(11, "ec2-11"),
);
const pageOf = (title: string, which = runs): string =>
  reportPage({ title, conclusion: sentence, target, runs: which });

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

  async function open(
    content: string,
    colorScheme: "dark" | "light",
  ): Promise<{ page: Page; problems: string[]; requests: string[] }> {
    const path = join(folder, `${colorScheme}-${content.length}.html`);
    await writeFile(path, content);
    const page = await browser.newPage({ colorScheme, viewport: { width: 1280, height: 900 } });
    const problems: string[] = [];
    const requests: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(path).href);
    return { page, problems, requests };
  }

  it("draws every run of a comparison, and asks for nothing but itself", async () => {
    const { page, problems, requests } = await open(pageOf("comparison"), "light");
    expect(await page.locator(".lead").textContent()).toBe(sentence);
    expect(await page.locator("figure").count()).toBe(4);
    const paths = page.locator("#quality-time svg:visible path.line");
    expect(await paths.count()).toBe(runs.length);
    for (let i = 0; i < runs.length; i++) {
      const box = await paths.nth(i).boundingBox();
      expect(box?.width).toBeGreaterThan(10);
      expect(box?.height).toBeGreaterThan(50);
    }
    // The LAN has no WAN bytes to be drawn against.
    expect(await page.locator("#quality-bytes svg:visible path.line").count()).toBe(
      runs.length - 1,
    );
    expect(await page.locator("table.heat td").count()).toBeGreaterThan(11 * 11);
    const links = page.locator("details.run[open] div[aria-label=Links]");
    expect(await links.locator("caption").textContent()).toContain("1 of 2 are within a quarter");
    expect(await links.locator("td.no").allTextContents()).toEqual(["40.0 Mbit/s"]);
    expect(requests).toHaveLength(1);
    expect(problems).toEqual([]);
    await page.close();
  });

  it("changes the scale, and shows values under the pointer and by key", async () => {
    const { page, problems } = await open(pageOf("comparison"), "light");
    const figure = page.locator("#loss-time");
    expect(await figure.locator(".log").isVisible()).toBe(true);
    await figure.getByText("linear").click();
    expect(await figure.locator(".lin").isVisible()).toBe(true);
    expect(await figure.locator(".log").isVisible()).toBe(false);
    await figure.locator("svg:visible").hover();
    expect(await figure.locator(".tip tr").count()).toBeGreaterThan(0);
    await page.mouse.move(2, 2);
    expect(await figure.locator(".tip").count()).toBe(0);
    await figure.locator("svg:visible").focus();
    await page.keyboard.press("ArrowLeft");
    expect(await figure.locator(".tip").textContent()).toContain("gaia");
    await page.keyboard.press("Escape");
    expect(await figure.locator(".tip").count()).toBe(0);
    expect(problems).toEqual([]);
    await page.close();
  });

  it("is readable in dark and in light", async () => {
    for (const scheme of ["dark", "light"] as const) {
      const { page } = await open(pageOf("one", runs.slice(-1)), scheme);
      const [ground, text, line] = (await page.evaluate(`(() => {
        const style = getComputedStyle(document.body);
        return [style.backgroundColor, style.color, getComputedStyle(document.querySelector(".line")).stroke];
      })()`)) as string[];
      expect(contrast(text!, ground!)).toBeGreaterThan(7);
      expect(contrast(line!, ground!)).toBeGreaterThan(3);
      expect(luminance(ground!) < 0.2).toBe(scheme === "dark");
      const wide = await page.evaluate("document.documentElement.scrollWidth");
      expect(wide).toBeLessThanOrEqual(1280);
      await page.close();
    }
  });

  it("shows text as text", async () => {
    const nasty = '<img src=x onerror="document.title=1">&</script>';
    const run = { ...runs[0]!, row: { ...runs[0]!.row, name: nasty } };
    run.view = { ...run.view, notes: [nasty] };
    const { page, problems } = await open(pageOf(nasty, [run]), "light");
    expect(await page.title()).toContain(nasty);
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.locator(".notes").textContent()).toContain(nasty);
    expect(problems).toEqual([]);
    await page.close();
  });
});

const channels = (color: string): number[] =>
  (color.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);

function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = channels(color).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** As the Web Content Accessibility Guidelines define it. */
function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

describe("scales", () => {
  it("have round ticks that enclose the values", () => {
    expect(linearScale(0, 9.1).ticks).toEqual([0, 2, 4, 6, 8, 10]);
    expect(linearScale(0.35, 0.974).min).toBeLessThanOrEqual(0.35);
    expect(logScale(0.7, 120).ticks).toEqual([1, 3, 10, 30, 100]);
    expect(logScale(1, 100).at(10)).toBeCloseTo(0.5, 12);
  });

  it("decimation keeps the ends and the spike", () => {
    const points = Array.from({ length: 10_000 }, (_, x) => ({
      x,
      y: x === 4321 ? 100 : Math.sin(x / 500),
    }));
    const kept = decimate(points, 160);
    expect(kept).toHaveLength(160);
    expect([kept[0], kept.at(-1)]).toEqual([points[0], points.at(-1)]);
    expect(kept).toContainEqual({ x: 4321, y: 100 });
  });
});
