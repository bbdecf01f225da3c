/** Agents that a run starts for itself, here by processes of this machine (needs `npm run build` before). */
import { expect, test } from "vitest";
import { execute, small } from "../sync/real.ts";
import { access } from "./agents.ts";

const placed = (args: readonly string[]) =>
  small({
    sites: { count: 2, workers: 1, bandwidthMbps: 200, rttMs: 4 },
    stop: { maxClocks: 2 },
    world: { kind: "cluster", place: { kind: "processes", args } },
  });

test("one that fails before it has joined ends the run, with its last lines", async () => {
  const running = execute(placed(["--wrong"]), { cluster: access });
  await expect(running).rejects.toMatchObject({
    code: "PLACEMENT_FAILED",
    message: expect.stringMatching(
      /^the agent site-\d \(process \d+\) ended: exit code 2\n.*\n?.*--wrong/,
    ),
  });
});
