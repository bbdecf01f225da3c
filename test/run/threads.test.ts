/** Compute threads change how long a run takes, and nothing else: the event log is the same byte for byte. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { execute, ratings, small } from "../sync/real.ts";

const hashOf = (events: readonly unknown[]): string =>
  createHash("sha256")
    .update(events.map((event) => JSON.stringify(event)).join("\n"))
    .digest("hex");

const straggler = { kind: "lognormal", sigma: 0.5 };
const sites = { count: 3, workers: 2, processor: { straggler } };
const specs = [
  ["gaia", small({ sites, between: { kind: "gaia" } })],
  [
    "asynchronous servers over the wide area",
    small({ sites, within: { kind: "parameter-server", consistency: "tap" } }),
  ],
  ["federated averaging", small({ sites, between: { kind: "federated" }, batch: 32 })],
  ["factorisation with gaia", ratings({ sites, between: { kind: "gaia" } })],
] as const;

test.each(specs)("%s: 0, 1 and 2 threads", async (_, spec) => {
  const runs = [];
  for (const threads of [0, 1, 2]) runs.push(await execute(spec, { threads }));
  const [none, one, two] = runs.map(({ events }) => hashOf(events));
  expect(one).toBe(none);
  expect(two).toBe(none);
  for (const { outcome } of runs) expect(outcome).toEqual(runs[0]?.outcome);
});
