/** The relays of a host that is a process: it joins the bus over TCP. */
import type { HostSetup, Relayed } from "../live/protocol.ts";
import type { Connection } from "../wire/contract.ts";
import { joinBus } from "./access.ts";
import { relays } from "./relays.ts";

/** Joins other hosts of a run; the first call joins the bus. */
export function peerRelay(
  setup: HostSetup,
  { servers, seed, tls }: Relayed,
): (peer: number) => Promise<Connection> {
  const access = { version: setup.version, seed, tls, insecure: seed === undefined };
  return relays(setup, () => joinBus(servers, `${setup.run} host ${setup.host}`, access));
}
