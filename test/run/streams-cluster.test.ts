/**
 * Runs on streams on a cluster: agents that a NATS server joins, with hosts that are processes (needs `npm run build`
 * before). The metadata service is a bucket of the same server.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { REGISTRY } from "../../src/world/bus/buckets.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { execute } from "../sync/real.ts";
import { natsOptions } from "../world/nats-server.ts";
import { type Agents, access, agents } from "./agents.ts";
import { childrenOf } from "./processes.ts";
import { batchErrors as errors, onStreams } from "./stream-runs.ts";

const SITES = ["site-0", "site-1", "site-2"];

let there: Agents;
beforeAll(async () => {
  there = await agents();
  for (const site of SITES) await there.start(site);
});
afterAll(() => there.stop());

const spec = (more: Record<string, unknown> = {}, batches = 40) =>
  onStreams(
    { sites: { count: 3, bandwidthMbps: 200, rttMs: 4 }, policy: undefined, ...more },
    {
      ...{ batches, mixture: { kind: "classes", count: 4 } },
      workload: { kind: "introduction", at: 20, targets: 1, donors: 1 },
    },
  );
const world = () => ({ kind: "cluster", nats: [there.server.url] });

test("isolated learning errs as in the simulated world, and ends with the same models", async () => {
  const virtual = await execute(spec());
  const real = await execute(spec({ world: world() }), { cluster: access });
  expect(errors(real)).toEqual(errors(virtual));
  expect(real.outcome.tailored).toEqual(virtual.outcome.tailored);
  expect(real.outcome.reason).toBe("finished");
});

test("Cartel's sites tell of their models in a bucket of the cluster, each run below its own name", async () => {
  const between = { kind: "cartel", registry: { kind: "nats" }, reportEvery: 2 };
  const real = await execute(spec({ between, world: world() }), { cluster: access });
  expect(errors(real)).toHaveLength(120);
  const said = real.events.flatMap((e) => (e.type === "mark" ? [`${e.peer} ${e.text}`] : []));
  expect(said.some((text) => /site-\d/.test(text))).toBe(true);
  const [note] = real.events.flatMap((e) =>
    e.type === "note" ? /, run ([\w-]+)/.exec(e.text) : [],
  );
  const bus = await connectNats(natsOptions(there.server));
  const kv = await bus.kv(REGISTRY, { ttlSeconds: 3600 });
  const keys = await kv.keys();
  expect(keys.length).toBeGreaterThan(0);
  const run = keys[0]!.split(".")[0]!;
  expect(keys.every((key) => key.startsWith(`${run}.class-`))).toBe(true);
  expect(note).toBeDefined();
  await bus.close();
}, 30_000);

test("a host that is killed comes back with the model that it saved; the others go on meanwhile", async () => {
  const controller = new AbortController();
  let [killed, gone, back] = ["", 0, 0];
  const AGAIN = 5;
  const real = await execute(spec({ world: world() }, 20_000), {
    cluster: access,
    signal: controller.signal,
    onEvent: (event) => {
      if (event.type === "fault") killed = event.target.split("/")[0]!;
      if (event.type !== "stream") return;
      if (event.batch === 45 && gone++ === 0)
        process.kill(Math.min(...childrenOf(process.pid)), "SIGKILL");
      if (event.site === killed && ++back === AGAIN) controller.abort();
    },
  });
  const { events, outcome } = real;
  const faults = events.flatMap((e) => (e.type === "fault" ? [e.fault] : []));
  expect(faults).toEqual(["left", "joined"]);
  expect(outcome.tailored).toHaveLength(3);
  const batches = (site: string) =>
    events.flatMap((e) => (e.type === "stream" && e.site === site ? [e.batch] : []));
  for (const site of SITES.filter((one) => one !== killed))
    expect(batches(site)).toEqual(batches(site).map((_, batch) => batch));
  // No batch twice: it goes on with the one that arrives next.
  const own = batches(killed);
  const before = own.findIndex((batch, i) => batch !== i);
  expect(before).toBeGreaterThan(45);
  expect(own.slice(before)).toEqual(own.slice(before).map((_, i) => own[before]! + i));
  expect(own[before]).toBeGreaterThan(before);
  // A model that had seen none of its four classes would err on most of the first batch.
  const first = events.find((e) => e.type === "stream" && e.site === killed && e.batch > before);
  expect(first).toMatchObject({ type: "stream", examples: 20 });
  expect((first as { errors: number }).errors).toBeLessThan(8);
  expect(childrenOf(process.pid)).toEqual([]);
}, 60_000);
