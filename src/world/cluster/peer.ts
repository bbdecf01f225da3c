/** What a host that is a process has of the bus, which it joins over TCP: relays, and buckets. */
import { type Buckets, bucketsOfRun } from "../bus/buckets.ts";
import type { Bus } from "../bus/contract.ts";
import type { HostSetup, Relayed } from "../live/protocol.ts";
import type { Connection } from "../wire/contract.ts";
import { joinBus } from "./access.ts";
import { relays } from "./relays.ts";

/** Joins other hosts of a run; the first call joins the bus. */
export const peerRelay = (
  setup: HostSetup,
  relayed: Relayed,
): ((peer: number) => Promise<Connection>) => relays(setup, () => peerBus(setup, relayed));

export function peerBus(setup: HostSetup, { servers, seed, tls }: Relayed): Promise<Bus> {
  const access = { version: setup.version, seed, tls, insecure: seed === undefined };
  return joinBus(servers, `${setup.run} host ${setup.host}`, access);
}

/** Runs share buckets, and each has its own keys in them. */
export const peerBuckets = ({ run }: HostSetup, bus: Bus): Buckets => bucketsOfRun(bus, run);
