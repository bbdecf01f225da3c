/** Three sites as people run them: a hub and two servers that dial out to it, each with a domain of its own. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import type { Bus } from "../../src/world/bus/contract.ts";
import { fenced } from "../../src/world/bus/fence.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { bytes, codeOf, text, until } from "./bus-contract.ts";
import { freePort, type NatsServer, natsOptions, passing, startNats } from "./nats-server.ts";

const real = { pass: passing };
const deadline = 5 * SECOND;
const SITES = ["hub", "east", "west"] as const;

let servers: NatsServer[] = [];
let buses: Bus[] = [];
let hub: Bus;
let east: Bus;
let west: Bus;

beforeAll(async () => {
  const leafPort = await freePort();
  const leafnodes = (site: string): string =>
    site === "hub"
      ? `listen: "127.0.0.1:${leafPort}"`
      : `reconnect: 1, remotes: [{ url: "nats-leaf://127.0.0.1:${leafPort}" }]`;
  for (const site of SITES) {
    const config = (): string => `server_name: ${site}\nleafnodes { ${leafnodes(site)} }`;
    servers.push(await startNats(config, { domain: site }));
  }
  buses = await Promise.all(servers.map((server, i) => open(server, SITES[i]!)));
  [hub, east, west] = buses as [Bus, Bus, Bus];
});
afterAll(async () => {
  for (const bus of buses) await bus.close();
  for (const server of servers) await server.stop();
  servers = [];
});

const open = (server: NatsServer, id: string): Promise<Bus> =>
  connectNats(natsOptions(server, { id }));

describe("three servers joined as leaf nodes", () => {
  test("a site asks what another one serves", async () => {
    await west.serve("west.echo", (data) => data);
    const ask = (bus: Bus): Promise<Uint8Array> =>
      bus.request("west.echo", bytes("there and back"), { deadline });
    // Who serves what becomes known a moment later elsewhere.
    for (const bus of [hub, east]) {
      await until(real, async () => (await codeOf(ask(bus))) === "");
      expect(text(await ask(bus))).toBe("there and back");
    }
  });

  test("each has buckets of its own; another's is reached by its domain", async () => {
    const own = await Promise.all(buses.map((bus) => bus.kv("state")));
    await Promise.all(own.map((kv, i) => kv.put("site", bytes(SITES[i]!))));
    for (const [i, kv] of own.entries()) expect(text((await kv.get("site"))?.value)).toBe(SITES[i]);
    const far = await east.kv("state", { domain: "west" });
    const entry = await far.get("site");
    expect(text(entry?.value)).toBe("west");
    const told: string[] = [];
    await far.watch({ key: "site" }, ({ value }) => told.push(text(value) ?? ""));
    expect(told).toEqual(["west"]);
    await far.update("site", bytes("west, by east"), entry!.revision);
    expect(await codeOf(far.update("site", bytes("late"), entry!.revision))).toBe("BUS_CONFLICT");
    await until(real, () => told.length === 2);
    expect(text((await own[2]!.get("site"))?.value)).toBe("west, by east");
    const holder = await fenced(await east.kv("plan", { domain: "hub" }), {
      epoch: 1,
      holder: "e",
    });
    await fenced(await west.kv("plan", { domain: "hub" }), { epoch: 2, holder: "w" });
    expect(await codeOf(holder.put("plan", bytes("late")))).toBe("STALE_EPOCH");
  });

  test("a mirror reads here what was written there, and writes there", async () => {
    const origin = await west.kv("registry");
    await origin.put("model", bytes("1"));
    const mirror = await east.kv("registry", { mirrorOf: "west" });
    await until(real, async () => (await mirror.get("model")) !== undefined);
    expect(text((await mirror.get("model"))?.value)).toBe("1");
    const told: string[] = [];
    await mirror.watch("all", ({ value }) => told.push(text(value) ?? ""));
    await mirror.put("model", bytes("2"));
    expect(text((await origin.get("model"))?.value)).toBe("2");
    await until(real, () => told.includes("2"));
    expect(told).toEqual(["1", "2"]);
  });

  test("a site that is cut off goes on by itself, and is reached again when it is back", async () => {
    const own = await east.kv("alone");
    await servers[0]!.kill();
    await own.put("still", bytes("here"));
    expect(text((await own.get("still"))?.value)).toBe("here");
    await servers[0]!.restart();
    const far = async (): Promise<string> =>
      codeOf(west.kv("alone", { domain: "east" }).then((kv) => kv.get("still")));
    await until(real, async () => (await far()) === "");
  });
});
