/**
 * Records that stay at their sites while hosts come and go: one that dies is replaced by another which reads the same
 * files and is told the same (needs `npm run build` before).
 */
import { expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { access, agents } from "./agents.ts";
import { agentsAt, executeOn, heart, hospitals } from "./own-data.ts";
import { childrenOf } from "./processes.ts";

test("a host that dies is replaced by one with the same records", async () => {
  const [there, folders] = [await agents(), hospitals()];
  await agentsAt(there, folders.sites.slice(0, 2));
  const events: RunEvent[] = [];
  const clocked = new Set<string>();
  let [killed, replaced] = [false, false];
  const controller = new AbortController();
  const spec = heart({
    world: { kind: "cluster", nats: [there.server.url] },
    sites: { count: 2, workers: 1 },
    between: { kind: "none" },
    stop: { maxClocks: 100_000 },
    evaluate: { every: 10 },
  });
  await executeOn(folders.test, spec, {
    cluster: access,
    signal: controller.signal,
    onEvent: (event) => {
      events.push(event);
      if (event.type === "evaluation" && !killed) {
        killed = true;
        process.kill(Math.max(...childrenOf(process.pid)), "SIGKILL");
      }
      if (replaced && event.type === "clock") clocked.add(event.site);
      if (event.type === "fault" && event.fault === "joined") replaced = true;
      if (clocked.size === 2) controller.abort();
    },
  });
  const faults = events.flatMap((event) => (event.type === "fault" ? [event.fault] : []));
  expect(faults).toEqual(["left", "joined"]);
  expect(childrenOf(process.pid)).toEqual([]);
  await there.stop();
  folders.remove();
}, 60_000);
