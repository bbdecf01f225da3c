/** The way to hosts that cannot be dialled, and cannot dial this one: over the bus, which all of them reach. */
import type { Bus } from "../bus/contract.ts";
import type { HostSetup, Relayed } from "../live/protocol.ts";
import type { Connection } from "../wire/contract.ts";
import { joinBus } from "./access.ts";
import { relay } from "./relay.ts";

/** The other end hears of it from the supervisor as this one does. */
const HELLO_MILLIS = 60_000;

/** Joins other hosts of a run; the first call joins the bus. */
export function peerRelay(
  { host, run, token, version }: HostSetup,
  { servers, seed, tls }: Relayed,
): (peer: number) => Promise<Connection> {
  let bus: Promise<Bus> | undefined;
  return async (peer) => {
    const access = { version, seed, tls, insecure: seed === undefined };
    bus ??= joinBus(servers, `${run} host ${host}`, access);
    const options = { name: String(host), peer: String(peer), run, token, version };
    return relay(await bus, { ...options, helloMillis: HELLO_MILLIS });
  };
}
