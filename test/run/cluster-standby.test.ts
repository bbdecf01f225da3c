/** A training run that standbys lead on (needs `npm run build` before). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSafetensors } from "../../src/codec/safetensors.ts";
import { execute, small } from "../sync/real.ts";
import { ledByThree } from "./standbys.ts";

test("a coordinator that is killed, and one that leaves, are replaced; the run ends with the same bits", async () => {
  // A clock lasts a round trip at least: the run outlasts both of its coordinators on every machine.
  const slow = (more: Record<string, unknown> = {}) =>
    small({
      sites: { count: 2, workers: 1, bandwidthMbps: 200, rttMs: 25 },
      ...{ stop: { maxClocks: 400 }, evaluate: { every: 20 }, ...more },
    });
  const folder = await ledByThree(slow, "evaluation");
  expect(readdirSync(folder)).toEqual(
    expect.arrayContaining(["events.ndjson", "model.safetensors", "report.html", "spec.json"]),
  );
  const { tensors } = readSafetensors(readFileSync(join(folder, "model.safetensors")));
  const expected = [...((await execute(slow())).outcome.global?.parameters ?? [])];
  expect(tensors.flatMap(({ data }) => [...data])).toEqual(expected);
}, 60_000);
