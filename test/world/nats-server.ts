/**
 * Real NATS servers for tests: each in a temporary folder, on a free port of loopback. They end with the process of the
 * tests, also where that is killed.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SECOND } from "../../src/core/units.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import type { NatsOptions } from "../../src/world/bus/nats-options.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import { type Guarded, guard } from "../../src/world/cluster/private-nats.ts";
import type { BusUnderTest } from "./bus-contract.ts";

interface Prerequisites {
  readonly findNatsServer: () => string | undefined;
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, "close");
  return port;
}

export interface NatsServer {
  readonly port: number;
  readonly url: string;
  readonly folder: string;
  /** What it has said so far. */
  log(): string;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
  /** Starts it anew on the same port and files. */
  restart(): Promise<void>;
  /** Ends it and takes its files away. */
  stop(): Promise<void>;
}

/** @param config further lines of the configuration, given the server's folder */
export async function startNats(
  config: (folder: string) => string = () => "",
  options: {
    readonly jetStream?: boolean;
    readonly domain?: string;
    readonly scheme?: string;
  } = {},
): Promise<NatsServer> {
  const path = "../../scripts/test-prerequisites.mjs";
  const program = ((await import(path)) as Prerequisites).findNatsServer();
  if (!program) throw new Error("no nats-server: node scripts/test-prerequisites.mjs installs it");
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "pangaea-nats-"));
  const file = join(folder, "server.conf");
  const domain = options.domain === undefined ? "" : `domain: ${options.domain}`;
  const store =
    options.jetStream === false
      ? ""
      : `jetstream { store_dir: "${join(folder, "js")}"\n${domain} }`;
  writeFileSync(file, `listen: "127.0.0.1:${port}"\n${store}\n${config(folder)}\n`);
  let running: Guarded | undefined;
  let log = "";
  const start = async (): Promise<void> => {
    running = guard(program, folder, ["-c", file]);
    running.process.stderr?.on("data", (data: Buffer) => {
      log += data.toString();
    });
    await ready(running.process);
  };
  await start();
  return {
    port,
    folder,
    log: () => log,
    url: `${options.scheme ?? "nats"}://127.0.0.1:${port}`,
    kill: async () => running?.end(true),
    restart: start,
    stop: async () => {
      await running?.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when the server says that it is ready; rejects with its log when it ends before. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = "";
    child.stderr?.on("data", (data: Buffer) => {
      log += data.toString();
      if (/Server is ready/.test(log)) resolve();
    });
    child.once("exit", () => reject(new Error(`nats-server ended:\n${log}`)));
    child.once("error", reject);
  });
}

export const natsOptions = (
  server: Pick<NatsServer, "url">,
  more: Partial<NatsOptions> = {},
): NatsOptions => ({
  servers: [server.url],
  id: "test",
  deadline: 10 * SECOND,
  timers: realTimers(),
  ...more,
});

export const passing = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

export async function natsBackend(): Promise<BusUnderTest & { readonly server: NatsServer }> {
  const server = await startNats();
  return {
    server,
    connect: (id) => connectNats(natsOptions(server, { id })),
    pass: passing,
    stop: () => server.stop(),
  };
}
