/**
 * Pages as nodes of a cluster: a worker in a Web Worker of a headless Chromium trains MNIST together with a worker in
 * Node, which also holds the parameters (needs `npm run build` before). Everybody has keys.
 */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VERSION } from "../../src/browser/version.ts";
import type { RoleKey } from "../../src/world/bus/accounts.ts";
import { openMembers } from "../../src/world/bus/membership.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import type { NatsAuth } from "../../src/world/bus/nats-options.ts";
import type { AgentOptions } from "../../src/world/cluster/agent.ts";
import { type Agents, agents } from "../run/agents.ts";
import { experiment, MODEL, SITES } from "../run/run-files.ts";
import { natsOptions } from "../world/nats-server.ts";
import {
  clocksOf,
  DATA,
  digits,
  judged,
  KEYS,
  run,
  type WebNats,
  webNats,
} from "./node-fixtures.ts";
import { type OpenPage, openPage } from "./serve.ts";

let nats: WebNats;
let node: Agents;
let open: OpenPage;
/** What agents in Node have in common. */
let ofNode: Partial<AgentOptions>;

const authOf = ({ seed }: RoleKey): NatsAuth => ({ kind: "nkey", seed });
const auth = authOf(KEYS.node);

beforeAll(async () => {
  nats = await webNats();
  // Who leads runs makes the members' bucket.
  const leader = await connectNats(natsOptions(nats.server, { auth: authOf(KEYS.coordinator) }));
  await openMembers(leader);
  await leader.close();
  node = await agents(nats.server, auth);
  ofNode = {
    ...{ version: VERSION, coordinatorKey: KEYS.coordinator.publicKey },
    means: { roots: [DATA], threads: 0 },
    relayed: { servers: [nats.server.url], seed: KEYS.node.seed, tls: undefined },
  };
  await node.start("site-0", { ...ofNode, id: "node" });
  open = await openPage([], { "/data/": DATA });
}, 60_000);
afterAll(async () => {
  await open?.close();
  await node?.stop();
  await nats?.server.stop();
});

const within = (page: Page, call: string): Promise<unknown> =>
  page.evaluate(`import("/test/browser/node-page.js").then(({ join, leave }) => ${call})`);

/** Resolves when the page is there for runs; or with the code of the error that it got. */
function join(page: Page, id: string, more: Record<string, unknown> = {}): Promise<unknown> {
  const options = {
    ...{ nats: nats.web, site: "site-0", id, files: new URL("/data/", open.page.url()).href },
    ...{ seed: KEYS.node.seed, coordinatorKey: KEYS.coordinator.publicKey, ...more },
  };
  return within(page, `join(${JSON.stringify(options)}).catch((error) => error.code)`);
}

const story = (): string => [...open.said, ...node.said].join("\n");

test("a page and a Node worker train MNIST together, as two in Node would; then it leaves", async () => {
  expect(await join(open.page, "page")).toBeUndefined();
  const together = await run(digits(nats.server.url));
  expect(together.outcome.reason, story()).toBe("maxClocks");
  expect(clocksOf(together)).toEqual({ "site-0/worker-0": 60, "site-0/worker-1": 60 });
  expect(together.warnings.join()).toMatch(/page and node .* relayed/);
  expect(story()).toMatch(/run \S+: host page runs/);

  // In Node alone every world gives the same bits (test/run/cluster.test.ts).
  const alone = await run(digits(nats.server.url, { world: "simulated" }));
  const [here, there] = [judged(together), judged(alone)];
  expect(here?.["accuracy"]).toBeGreaterThan(0.7);
  expect(Math.abs((here?.["loss"] as number) - (there?.["loss"] as number))).toBeLessThan(1e-3);
  const wanted = alone.outcome.global?.parameters ?? new Float32Array(0);
  const far = together.outcome.global?.parameters.findIndex(
    (value, i) => !(Math.abs(value - (wanted[i] as number)) < 1e-3),
  );
  expect(far).toBe(-1);

  await within(open.page, "leave()");
  const bus = await connectNats(natsOptions(nats.server, { auth }));
  expect(await (await openMembers(bus)).keys()).toEqual(["node"]);
  await bus.close();
}, 60_000);

test("a tab that is closed in mid-run is left behind, and the run goes on", async () => {
  const tab = await open.another();
  await join(tab, "tab");
  let closing: Promise<void> | undefined;
  const spec = digits(nats.server.url, { stop: { maxClocks: 150 } });
  const ran = await run(spec, (event) => {
    if (event.type === "clock" && event.clock === 10 && event.node === "site-0/worker-1")
      closing ??= tab.close();
  });
  await closing;
  expect(ran.outcome.reason, story()).toBe("maxClocks");
  const faults = ran.events.flatMap((event) =>
    event.type === "fault" ? [`${event.target} ${event.fault}`] : [],
  );
  expect(faults).toEqual(["tab left"]);
  const clocks = clocksOf(ran);
  expect(clocks["site-0/worker-0"]).toBe(150);
  expect(clocks["site-0/worker-1"]).toBeLessThan(150);
  expect(judged(ran)?.["accuracy"]).toBeGreaterThan(0.7);
}, 60_000);

test("a page trains at a site of its own, whose servers are in Node: Gaia between the sites", async () => {
  const stop = await node.start("site-1", { ...ofNode, id: "servers", roles: ["server"] });
  const page = await open.another();
  await join(page, "edge", { site: "site-1" });
  const sites = { count: 2, workers: 1, bandwidthMbps: 100, rttMs: 10 };
  const ran = await run(digits(nats.server.url, { sites, between: { kind: "gaia" } }));
  expect(ran.outcome.reason, story()).toBe("maxClocks");
  expect(clocksOf(ran)).toEqual({ "site-0/worker-0": 60, "site-1/worker-0": 60 });
  const crossed = ran.events.filter((event) => event.type === "traffic" && event.from !== event.to);
  expect(crossed.length).toBeGreaterThan(0);
  expect(judged(ran)?.["accuracy"]).toBeGreaterThan(0.6);
  await within(page, "leave()");
  await stop();
}, 60_000);

test("a page gets the run's grid and model, which the server of its data does not have", async () => {
  const own = experiment();
  const stop = await node.start("site-1", { ...ofNode, id: "servers", roles: ["server"] });
  const page = await open.another();
  await join(page, "edge", { site: "site-1" });
  const more = { sites: SITES, model: MODEL, between: { kind: "gaia" } };
  const ran = await run(digits(nats.server.url, more), undefined, [own.folder, DATA]);
  own.remove();
  expect(ran.outcome.reason, story()).toBe("maxClocks");
  expect(clocksOf(ran)).toEqual({ "site-0/worker-0": 60, "site-1/worker-0": 60 });
  expect(judged(ran)?.["accuracy"]).toBeGreaterThan(0.6);
  await within(page, "leave()");
  await stop();
}, 60_000);

test("keys that the server does not know, no keys beyond loopback, and plain text there are refused", async () => {
  const codes: unknown[] = [];
  for (const more of [
    { seed: KEYS.stranger.seed },
    { seed: "SUnonsense" },
    { seed: undefined, nats: "wss://example.org" },
    { nats: "ws://example.org" },
    { nats: nats.server.url },
    { nats: "wss://example.org", coordinatorKey: undefined },
  ])
    codes.push(await join(await open.another(), "stranger", more));
  expect(codes).toEqual([
    "BUS_UNAUTHENTICATED",
    "BUS_CREDENTIALS",
    "BUS_INSECURE",
    "BUS_PLAIN",
    "BUS_ADDRESS",
    "BUS_INSECURE",
  ]);
}, 60_000);
