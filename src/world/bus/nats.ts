/** The bus on NATS as Node reaches it: over TCP, with TLS where that is asked for. */
import { connect } from "@nats-io/transport-node";
import type { Scope } from "../../core/scope.ts";
import type { Bus } from "./contract.ts";
import { connectBus } from "./nats-bus.ts";
import { checkServers, type NatsOptions, wantsTls } from "./nats-options.ts";

function tlsOf({ tls }: NatsOptions): { ca?: string; cert?: string; key?: string } {
  const { ca, cert, key } = tls ?? {};
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

/**
 * Connects within the deadline, trying again while nothing answers. Rejects with BUS_UNREACHABLE,
 * BUS_UNAUTHENTICATED, or InputError BUS_PLAIN, BUS_ADDRESS, BUS_CREDENTIALS.
 */
export async function connectNats(options: NatsOptions, scope?: Scope): Promise<Bus> {
  const settings = {
    ignoreClusterUpdates: !wantsTls(options),
    ...(wantsTls(options) && { tls: tlsOf(options) }),
  };
  return connectBus({ connect, servers: checkServers(options), settings }, options, scope);
}
