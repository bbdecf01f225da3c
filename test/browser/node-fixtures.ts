/** A cluster that a page can join: a NATS server that speaks WebSocket, agents in Node, and pages in Chromium. */
import { existsSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { VERSION } from "../../src/browser/version.ts";
import type { RunEvent } from "../../src/core/events.ts";
import { executeRun, newShared } from "../../src/run/execute.ts";
import type { RunHost, RunOutcome } from "../../src/run/host.ts";
import { RunSpec } from "../../src/run/spec.ts";
import { accountFile, createRoleKey } from "../../src/world/bus/accounts.ts";
import type { Credentials } from "../../src/world/wire/options.ts";
import { freePort, type NatsServer, startNats } from "../world/nats-server.ts";

export const DATA = process.env["PANGAEA_DATA"] ?? "../shared/data";

export interface WebNats {
  readonly server: NatsServer;
  /** For pages. */
  readonly web: string;
}

/** Keys of those who may come, and one that the server does not know. */
export const KEYS = {
  coordinator: createRoleKey("coordinator"),
  node: createRoleKey("node"),
  stranger: createRoleKey("node"),
};

/** @param tls the server's certificate for localhost; without one pages speak plain text */
export async function webNats(tls?: Credentials): Promise<WebNats> {
  const port = await freePort();
  const accounts = accountFile([KEYS.coordinator, KEYS.node]);
  const secure = (folder: string): string => {
    if (!tls) return "no_tls: true";
    const [cert, key] = [join(folder, "web.crt"), join(folder, "web.key")];
    writeFileSync(cert, tls.cert);
    writeFileSync(key, tls.key);
    return `tls { cert_file: "${cert}", key_file: "${key}" }`;
  };
  const config = (folder: string): string =>
    `websocket { listen: "127.0.0.1:${port}", ${secure(folder)} }\n${accounts}`;
  return {
    server: await startNats(config),
    web: tls ? `wss://localhost:${port}` : `ws://127.0.0.1:${port}`,
  };
}

/** A few hundred rows of MNIST and two workers. */
export const digits = (nats: string, more: Record<string, unknown> = {}): RunSpec =>
  RunSpec.parse({
    version: 1,
    name: "pages",
    data: { kind: "idx", path: "mnist", trainRows: 600, testRows: 300, split: { by: "iid" } },
    model: { kind: "sequential", layers: ["flatten", { dense: 32 }, "relu", { dense: 10 }] },
    optimizer: { kind: "sgd", learningRate: 0.3 },
    batch: 30,
    sites: { count: 1, workers: 2 },
    between: { kind: "stretched" },
    stop: { maxClocks: 60 },
    evaluate: { every: 20 },
    world: { kind: "cluster", nats: [nats], waitSeconds: 30, links: "real" },
    ...more,
  });

export interface Ran {
  readonly events: readonly RunEvent[];
  readonly outcome: RunOutcome;
  readonly warnings: readonly string[];
}

export async function run(
  spec: RunSpec,
  onEvent?: (event: RunEvent) => void,
  roots: readonly string[] = [DATA],
): Promise<Ran> {
  const events: RunEvent[] = [];
  const warnings: string[] = [];
  const host: RunHost = {
    roots,
    exists: async (path) => existsSync(path),
    readFile: (path) => readFile(path),
    threads: 0,
    cluster: { version: VERSION, seed: KEYS.coordinator.seed },
    warn: (text) => warnings.push(text),
    signal: new AbortController().signal,
    onEvent: (event) => {
      events.push(event);
      onEvent?.(event);
    },
  };
  return { events, warnings, outcome: await executeRun(spec, host, newShared()) };
}

/** The clocks that each worker has finished. */
export function clocksOf({ events }: Pick<Ran, "events">): Readonly<Record<string, number>> {
  const clocks: Record<string, number> = {};
  for (const event of events)
    if (event.type === "clock") clocks[event.node] = Math.max(clocks[event.node] ?? 0, event.clock);
  return clocks;
}

/** The judgement of the end. */
export const judged = ({ events }: Ran) =>
  events.flatMap((event) => (event.type === "evaluation" && event.final ? [event.metrics] : []))[0];
