/**
 * What probes of Kubernetes, compose and load balancers ask an agent: `/healthz` answers 200 while the process turns its
 * event loop, `/readyz` 200 while it is joined to the cluster, else 503. Nothing else is told, so it may listen openly.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { HostAddress } from "../world/live/protocol.ts";

export interface Health {
  close(): Promise<void>;
}

/** @param ready whether runs can come to this agent */
export async function serveHealth(address: HostAddress, ready: () => boolean): Promise<Health> {
  const server = createServer((request, response) => {
    const ask = request.url?.split("?")[0];
    const status = ask === "/healthz" ? 200 : ask !== "/readyz" ? 404 : ready() ? 200 : 503;
    response.writeHead(status, { "content-type": "text/plain" });
    response.end(status === 200 ? "ok\n" : status === 404 ? "not here\n" : "not joined\n");
  });
  server.listen(address.port, address.host);
  await once(server, "listening");
  // It keeps no process alive.
  server.unref();
  return {
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
