/** What is drawn on a terminal: it fits, and it says who waits for whom. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { layout, progressBar, sparkline, widthOf } from "../../src/cli/terminal/columns.ts";
import { createDisplay } from "../../src/cli/terminal/display.ts";
import { liveLines } from "../../src/cli/terminal/live.ts";
import { paint } from "../../src/cli/terminal/paint.ts";
import { summaryLines } from "../../src/cli/terminal/summary.ts";
import { readSource } from "../../src/run/file/source.ts";
import { resolveEntries } from "../../src/run/load.ts";
import { compareRow } from "../../src/run/rows.ts";
import { applyEvent, emptyView, foldEvents } from "../../src/run/view.ts";
import { fakeRun } from "../run/report-fake.ts";
import { fakeIo } from "./fake-io.ts";

const FILE = "test/run/digits.yaml";
const runs = resolveEntries(readSource(readFileSync(FILE, "utf8"), FILE, "yaml")).map((run) => {
  const view = foldEvents(fakeRun(run.spec));
  return { run, view, row: compareRow(view, run.spec, run.name) };
});
const rows = runs.map((one) => one.row);

describe.each([80, 120, 160])("at %i columns", (width) => {
  it("the table fits, and keeps what matters", () => {
    const lines = summaryLines(rows, width, paint(true));
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
    const head = lines[0]!;
    for (const word of ["run", "to target", "accuracy", "WAN"]) expect(head).toContain(word);
    expect(lines).toHaveLength(rows.length + 1);
  });

  it("the live picture fits, its height too", () => {
    for (const height of [16, 24, 50]) {
      const view = runs[1]!.view;
      const frame = { title: "stretched-bsp (2 of 5)", view, finished: rows, width, height };
      const lines = liveLines(frame, paint(true));
      expect(lines.length).toBeLessThan(height);
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
      expect(lines.join("\n")).toContain("mostly for");
      expect(lines.join("\n")).toContain(" lan  ");
    }
  });
});

it("the live picture of a run that waits names whom it waits for", () => {
  const frame = { title: "x", view: runs[1]!.view, finished: [], width: 80, height: 30 };
  expect(liveLines(frame, paint(false)).join("\n")).toMatchInlineSnapshot(`
    "x
    97.1 % ━━━━━━━━━━━━━━━━━━━━ target 97.0 % accuracy
    ▁▃▄▆▇▇██████ by time
    time 1 min 59 s · clock 240 · WAN 6.87 GB · USD 0.619 · loss 0.0789

    site        clock   loss     own    sent  received  waits  mostly for
    virginia      240  0.045  97.1 %  589 MB    589 MB   95 %  ireland
    california    240  0.026  97.1 %  628 MB    648 MB   95 %  frankfurt
    oregon        240  0.025  97.1 %  668 MB    609 MB   95 %  tokyo
    ireland       240  0.026  97.1 %  609 MB    668 MB   95 %  seoul
    frankfurt     240  0.101  97.1 %  648 MB    628 MB   95 %  singapore
    tokyo         240  0.033  97.1 %  589 MB    589 MB   95 %  sydney
    seoul         240  0.067  97.1 %  628 MB    648 MB   95 %  mumbai
    singapore     240  0.067  97.1 %  668 MB    609 MB   95 %  sao-paulo
    sydney        240  0.102  97.1 %  609 MB    668 MB   95 %  virginia
    mumbai        240  0.020  97.1 %  648 MB    628 MB   95 %  california
    sao-paulo     240  0.064  97.1 %  589 MB    589 MB   95 %  oregon"
  `);
});

it("redraws at most ten times a second, and not at all elsewhere", async () => {
  let time = 0;
  let writes = 0;
  const io = fakeIo("/", {
    terminal: true,
    now: () => time,
    err: () => {
      writes++;
    },
  });
  const display = await createDisplay(io, false);
  const { run } = runs[4]!;
  const view = emptyView();
  display.begin("x", view);
  let events = 0;
  for (const event of fakeRun(run.spec)) {
    applyEvent(view, event);
    display.changed();
    events++;
    time += 0.05;
  }
  display.close();
  expect(events).toBeGreaterThan(10_000);
  // Each picture is one write, or one to erase and one to draw.
  expect(writes).toBeLessThan((time / 100 + 3) * 4);
});

describe("parts", () => {
  it("columns are left out by rank", () => {
    const columns = [
      { head: "a", cells: ["1"] },
      { head: "bb", cells: ["22"], rank: 1 },
      { head: "ccc", cells: ["333"], rank: 2 },
    ];
    expect(layout(columns, 20)).toEqual(["a  bb  ccc", "1  22  333"]);
    expect(layout(columns, 9)).toEqual(["a  bb", "1  22"]);
    expect(layout(columns, 3)).toEqual(["a", "1"]);
  });

  it("sparklines and bars", () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe("▁▂▃▄▅▆▇█");
    expect(sparkline([1, 1], 10)).toBe("▁▁");
    expect(progressBar(0.5, 10)).toBe("━━━━━┄┄┄┄┄");
  });
});
