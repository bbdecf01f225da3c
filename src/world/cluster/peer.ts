/** What a host that is a process has of the bus, which it joins over TCP: relays, and buckets. */
import { type Buckets, bucketsOfRun } from "../bus/buckets.ts";
import type { Bus } from "../bus/contract.ts";
import type { Relays } from "../live/member.ts";
import type { HostSetup, Relayed } from "../live/protocol.ts";
import { joinBus } from "./access.ts";
import { relays } from "./relays.ts";

/** The first host that is asked for joins the bus. */
export const peerRelays = (setup: HostSetup, relayed: Relayed): Relays =>
  relays(setup, () => peerBus(setup, relayed));

export function peerBus(setup: HostSetup, { servers, seed, tls }: Relayed): Promise<Bus> {
  const access = { version: setup.version, seed, tls, insecure: seed === undefined };
  return joinBus(servers, `${setup.run} host ${setup.host}`, access);
}

/** Runs share buckets, and each has its own keys in them. */
export const peerBuckets = ({ run }: HostSetup, bus: Bus): Buckets => bucketsOfRun(bus, run);
