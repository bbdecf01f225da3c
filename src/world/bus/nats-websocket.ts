/**
 * The bus on NATS as a page reaches it: over WebSocket, which the server offers on a port of its own. Certificates are
 * the browser's business; keys are the same as elsewhere.
 */
import { wsconnect } from "@nats-io/nats-core";
import { InputError } from "../../core/errors.ts";
import type { Scope } from "../../core/scope.ts";
import type { Bus } from "./contract.ts";
import { connectBus } from "./nats-bus.ts";
import { isLoopback, type NatsOptions } from "./nats-options.ts";

/** As `connectNats`, to servers like "wss://host:443/nats". "ws://" only on loopback. */
export async function connectWebSocket(
  options: Omit<NatsOptions, "tls">,
  scope?: Scope,
): Promise<Bus> {
  const servers = options.servers.map(checked);
  // What a server tells of its cluster are addresses for TCP.
  const settings = { ignoreClusterUpdates: true };
  return connectBus({ connect: wsconnect, servers, settings }, options, scope);
}

function checked(server: string): string {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (!url || !/^wss?:$/.test(url.protocol) || url.hostname === "")
    throw bad("BUS_ADDRESS", "a server's address is none that a page can reach", "wss://host/path");
  if (url.username !== "" || url.password !== "")
    throw bad("BUS_ADDRESS", `a secret in the address of ${url.hostname}`, "give it as a seed");
  if (url.protocol === "ws:" && !isLoopback(url.hostname))
    throw bad("BUS_PLAIN", `${url.hostname} would be reached without TLS`, "wss://");
  return server;
}

const bad = (code: string, message: string, fix: string): InputError =>
  new InputError([{ code, message, fix }]);
