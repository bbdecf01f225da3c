/** How a process reaches the cluster: the bus, its keys and certificates. Secrets stay out of experiments and logs. */
import { InputError } from "../../core/errors.ts";
import type { Scope } from "../../core/scope.ts";
import { SECOND } from "../../core/units.ts";
import { createRoleKey } from "../bus/accounts.ts";
import type { Bus } from "../bus/contract.ts";
import { connectNats } from "../bus/nats.ts";
import { type BusNotice, type NatsTls, publicKeyOf } from "../bus/nats-options.ts";
import { realTimers } from "../bus/timers.ts";
import { type Credentials, isLocal } from "../wire/options.ts";

export interface ClusterAccess {
  /** Of the program: all of a cluster are of one. */
  readonly version: string;
  /** The seed of this process's role; absent only where everything stays on one machine. */
  readonly seed?: string | undefined;
  /** The public key that orders are signed with, where it is known beforehand. */
  readonly coordinatorKey?: string | undefined;
  /** PEM texts, for the bus and for connections between hosts. */
  readonly tls?: Credentials | undefined;
  /** Flags of the command line by which agents of this machine reach the same cluster. */
  readonly flags?: readonly string[] | undefined;
  /** No keys: only on loopback. */
  readonly insecure?: boolean | undefined;
}

/** Where NATS is, if nothing is said. */
export const DEFAULT_NATS = ["nats://127.0.0.1:4222"] as const;

const CONNECT = 30 * SECOND;

/** Somebody who waits for so long is told for whom. */
const PATIENCE = 2 * SECOND;

export interface JoinOptions {
  readonly notify?: ((notice: BusNotice) => void) | undefined;
  /** Tells whom it waits for. */
  readonly tell?: ((text: string) => void) | undefined;
  /** Ends the trying. */
  readonly scope?: Scope | undefined;
}

/** @throws InputError BUS_INSECURE where keys are missing; what `connectNats` throws. */
export async function joinBus(
  servers: readonly string[],
  id: string,
  access: ClusterAccess,
  { notify, tell = () => {}, scope }: JoinOptions = {},
): Promise<Bus> {
  requireKeys(servers, access);
  const { seed, tls } = access;
  const secure: NatsTls | undefined = servers.some((server) => server.startsWith("tls:"))
    ? tls
    : undefined;
  const auth = seed === undefined ? undefined : ({ kind: "nkey", seed } as const);
  const options = { servers, id, deadline: CONNECT, auth, tls: secure };
  const timers = realTimers();
  const silent = timers.after(PATIENCE, () => {
    tell(`nobody answers yet at ${servers.join(", ")}; trying for ${CONNECT / SECOND} s in all`);
  });
  return connectNats({ ...options, timers, notify }, scope).finally(silent);
}

/** Without keys anybody who reaches the bus leads runs: only on loopback, and only where that was said. */
function requireKeys(servers: readonly string[], { seed, insecure }: ClusterAccess): void {
  const far = servers.find((server) => !isHere(server));
  if (seed !== undefined && !insecure) return;
  const bad = (message: string, fix: string): InputError =>
    new InputError([{ code: "BUS_INSECURE", message, fix }]);
  if (far !== undefined && insecure)
    throw bad(`--insecure is for loopback, and ${hostOf(far)} is elsewhere`, "--keys, and tls://");
  if (seed === undefined && !insecure)
    throw bad(
      "no key was given, so anybody could lead runs here",
      "`pangaea keys` makes keys: --keys FOLDER; or --insecure, on loopback only",
    );
}

/** Whether a server is reached without leaving this machine. */
export const isHere = (server: string): boolean => isLocal({ host: hostOf(server), port: 0 });

function hostOf(server: string): string {
  const url = /^\w+:\/\//.test(server) ? server : `nats://${server}`;
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, "") : server;
}

/** The key that a coordinator signs with: its role's, or one made for this life where there are none. */
export function signingKey({ seed }: ClusterAccess): {
  readonly seed: string;
  readonly publicKey: string;
} {
  if (seed === undefined) return createRoleKey("coordinator");
  return { seed, publicKey: publicKeyOf(seed) };
}
