/**
 * How the hosts of a run join: threads over channels, processes over sockets in a folder, machines over TCP. Of two
 * machines the one with the higher number dials; where that fails the other one does; where both fail, what they
 * say to each other is relayed. The supervisor tells each whose turn it is.
 */
import { join } from "node:path";
import { PangaeaError } from "../../core/errors.ts";
import type { Connection, Listener } from "../wire/contract.ts";
import { dial } from "../wire/dial.ts";
import { listen } from "../wire/listen.ts";
import type { WireOptions } from "../wire/options.ts";
import { connectPort } from "../wire/port-connection.ts";
import { meetRelayed, relayWhenTold } from "./meet-relayed.ts";
import type { FromHost, HostAddress, HostSetup, Meeting, ToHost } from "./protocol.ts";

/** Introductions wait for the slowest host; the supervisor has its own deadline. */
const JOIN_MILLIS = 120_000;
/** A machine that does not answer in this time is not reached. */
const DIAL_MILLIS = 10_000;

/** Bulk sockets between hosts of two sites: one alone fills a long link badly (bench/wan.ts). */
const STREAMS = 4;

/** What joining needs of a member. */
export interface Talk {
  post(message: FromHost): void;
  on<T extends ToHost["type"]>(
    type: T,
    handler: (message: Extract<ToHost, { readonly type: T }>) => void,
  ): void;
  /** Resolves when all listen. */
  join(): Promise<Extract<ToHost, { readonly type: "join" }>>;
  /** A connection has come about, to a host or to the desk. */
  arrived(connection: Connection): void;
  /** Joins a host that cannot be dialled, nor dial. */
  relay(host: number): Promise<Connection>;
}

/** What stays open for those who come later. */
export interface Door {
  close(): Promise<void>;
}

/** Begins to join the others; `talk.arrived` is called for each. */
export function meet(setup: HostSetup, talk: Talk): Promise<Door> {
  const { host, run, token, version, meeting } = setup;
  const options = { name: String(host), run, token, version, helloMillis: JOIN_MILLIS };
  if (meeting.kind === "channels") return overChannels(meeting, options, talk);
  if (meeting.kind === "sockets") return overSockets(setup, options, talk);
  if (meeting.kind === "relayed") return meetRelayed(talk);
  return overNetwork(meeting, setup, options, talk);
}

const nothingOpen: Door = { close: async () => {} };

async function overChannels(
  { ports }: Extract<Meeting, { readonly kind: "channels" }>,
  options: WireOptions,
  talk: Talk,
): Promise<Door> {
  talk.post({ type: "listening" });
  await talk.join();
  const joining = [...ports.values()].map((port) => connectPort(port, options));
  for (const connection of await Promise.all(joining)) talk.arrived(connection);
  return nothingOpen;
}

async function overSockets(
  { host, folder }: HostSetup,
  options: WireOptions,
  talk: Talk,
): Promise<Door> {
  const place = (index: number) => ({ path: join(folder, `${index}.sock`) });
  const accept = (connection: Connection): void => talk.arrived(connection);
  const listener = await listen(place(host), { ...options, accept });
  talk.post({ type: "listening" });
  const { dial: others } = await talk.join();
  for (const other of others) talk.arrived(await dial(place(other), options));
  return listener;
}

async function overNetwork(
  { listen: place, advertise, credentials }: Extract<Meeting, { readonly kind: "network" }>,
  { host, sites = [] }: HostSetup,
  options: WireOptions,
  talk: Talk,
): Promise<Door> {
  const secure = credentials ? { ...options, credentials } : options;
  const accept = (connection: Connection): void => talk.arrived(connection);
  const refused = (error: Error): void => talk.post({ type: "warning", text: error.message });
  const listener = await listen(place, { ...secure, accept, onRefused: refused });
  const reach = (other: number, address: HostAddress | undefined): void => {
    const streams = sites[other] === sites[host] ? 1 : STREAMS;
    dialled(address, { ...secure, streams }).then(accept, (error: unknown) =>
      talk.post({ type: "unreached", host: other, why: messageOf(error) }),
    );
  };
  talk.on("dial", ({ host: other, address }) => reach(other, address));
  relayWhenTold(talk);
  talk.post({ type: "listening", address: addressOf(listener, advertise) });
  const { dial: others, addresses } = await talk.join();
  for (const other of others) reach(other, addresses[other]);
  return listener;
}

async function dialled(
  address: HostAddress | undefined,
  options: WireOptions,
): Promise<Connection> {
  if (!address) throw new PangaeaError("DIAL_FAILED", "it has told no address");
  return dial(address, { ...options, helloMillis: DIAL_MILLIS });
}

function addressOf(
  { address }: Listener,
  advertise: HostAddress | undefined,
): HostAddress | undefined {
  if ("path" in address) return undefined;
  if (!advertise) return address;
  return { host: advertise.host, port: advertise.port === 0 ? address.port : advertise.port };
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
