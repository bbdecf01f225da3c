/** What the log of a later coordinator lacks. */
import { expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { siteId } from "../../src/core/ids.ts";
import { StreamGaps } from "../../src/run/stream-gaps.ts";
import { measureStreams } from "../../src/run/stream-measures.ts";
import { foldEvents } from "../../src/run/view.ts";

const sites = ["a", "b", "c"].map(siteId);
const told = (site: string, batch: number): RunEvent => ({
  ...{ type: "stream", t: batch * 1000, site: siteId(site), batch, examples: 20, errors: 5 },
  ...{ modelBytes: 10, flops: 100 },
});

test("it names each site whose beginning is gone, and sites of which there is nothing", () => {
  const gaps = new StreamGaps(sites);
  for (const event of [told("a", 0), told("b", 7), told("a", 1), told("b", 8)]) gaps.apply(event);
  expect(gaps.text()).toMatch(/^this log lacks b before batch 7, all of c:/);
});

test("a log from the first batches on lacks nothing", () => {
  const gaps = new StreamGaps(sites);
  for (const site of sites) gaps.apply(told(site, 0));
  expect(gaps.text()).toBeUndefined();
});

test("measures are of the batches that were told", () => {
  const { streams } = foldEvents([told("b", 7), told("b", 8)]);
  expect(measureStreams(streams!)).toMatchObject({ batches: 2, error: 0.25, trainFlops: 200 });
});
