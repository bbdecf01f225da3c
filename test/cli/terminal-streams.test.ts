/** Runs on streams in the terminal: each site's error while they go on, the table at the end, at every width. */
import { describe, expect, test } from "vitest";
import { liveLines } from "../../src/cli/terminal/live.ts";
import { paint } from "../../src/cli/terminal/paint.ts";
import { summaryLines } from "../../src/cli/terminal/summary.ts";
import type { RunEvent } from "../../src/core/events.ts";
import { siteId } from "../../src/core/ids.ts";
import { compareRow } from "../../src/run/rows.ts";
import { RunSpec } from "../../src/run/spec.ts";
import { applyEvent, emptyView } from "../../src/run/view.ts";

const spec = RunSpec.parse({
  version: 1,
  name: "streams",
  data: { kind: "digits", stream: {} },
  model: { kind: "svm" },
  sites: { count: 2 },
  between: { kind: "cartel" },
});
const SITES = ["kyoto", "oslo"].map(siteId);

const view = emptyView();
const add = (event: RunEvent): void => applyEvent(view, event);
add({
  type: "run",
  t: 0,
  name: "streams",
  spec,
  sites: SITES.map((id) => ({ id, name: id })),
  parameters: 0,
  workers: 2,
});
for (let batch = 0; batch < 40; batch++)
  for (const [s, site] of SITES.entries()) {
    const t = 1e6 * (batch + 1);
    if (batch === 20 && s === 0) {
      add({ type: "mark", t, site, batch, mark: "shift" });
      add({ type: "mark", t, site, batch, mark: "accept", peer: siteId("oslo") });
    }
    const errors = s === 0 && batch >= 20 && batch < 24 ? 50 : 10 * (s + 1);
    add({ type: "stream", t, site, batch, examples: 100, errors, modelBytes: 2048, flops: 1e6 });
  }

const plain = paint(false);
const frame = (width: number) => ({ title: "streams", view, finished: [], width, height: 24 });

describe("live", () => {
  test("error of the last ten batches, by site, over time, and what happened last", () => {
    expect(liveLines(frame(90), plain)).toMatchInlineSnapshot(`
      [
        "streams",
        "error 15.0 % last 10 batches",
        "time 40.0 s · batch 40 · WAN 0 B · USD 0.000",
        "",
        "site   batch   error  over time               model  last",
        "kyoto     40  10.0 %  ▁▁▁▁▁▁▁▁▁▁██▁▁▁▁▁▁▁▁  2.05 KB  20: took from oslo",
        "oslo      40  20.0 %  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  2.05 KB",
      ]
    `);
  });

  test.each([40, 60, 80, 120])("is never wider than %i", (width) => {
    for (const line of liveLines(frame(width), plain))
      expect([...line].length).toBeLessThanOrEqual(width);
  });
});

test("the table keeps error, adaptation and bytes at 80 columns", () => {
  const row = compareRow(view, spec, "cartel");
  const [head = "", line = ""] = summaryLines([row], 80, plain);
  expect(head).toMatch(/^run +error +error after shifts +batches to adapt .*WAN/);
  expect(line).toMatch(/^cartel +17\.00 % +18\.00 % +4\.00/);
  for (const text of summaryLines([row, row], 80, plain))
    expect([...text].length).toBeLessThanOrEqual(80);
});
