/** Records that stay at their sites, led by another coordinator in mid-run (needs `npm run build` before). */
import { expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { resumeRun, takeAbandoned } from "../../src/run/live-cluster.ts";
import { access, agents } from "./agents.ts";
import { killedCoordinator } from "./coordinators.ts";
import { bits } from "./equal-bits.ts";
import { agentsAt, executeOn, heart, hospitals, runHostOn } from "./own-data.ts";

test("a coordinator that is killed is replaced by one with the test rows alone", async () => {
  const [there, folders] = [await agents(), hospitals()];
  await agentsAt(there, folders.sites.slice(0, 2));
  const nats = [there.server.url];
  const more = { sites: { count: 2, workers: 1 }, stop: { maxClocks: 400 } };
  const quick = { ...more, evaluate: { every: 20 } };
  const cluster = heart({ ...quick, world: { kind: "cluster", nats } });
  const run = await killedCoordinator(cluster, access, [folders.test]);
  const events: RunEvent[] = [];
  const host = runHostOn(folders.test, events, { cluster: access });
  const { spec, taken } = await takeAbandoned({ run, nats, domain: undefined }, host);
  const outcome = await resumeRun(spec, taken, host);
  const virtual = await executeOn(folders.all, heart(quick));
  expect(outcome.reason).toBe("maxClocks");
  expect(bits({ outcome, events })).toEqual(bits(virtual));
  await there.stop();
  folders.remove();
}, 60_000);
