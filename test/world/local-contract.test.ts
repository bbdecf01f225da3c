import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import { FileStore } from "../../src/world/live/store.ts";
import type { Connection } from "../../src/world/wire/contract.ts";
import { dial } from "../../src/world/wire/dial.ts";
import { listen } from "../../src/world/wire/listen.ts";
import { connectPort } from "../../src/world/wire/port-connection.ts";
import { contractNodes, type WorldUnderTest, worldContract } from "./contract.ts";
import { makeTopology } from "./fixtures.ts";
import { type HostedOptions, hostSites } from "./local-fixtures.ts";

const options = { run: "r", version: "v", token: "t" };

/** As between threads. */
async function portPair(): Promise<[Connection, Connection]> {
  const { port1, port2 } = new MessageChannel();
  return Promise.all([
    connectPort(port1, { ...options, name: "0" }),
    connectPort(port2, { ...options, name: "1" }),
  ]);
}

/** As between processes. */
async function socketPair(folder: string): Promise<[Connection, Connection]> {
  const address = { path: join(folder, "0.sock") };
  let accept: (connection: Connection) => void = () => {};
  const accepted = new Promise<Connection>((resolve) => {
    accept = resolve;
  });
  const listener = await listen(address, { ...options, name: "0", accept });
  const dialled = await dial(address, { ...options, name: "1" });
  await listener.close();
  return [await accepted, dialled];
}

/** Two hosts joined anew for each run, their stores in files. */
const joined = (
  pair: (folder: string) => Promise<[Connection, Connection]>,
  more: HostedOptions = {},
): WorldUnderTest => ({
  ...(more.shaped && { link: makeTopology().link(0, 1) }),
  run: async (programs) => {
    const folder = mkdtempSync(join(tmpdir(), "pangaea-test-"));
    const connections = await pair(folder);
    try {
      const storeOf = (node: string) => new FileStore(join(folder, encodeURIComponent(node)));
      await hostSites(contractNodes, connections, { storeOf, ...more }).run(programs);
    } finally {
      await Promise.all(connections.map((connection) => connection.close()));
      rmSync(folder, { recursive: true });
    }
  },
});

worldContract("the local world, over channels between threads", () => joined(portPair));
worldContract("the local world, over sockets between processes", () => joined(socketPair));
worldContract("the local world with shaped links", () => joined(portPair, { shaped: true }));
