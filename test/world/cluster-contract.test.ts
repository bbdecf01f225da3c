/** The contract of worlds over a cluster: NATS for control, TCP with certificates between hosts, or the relay. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAuthority } from "./certificates.ts";
import { clusterWorld } from "./cluster-fixtures.ts";
import { worldContract } from "./contract.ts";
import { type NatsServer, startNats } from "./nats-server.ts";

const tls = createAuthority().issue("localhost");
let server: NatsServer;
type Cluster = Awaited<ReturnType<typeof clusterWorld>>;
let direct: Cluster;
beforeAll(async () => {
  server = await startNats();
  direct = await clusterWorld({ server, tls });
});
afterAll(async () => {
  await direct.stop();
  await server.stop();
});

worldContract("the cluster world, over TLS", () => direct.world);

test("nothing was relayed", () => {
  expect(direct.warnings.filter((text) => /relayed|dialled/.test(text))).toEqual([]);
});
