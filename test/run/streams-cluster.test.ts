/**
 * Runs on streams on a cluster: agents that a NATS server joins, with hosts that are processes (needs `npm run build`
 * before). The metadata service is a bucket of the same server.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { RunSpec } from "../../src/run/spec.ts";
import { REGISTRY } from "../../src/world/bus/buckets.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { type Executed, execute } from "../sync/real.ts";
import { natsOptions } from "../world/nats-server.ts";
import { type Agents, access, agents } from "./agents.ts";
import { childrenOf } from "./processes.ts";

const SITES = ["site-0", "site-1", "site-2"];

let there: Agents;
beforeAll(async () => {
  there = await agents();
  for (const site of SITES) await there.start(site);
});
afterAll(() => there.stop());

const spec = (more: Record<string, unknown> = {}, batches = 40): RunSpec =>
  RunSpec.parse({
    version: 1,
    name: "streams",
    data: {
      kind: "digits",
      rows: 600,
      testRows: 10,
      stream: {
        ...{ batch: 20, batches, rate: 50, mixture: { kind: "classes", count: 4 } },
        workload: { kind: "introduction", at: 20, targets: 1, donors: 1 },
      },
    },
    model: { kind: "svm" },
    sites: { count: 3, bandwidthMbps: 200, rttMs: 4 },
    between: { kind: "none" },
    ...more,
  });
const world = () => ({ kind: "cluster", nats: [there.server.url] });

const errors = ({ events }: Executed, site?: string) =>
  events
    .flatMap((event) => (event.type === "stream" ? [event] : []))
    .filter((event) => site === undefined || event.site === site)
    .map(({ site: id, batch, errors: wrong }) => `${id} ${String(batch).padStart(3)} ${wrong}`)
    .sort();

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
  const saved: number[] = [];
  let killed = -1;
  let back = false;
  const real = await execute(spec({ world: world() }, 300), {
    cluster: access,
    onEvent: (event) => {
      if (event.type === "fault" && event.fault === "joined") back = true;
      if (event.type !== "stream") return;
      if (event.batch === 45 && killed < 0) {
        killed = event.batch;
        process.kill(Math.min(...childrenOf(process.pid)), "SIGKILL");
      }
      if (back) saved.push(event.batch);
    },
  });
  const { events, outcome } = real;
  const faults = events.flatMap((e) => (e.type === "fault" ? [e] : []));
  expect(faults.map(({ fault }) => fault)).toEqual(["left", "joined"]);
  expect(outcome.reason).toBe("finished");
  expect(outcome.tailored).toHaveLength(3);
  const site = faults[0]!.target.split("/")[0]!;
  for (const other of SITES.filter((one) => one !== site))
    expect(errors(real, other)).toHaveLength(300);
  const own = events.flatMap((e) => (e.type === "stream" && e.site === site ? [e] : []));
  expect(own.length).toBeLessThan(300);
  expect(own.at(-1)?.batch).toBe(299);
  // No batch twice: it goes on with the one that arrives next.
  expect(new Set(own.map(({ batch }) => batch)).size).toBe(own.length);
  const gap = own.findIndex(({ batch }, i) => i > 0 && batch > own[i - 1]!.batch + 1);
  const after = own.slice(gap, gap + 5);
  const wrong = after.reduce((sum, e) => sum + e.errors, 0) / (20 * after.length);
  // A fresh model of four classes begins above one half.
  expect(wrong).toBeLessThan(0.4);
  expect(childrenOf(process.pid)).toEqual([]);
}, 60_000);
