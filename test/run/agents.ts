/** Agents of a cluster in this process, and what a run needs to find them. Their hosts are processes. */
import { randomUUID } from "node:crypto";
import { connectNats } from "../../src/world/bus/nats.ts";
import type { NatsAuth } from "../../src/world/bus/nats-options.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import { type AgentOptions, serveAgent } from "../../src/world/cluster/agent.ts";
import { type NatsServer, natsOptions, startNats } from "../world/nats-server.ts";

export const VERSION = "test";
export const access = { version: VERSION, insecure: true } as const;

export interface Agents {
  readonly server: NatsServer;
  /** Starts an agent; the answer ends it. */
  start(site: string, options?: Partial<AgentOptions>): Promise<() => Promise<void>>;
  readonly said: readonly string[];
  stop(): Promise<void>;
}

/** @param given a server that another test ends; by default one of its own. */
export async function agents(given?: NatsServer, auth?: NatsAuth): Promise<Agents> {
  const server = given ?? (await startNats());
  const running: (() => Promise<void>)[] = [];
  const said: string[] = [];
  return {
    server,
    said,
    start: async (site, options = {}) => {
      const id = options.id ?? `${site}/${randomUUID().slice(0, 8)}`;
      const bus = await connectNats(natsOptions(server, { id, auth }));
      const controller = new AbortController();
      let there = (): void => {};
      const ready = new Promise<void>((resolve) => {
        there = resolve;
      });
      const served = serveAgent({
        ...{ bus, id, site, timers: realTimers(), roles: ["worker", "server"], resources: {} },
        ...{ version: VERSION, coordinatorKey: undefined, credentials: undefined },
        means: { roots: [""], threads: 0 },
        listen: { host: "127.0.0.1", port: 0 },
        advertise: undefined,
        relayed: { servers: [server.url], seed: undefined, tls: undefined },
        ...options,
        signal: controller.signal,
        notify: (text) => {
          said.push(`${id}: ${text}`);
          if (text.includes("is there for runs")) there();
        },
      });
      await Promise.race([ready, served]);
      const stop = async (): Promise<void> => {
        controller.abort();
        await served;
        await bus.close();
      };
      running.push(stop);
      return stop;
    },
    stop: async () => {
      for (const stop of running) await stop();
      if (!given) await server.stop();
    },
  };
}
