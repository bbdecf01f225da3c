/** How a cluster is joined: three NATS servers as leaf nodes of one another, keys, certificates; who is refused. */
import { afterEach, expect, test } from "vitest";
import { accountFile, createRoleKey } from "../../src/world/bus/accounts.ts";
import { openMembers } from "../../src/world/bus/membership.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { door } from "../../src/world/cluster/subjects.ts";
import { execute, small } from "../sync/real.ts";
import { createAuthority } from "../world/certificates.ts";
import { freePort, type NatsServer, natsOptions, startNats } from "../world/nats-server.ts";
import { access, agents, VERSION } from "./agents.ts";
import { bits } from "./equal-bits.ts";
import { executeOn } from "./own-data.ts";
import { childrenOf } from "./processes.ts";
import { experiment, MODEL } from "./run-files.ts";

const quick = (more: Record<string, unknown> = {}) =>
  small({
    sites: { count: 3, workers: 1, bandwidthMbps: 200, rttMs: 4 },
    between: { kind: "gaia", staleness: 0 },
    stop: { maxClocks: 6 },
    ...more,
  });

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  expect(childrenOf(process.pid)).toEqual([]);
});
const ending = <T extends { stop(): Promise<void> }>(one: T): T => {
  ends.push(() => one.stop());
  return one;
};

test("over three servers joined as leaf nodes, each site at its own, which gets grid and model by way of the hub", async () => {
  const leafPort = await freePort();
  const servers: NatsServer[] = [];
  for (const domain of ["hub", "east", "west"]) {
    const leaf =
      domain === "hub"
        ? `listen: "127.0.0.1:${leafPort}"`
        : `reconnect: 1, remotes: [{ url: "nats-leaf://127.0.0.1:${leafPort}" }]`;
    const config = (): string => `server_name: ${domain}\nleafnodes { ${leaf} }`;
    servers.push(ending(await startNats(config, { domain })));
  }
  for (const [index, server] of servers.entries()) {
    const own = ending(await agents(server));
    await own.start(`site-${index}`, { domain: "hub" });
  }
  const world = { kind: "cluster", nats: [servers[1]!.url], domain: "hub" };
  const { folder, remove } = experiment();
  ends.push(async () => remove());
  const named = { sites: { file: "grids/three.yaml", workers: 1 }, model: MODEL };
  const real = await executeOn(folder, quick({ ...named, world }), { cluster: access });
  expect(bits(real)).toEqual(bits(await executeOn(folder, quick(named))));
});

test("with a key for each role and certificates; a coordinator with another key is refused", async () => {
  const [coordinator, node, other] = [
    createRoleKey("coordinator"),
    createRoleKey("node"),
    createRoleKey("coordinator"),
  ];
  const server = ending(await startNats(() => accountFile([coordinator, node, other])));
  const tls = createAuthority().issue("localhost");
  // Agents wait until a coordinator has made the members' bucket: here before they come.
  const auth = { kind: "nkey", seed: coordinator.seed } as const;
  const leader = await connectNats(natsOptions(server, { auth }));
  await openMembers(leader);
  await leader.close();
  const own = ending(await agents(server, { kind: "nkey", seed: node.seed }));
  for (const site of ["site-0", "site-1", "site-2"])
    await own.start(site, {
      coordinatorKey: coordinator.publicKey,
      credentials: tls,
      listen: { host: "localhost", port: 0 },
      relayed: undefined,
    });
  const world = { kind: "cluster", nats: [server.url], waitSeconds: 1 };
  const as = (seed: string) => ({ cluster: { version: VERSION, seed, tls } });
  await expect(execute(quick({ world }), as(other.seed))).rejects.toMatchObject({
    code: "TIMEOUT",
    message: expect.stringContaining("without a valid signature"),
  });
  const real = await execute(quick({ world }), as(coordinator.seed));
  expect(real.outcome.reason).toBe("maxClocks");
  // A node may not give orders at all.
  const bus = await connectNats(natsOptions(server, { auth: { kind: "nkey", seed: node.seed } }));
  ends.push(() => bus.close());
  const order = new TextEncoder().encode("{}");
  await expect(bus.request(door("site-0/x"), order, { deadline: 1_000_000 })).rejects.toMatchObject(
    { code: expect.stringMatching(/^BUS_(FORBIDDEN|TIMEOUT)$/) },
  );
});

test("no key and no word that none is wanted", async () => {
  const running = execute(quick({ world: { kind: "cluster", nats: ["nats://127.0.0.1:1"] } }), {
    cluster: { version: VERSION },
  });
  await expect(running).rejects.toMatchObject({ code: "BUS_INSECURE" });
  const far = execute(quick({ world: { kind: "cluster", nats: ["tls://hub.example:4222"] } }), {
    cluster: { version: VERSION, insecure: true },
  });
  await expect(far).rejects.toMatchObject({ code: "BUS_INSECURE" });
});
