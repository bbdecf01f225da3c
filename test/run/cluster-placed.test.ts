/** Agents that a run starts for itself, here as processes of this machine (needs `npm run build` before). */
import { expect, test } from "vitest";
import { packageVersion } from "../../src/cli/folders.ts";
import { execute, small } from "../sync/real.ts";

const cluster = { version: packageVersion(), insecure: true };
const placed = (args: readonly string[], maxClocks: number) =>
  small({
    sites: { count: 2, workers: 1, bandwidthMbps: 200, rttMs: 4 },
    stop: { maxClocks },
    world: { kind: "cluster", place: { kind: "processes", args } },
  });

test("one that fails before it has joined ends the run, with its last lines", async () => {
  await expect(execute(placed(["--wrong"], 2), { cluster })).rejects.toMatchObject({
    code: "PLACEMENT_FAILED",
    message: expect.stringMatching(
      /^the agent site-\d \(process \d+\) ended: exit code 2\n.*\n?.*--wrong/,
    ),
  });
});

test("an interrupt ends the run in good order, and only then its agents", async () => {
  const controller = new AbortController();
  const told: string[] = [];
  const { outcome } = await execute(placed([], 1_000_000), {
    cluster,
    signal: controller.signal,
    warn: (text) => told.push(text),
    onEvent: ({ type }) => {
      if (type === "evaluation") controller.abort();
    },
  });
  expect(outcome.reason).toBe("interrupted");
  expect(told.filter((text) => /ended with|lost/.test(text))).toEqual([]);
});
