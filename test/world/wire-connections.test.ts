/** Every carrier of connections against the one contract. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MessageChannel, Worker } from "node:worker_threads";
import { afterAll } from "vitest";
import type { Address, Connection } from "../../src/world/wire/contract.ts";
import { dial } from "../../src/world/wire/dial.ts";
import { listen } from "../../src/world/wire/listen.ts";
import type { WireOptions } from "../../src/world/wire/options.ts";
import { connectPort } from "../../src/world/wire/port-connection.ts";
import { createAuthority } from "./certificates.ts";
import { type WireUnderTest, wireContract } from "./wire-contract.ts";
import type { VictimTask } from "./wire-victim.ts";

const RUN = { run: "a run", version: "1.0.0", token: "a secret" };
const FEW = { name: "victim", maxQueued: 1 << 20 };
const victimFile = fileURLToPath(new URL("./wire-victim.ts", import.meta.url));
const TSX = ["--import", "tsx"];

const folder = mkdtempSync(join(tmpdir(), "wire-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Listens, lets `caller` come, and answers both ends. */
async function meet<T>(
  address: Address,
  options: WireOptions,
  call: (address: Address) => Promise<T>,
): Promise<[Connection, T]> {
  let accept: (connection: Connection) => void = () => {};
  const accepted = new Promise<Connection>((resolve) => (accept = resolve));
  const listener = await listen(address, { ...options, accept });
  try {
    return await Promise.all([accepted, call(listener.address)]);
  } finally {
    await listener.close();
  }
}

function overSockets(makeAddress: () => Address, more: Partial<WireOptions> = {}): WireUnderTest {
  return {
    async connect(options) {
      const all = { ...RUN, ...more, ...options };
      const [right, left] = await meet(makeAddress(), { ...all, name: "right" }, (address) =>
        dial(address, { ...all, name: "left" }),
      );
      return { left, right };
    },
    async victim() {
      const all = { ...RUN, ...more };
      const [connection, child] = await meet(
        makeAddress(),
        { ...all, name: "left", helloMillis: 30_000 },
        async (address): Promise<ChildProcess> => {
          const task: VictimTask = { options: { ...all, ...FEW }, address };
          const argv = [...TSX, victimFile, JSON.stringify(task)];
          return spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"] });
        },
      );
      const kill = (): Promise<unknown> => {
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        return gone;
      };
      return { connection, kill };
    },
  };
}

const overPorts: WireUnderTest = {
  async connect(options) {
    const { port1, port2 } = new MessageChannel();
    const all = { ...RUN, ...options };
    const [left, right] = await Promise.all([
      connectPort(port1, { ...all, name: "left" }),
      connectPort(port2, { ...all, name: "right" }),
    ]);
    return { left, right };
  },
  async victim() {
    const { port1, port2 } = new MessageChannel();
    const workerData: VictimTask = { options: { ...RUN, ...FEW }, port: port2 };
    const start = `import("tsx/esm/api").then(({ register }) => { register(); import(${JSON.stringify(victimFile)}); })`;
    const worker = new Worker(start, { workerData, transferList: [port2], eval: true });
    const options = { ...RUN, name: "left", helloMillis: 30_000 };
    return { connection: await connectPort(port1, options), kill: () => worker.terminate() };
  },
};

const authority = createAuthority();
const credentials = authority.issue("localhost");
const loopback = (): Address => ({ host: "127.0.0.1", port: 0 });
let paths = 0;
const path = (): Address => ({ path: join(folder, String(paths++)) });

wireContract("a unix socket", overSockets(path));
wireContract("a unix socket with checksums", overSockets(path, { checksum: true }));
wireContract("TCP", overSockets(loopback));
wireContract("TCP over 4 streams", overSockets(loopback, { streams: 4 }));
wireContract(
  "TLS over 8 streams",
  overSockets(() => ({ host: "localhost", port: 0 }), {
    ...{ credentials, checksum: true, streams: 8 },
  }),
);
wireContract(
  "TLS",
  overSockets(() => ({ host: "localhost", port: 0 }), { credentials, checksum: true }),
);
wireContract("a message port", overPorts);
