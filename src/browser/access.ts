/** How a page reaches the cluster. Without keys anybody who reaches the bus leads runs: only on loopback. */
import { InputError } from "../core/errors.ts";
import { type Micros, SECOND } from "../core/units.ts";
import { isLoopback } from "../world/bus/nats-options.ts";
import type { BusAccess } from "./messages.ts";

/** Until the bus is reached. */
export const CONNECT_MICROS: Micros = 30 * SECOND;

/** @throws InputError BUS_INSECURE, BUS_ADDRESS */
export function checkAccess(
  { servers, seed }: BusAccess,
  coordinatorKey: string | undefined,
): BusAccess {
  const bad = (code: string, message: string, fix: string): InputError =>
    new InputError([{ code, message, fix }]);
  if (servers.length === 0) throw bad("BUS_ADDRESS", "no server was given", "wss://host/path");
  const far = servers.find((server) => !URL.canParse(server) || !isLoopback(hostOf(server)));
  if (seed === undefined && far !== undefined)
    throw bad("BUS_INSECURE", `${far} is to be joined without a key`, "seed: a key of role node");
  if (coordinatorKey === undefined && far !== undefined)
    throw bad("BUS_INSECURE", `anybody at ${far} could give this page orders`, "coordinatorKey");
  return { servers, seed };
}

const hostOf = (server: string): string => new URL(server).hostname;
