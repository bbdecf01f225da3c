/** The contract of worlds over a cluster whose hosts cannot dial each other: everything goes over NATS. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAuthority } from "./certificates.ts";
import { clusterWorld } from "./cluster-fixtures.ts";
import { worldContract } from "./contract.ts";
import { type NatsServer, startNats } from "./nats-server.ts";

const tls = createAuthority().issue("localhost");
/** A port at which nobody listens. */
const NOWHERE = { host: "localhost", port: 1 };
let server: NatsServer;
type Cluster = Awaited<ReturnType<typeof clusterWorld>>;
let relayed: Cluster;
beforeAll(async () => {
  server = await startNats();
  relayed = await clusterWorld({ server, tls, advertise: NOWHERE });
});
afterAll(async () => {
  await relayed.stop();
  await server.stop();
});

worldContract("the cluster world, relayed", () => relayed.world);

test("everything was relayed", () => {
  expect(relayed.warnings.some((text) => /cannot dial each other/.test(text))).toBe(true);
});
