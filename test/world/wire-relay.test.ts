/** Connections relayed over a bus: the contract of all connections, on a bus that loses and repeats, and on NATS. */
import { afterAll, beforeAll, describe } from "vitest";
import { MILLISECOND } from "../../src/core/units.ts";
import type { Bus } from "../../src/world/bus/contract.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import { type RelayOptions, relay } from "../../src/world/cluster/relay.ts";
import { lossyBus } from "./lossy-bus.ts";
import { type NatsServer, natsOptions, startNats } from "./nats-server.ts";
import { type WireUnderTest, wireContract } from "./wire-contract.ts";
import { parcel } from "./wire-parcel.ts";

const RUN = { run: "a run", version: "1.0.0", token: "a secret" };
const timers = realTimers();

/** @param client a new client of one bus */
function overBus(client: (id: string) => Promise<Bus>, more: Partial<RelayOptions> = {}) {
  const join = (bus: Bus, name: string, peer: string, options: Partial<RelayOptions> = {}) =>
    relay(bus, { ...RUN, ...more, name, peer, helloMillis: 20_000, ...options });
  return {
    join,
    async connect(options) {
      const [one, two] = [await client("left"), await client("right")];
      const [left, right] = await Promise.all([
        join(one, "left", "right", options as Partial<RelayOptions>),
        join(two, "right", "left", options as Partial<RelayOptions>),
      ]);
      for (const [connection, bus] of [[left, one] as const, [right, two] as const])
        connection.ended.then(() => bus.close()).catch(() => {});
      return { left, right };
    },
    async victim() {
      const [one, two] = [await client("left"), await client("victim")];
      const [connection, other] = await Promise.all([
        join(one, "left", "victim"),
        join(two, "victim", "left", { maxQueued: 1 << 20 }),
      ]);
      other.send(parcel("control", {}));
      return { connection, kill: () => two.close() };
    },
  } satisfies WireUnderTest & { readonly join: unknown };
}

const broker = new MemoryBroker(timers);
const beatMicros = 100 * MILLISECOND;
wireContract(
  "a relay in memory",
  overBus(async (id) => broker.connect(id), { beatMicros }),
);

let seed = 1;
const faults = { lost: 0.05, answerLost: 0.05, repeated: 0.1, delayMicrosMax: 3 * MILLISECOND };
const lossy = new MemoryBroker(timers);
wireContract(
  "a relay that loses, repeats and reorders",
  overBus(async (id) => lossyBus(lossy.connect(id), timers, seed++, faults), { beatMicros }),
);

describe("over NATS", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server?.stop());
  const client = (id: string): Promise<Bus> => connectNats(natsOptions(server, { id }));
  wireContract("a relay", overBus(client, { beatMicros: 300 * MILLISECOND }));
});
