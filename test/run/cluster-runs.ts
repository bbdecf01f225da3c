/** Short runs on a cluster of tests, and what several of them live through. */
import { expect } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import type { RunHost } from "../../src/run/host.ts";
import type { RunSpec } from "../../src/run/spec.ts";
import { small } from "../sync/real.ts";
import type { Agents } from "./agents.ts";
import { childrenOf } from "./processes.ts";

/** Where a run meets these agents. */
export const clusterOf = ({ server }: Agents) => ({ kind: "cluster", nats: [server.url] });

/** Eight clocks at two sites. */
export const quick = (workers: number, more: Record<string, unknown> = {}): RunSpec =>
  small({
    ...{ sites: { count: 2, workers, bandwidthMbps: 200, rttMs: 4 } },
    ...{ stop: { maxClocks: 8 }, evaluate: { every: 4 }, ...more },
  });

/**
 * A run of two sites that goes on until it is cancelled: the last of its hosts is killed when the run was judged once, and
 * it ends when both sites have finished clocks with another host in its place.
 */
export async function loseAndReplace(run: (given: Partial<RunHost>) => unknown): Promise<void> {
  const faults: RunEvent[] = [];
  const clocked = new Set<string>();
  const controller = new AbortController();
  let killed = false;
  const onEvent = (event: RunEvent): void => {
    if (event.type === "evaluation" && !killed) {
      killed = true;
      process.kill(Math.max(...childrenOf(process.pid)), "SIGKILL");
    }
    if (event.type === "fault") faults.push(event);
    const replaced = faults.some((fault) => "fault" in fault && fault.fault === "joined");
    if (replaced && event.type === "clock") clocked.add(event.site);
    if (clocked.size === 2) controller.abort();
  };
  await run({ signal: controller.signal, onEvent });
  expect(faults).toMatchObject([{ fault: "left" }, { fault: "joined" }]);
  expect(childrenOf(process.pid)).toEqual([]);
}
