/** Pairs of connections that are relayed over a bus, for the contract of connections. */
import type { Bus } from "../../src/world/bus/contract.ts";
import { type RelayOptions, relay } from "../../src/world/cluster/relay.ts";
import type { WireUnderTest } from "./wire-contract.ts";
import { parcel } from "./wire-parcel.ts";

const RUN = { run: "a run", version: "1.0.0", token: "a secret" };

/** @param client a new client of one bus */
export function overBus(client: (id: string) => Promise<Bus>, more: Partial<RelayOptions> = {}) {
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
