/** A NATS server for one run on this machine, with a store that goes with it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PangaeaError } from "../../core/errors.ts";

export interface PrivateNats {
  readonly url: string;
  close(): Promise<void>;
}

/** Runs a program until its own standard input ends, and then takes the folder away, unless it was told anything. */
const GUARD = `
const { spawn } = require("node:child_process");
const { rmSync } = require("node:fs");
const [program, folder, ...words] = process.argv.slice(1);
const server = spawn(program, words, { stdio: ["ignore", "ignore", "inherit"] });
let [code, keep] = [0, false];
server.on("error", (error) => { process.stderr.write(error.message); code = 1; process.exit(code); });
server.on("exit", () => {
  if (!keep) rmSync(folder, { recursive: true, force: true });
  process.exit(code);
});
process.stdin.on("data", () => { keep = true; }).on("end", () => server.kill("SIGKILL"));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
`;

/**
 * Starts a server that ends with this process, however that goes: its guard sees the end of its standard input. What
 * the server says on stderr is the guard's.
 * @param folder goes with the server
 */
export function guard(program: string, folder: string, words: readonly string[]): Guarded {
  const started = spawn(process.execPath, ["-e", GUARD, program, folder, ...words], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  started.stdin.on("error", () => {});
  const end = async (keep = false): Promise<void> => {
    if (started.exitCode !== null || started.signalCode !== null || started.pid === undefined)
      return;
    const gone = once(started, "exit");
    started.stdin.end(keep ? "keep" : "");
    await gone;
  };
  return { process: started, end };
}

export interface Guarded {
  readonly process: ChildProcess;
  /** Ends the server as a crash does. @param keep whether its folder stays */
  end(keep?: boolean): Promise<void>;
}

/** @throws PangaeaError NATS_MISSING where no nats-server is found, or it does not start */
export async function startNats(): Promise<PrivateNats> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "pangaea-nats-"));
  const words = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder];
  const server = guard("nats-server", folder, words);
  const close = async (): Promise<void> => {
    await server.end();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ready(server.process);
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `nats://127.0.0.1:${port}`, close };
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = "";
    const fail = (why: string): void =>
      reject(
        new PangaeaError("NATS_MISSING", `no NATS server could be started: ${why}`, {
          fix: "install nats-server, or name a server that runs: --nats URL",
        }),
      );
    child.stderr?.on("data", (data: Buffer) => {
      log = (log + data.toString()).slice(-4096);
      if (/Server is ready/.test(log)) resolve();
    });
    child.once("error", (error) => fail(error.message));
    child.once("exit", () => fail(log));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, "close");
  return port;
}
