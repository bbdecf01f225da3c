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

/** A process that runs nats-server until its standard input ends, and then takes the store away. */
const GUARD = `
const { spawn } = require("node:child_process");
const { rmSync } = require("node:fs");
const [folder, ...words] = process.argv.slice(1);
const server = spawn("nats-server", words, { stdio: ["ignore", "ignore", "inherit"] });
let code = 0;
server.on("error", (error) => { process.stderr.write(error.message); code = 1; process.exit(code); });
server.on("exit", () => { rmSync(folder, { recursive: true, force: true }); process.exit(code); });
process.stdin.on("end", () => server.kill("SIGKILL")).resume();
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
`;

/** @throws PangaeaError NATS_MISSING where no nats-server is found, or it does not start */
export async function startNats(): Promise<PrivateNats> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "pangaea-nats-"));
  const words = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder];
  // It ends with this process, however that goes: the guard sees the end of its standard input.
  const guarded = ["-e", GUARD, folder, ...words];
  const child = spawn(process.execPath, guarded, { stdio: ["pipe", "ignore", "pipe"] });
  child.stdin.on("error", () => {});
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const gone = once(child, "exit");
      child.stdin.end();
      await gone;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ready(child);
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
