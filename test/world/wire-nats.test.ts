/** Connections relayed over a real NATS server keep the contract of all connections. */
import { afterAll, beforeAll } from "vitest";
import { MILLISECOND } from "../../src/core/units.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { type NatsServer, natsOptions, startNats } from "./nats-server.ts";
import { wireContract } from "./wire-contract.ts";
import { overBus } from "./wire-over-bus.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server?.stop());

const beatMicros = 300 * MILLISECOND;
wireContract(
  "a relay over NATS",
  overBus((id) => connectNats(natsOptions(server, { id })), { beatMicros }),
);
