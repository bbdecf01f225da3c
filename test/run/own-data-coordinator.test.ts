/** Records that stay at their sites, led by another coordinator in mid-run (needs `npm run build` before). */
import { expect, test } from "vitest";
import { agents } from "./agents.ts";
import { resumed } from "./coordinators.ts";
import { bits } from "./equal-bits.ts";
import { agentsAt, executeOn, heart, hospitals } from "./own-data.ts";

test("a coordinator that is killed is replaced by one with the test rows alone", async () => {
  const [there, folders] = [await agents(), hospitals()];
  await agentsAt(there, folders.sites.slice(0, 2));
  const nats = [there.server.url];
  const more = { sites: { count: 2, workers: 1 }, stop: { maxClocks: 400 } };
  const quick = { ...more, evaluate: { every: 20 } };
  const cluster = heart({ ...quick, world: { kind: "cluster", nats } });
  const { outcome, events } = await resumed(cluster, there, { roots: [folders.test] });
  const virtual = await executeOn(folders.all, heart(quick));
  expect(outcome.reason).toBe("maxClocks");
  expect(bits({ outcome, events })).toEqual(bits(virtual));
  await there.stop();
  folders.remove();
}, 60_000);
