/** A cluster that a page can join: a NATS server that speaks WebSocket, agents in Node, and pages in Chromium. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { VERSION } from "../../src/browser/version.ts";
import type { RunEvent } from "../../src/core/events.ts";
import { executeRun, newShared } from "../../src/run/execute.ts";
import type { RunHost, RunOutcome } from "../../src/run/host.ts";
import { RunSpec } from "../../src/run/spec.ts";
import { freePort, type NatsServer, startNats } from "../world/nats-server.ts";

export const DATA = process.env["PANGAEA_DATA"] ?? "../shared/data";

export interface WebNats {
  readonly server: NatsServer;
  /** For pages. */
  readonly web: string;
}

/** @param accounts further lines of the configuration */
export async function webNats(accounts = ""): Promise<WebNats> {
  const port = await freePort();
  const listener = `websocket { listen: "127.0.0.1:${port}", no_tls: true }\n${accounts}`;
  return { server: await startNats(() => listener), web: `ws://127.0.0.1:${port}` };
}

/** A few hundred rows of MNIST at two sites. */
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
  options: {
    readonly seed?: string | undefined;
    readonly onEvent?: (event: RunEvent) => void;
  } = {},
): Promise<Ran> {
  const events: RunEvent[] = [];
  const warnings: string[] = [];
  const { seed, onEvent } = options;
  const host: RunHost = {
    roots: [DATA],
    exists: async (path) => existsSync(path),
    readFile: (path) => readFile(path),
    threads: 0,
    cluster: { version: VERSION, seed, insecure: seed === undefined },
    warn: (text) => warnings.push(text),
    signal: new AbortController().signal,
    onEvent: (event) => {
      events.push(event);
      onEvent?.(event);
    },
  };
  return { events, warnings, outcome: await executeRun(spec, host, newShared()) };
}
