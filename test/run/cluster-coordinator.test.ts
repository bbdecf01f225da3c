/** A coordinator that is replaced by name (needs `npm run build` before). */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Ledger } from "../../src/run/audit.ts";
import { auditSentences } from "../../src/run/audit-text.ts";
import { takeAbandoned } from "../../src/run/live-cluster.ts";
import { execute, small } from "../sync/real.ts";
import { type Agents, agents } from "./agents.ts";
import { resumed } from "./coordinators.ts";
import { bits } from "./equal-bits.ts";
import { childrenOf } from "./processes.ts";

const spec = (more: Record<string, unknown> = {}) =>
  small({
    sites: { count: 2, workers: 1, bandwidthMbps: 200, rttMs: 4 },
    optimizer: { kind: "momentum", learningRate: 0.05, momentum: 0.8 },
    ...{ stop: { maxClocks: 400 }, evaluate: { every: 20 }, ...more },
  });

let there: Agents;
beforeAll(async () => {
  there = await agents();
  for (const site of ["site-0", "site-1"]) await there.start(site);
});
afterAll(() => there.stop());

test("a coordinator that is killed is replaced, and the run ends as if nothing had happened", async () => {
  const world = { kind: "cluster", nats: [there.server.url], leaseSeconds: 1.5 };
  const { outcome, events, place, host } = await resumed(spec({ world }), there);
  expect(outcome.reason).toBe("maxClocks");
  expect(bits({ outcome, events })).toEqual(bits(await execute(spec())));
  expect(events.at(0)).toMatchObject({ type: "run", since: expect.any(Number) });
  const ledger = new Ledger();
  for (const event of events) ledger.enter(event);
  expect(auditSentences(ledger.audit()!).join("\n")).toMatch(/the first [\d.]+ \w*s\./);
  expect(events.at(-1)).toMatchObject({ type: "end", reason: "maxClocks" });
  expect(childrenOf(process.pid)).toEqual([]);
  await expect(takeAbandoned(place, host)).rejects.toMatchObject({ code: "UNKNOWN_RUN" });
}, 60_000);
