/**
 * Connections between two hosts beside a raw loop over the same carrier in the same run.
 *
 *   npm run build && npx tsx bench/transport.ts [--json] [--quick] [unix|tcp|tls|threads|model ...]
 *
 * The other host is a process (or thread) of its own, bench/transport/host.ts. One-way: messages of 64 KB, 1 MB and
 * 16 MB are sent and each arrives whole, in memory of its own; the last is answered. Raw: `net` (`tls`) with the least
 * framing, a length; the listener reads in chunks, as Node offers there, and copies each message into fresh memory.
 * Model: the parameter server's round, two processes: a worker pushes 100 MB in parcels of 1 MB, the server adds each
 * to its own with the SIMD kernels while it is in cache and sends the sum back; bytes of both directions count.
 *
 * Goals: >= 80 % of the raw loop; >= 2 GB/s aggregate for the model.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectSecurely } from "node:tls";
import { fileURLToPath } from "node:url";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { NodeId } from "../src/core/ids.ts";
import { Scope } from "../src/core/scope.ts";
import type { Address, Connection, Parcel } from "../src/world/wire/contract.ts";
import { dial } from "../src/world/wire/dial.ts";
import type { Credentials } from "../src/world/wire/options.ts";
import { connectPort } from "../src/world/wire/port-connection.ts";
import { createAuthority } from "../test/world/certificates.ts";
import { type Case, measure, print } from "./harness.ts";
import { type HostTask, OPTIONS, type Ready } from "./transport/host.ts";

const quick = process.argv.includes("--quick");
const only = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const SIZES = [64_000, 1_000_000, 16_000_000];
const ROUND_BYTES = quick ? 200e6 : 800e6;
const PINGS = quick ? 500 : 3000;
const [A, B] = ["a" as NodeId, "b" as NodeId];
const hostFile = fileURLToPath(new URL("./transport/host.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "transport-"));
const credentials = createAuthority().issue("localhost");

const parcel = (
  queue: Parcel["queue"],
  kind: string,
  payload: readonly ArrayBufferView[],
): Parcel => ({
  ...{ from: A, to: B, kind, queue },
  ...{ header: { n: 1 }, payload },
});

async function startHost(task: HostTask): Promise<{ ready: Ready; child: ChildProcess }> {
  const argv = ["--import", "tsx", hostFile, JSON.stringify(task)];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const [ready] = (await once(child, "message")) as [Ready];
  return { ready, child };
}

/** What a carrier does, raw or ours. */
interface Way {
  /** Sends so many messages of a size and waits until the last has arrived. */
  stream(bytes: Uint8Array, count: number): Promise<void>;
  /** There and back. */
  ping(bytes: Uint8Array): Promise<void>;
}

function rawWay(socket: Socket): Way {
  let wanted = 0;
  let resolve: () => void = () => {};
  socket.setNoDelay(true);
  socket.on("data", (bytes: Buffer) => {
    wanted -= bytes.length;
    if (wanted <= 0) resolve();
  });
  const answer = (bytes: number): Promise<void> => {
    wanted = bytes;
    return new Promise((done) => (resolve = done));
  };
  const send = (bytes: Uint8Array, back: boolean): boolean => {
    const length = Buffer.alloc(8);
    length.writeUInt32LE(bytes.length, 0);
    length.writeUInt32LE(back ? 1 : 0, 4);
    socket.cork();
    socket.write(length);
    const go = socket.write(bytes);
    socket.uncork();
    return go;
  };
  return {
    async stream(bytes, count) {
      for (let n = 1; n < count; n++) if (!send(bytes, false)) await once(socket, "drain");
      const back = answer(8);
      send(bytes.subarray(0, 0), true);
      await back;
    },
    async ping(bytes) {
      const back = answer(8 + bytes.length);
      send(bytes, true);
      await back;
    },
  };
}

function ourWay(connection: Connection): Way {
  let resolve: () => void = () => {};
  connection.receive(() => resolve());
  const answer = (): Promise<void> => new Promise((done) => (resolve = done));
  return {
    stream: (bytes, count) =>
      Scope.run(async (scope) => {
        for (let n = 1; n < count; n++) {
          connection.send(parcel("bulk", "drop", [bytes]));
          await connection.drained(2_000_000, scope);
        }
        const back = answer();
        connection.send(parcel("bulk", "echo", []));
        await back;
      }),
    async ping(bytes) {
      const back = answer();
      connection.send(parcel("control", "echo", [bytes]));
      await back;
    },
  };
}

function cases(ways: Readonly<Record<string, Way>>): readonly (readonly [string, Case[]])[] {
  const streams = SIZES.map((size): [string, Case[]] => {
    const bytes = new Uint8Array(size).fill(1);
    const count = Math.ceil(ROUND_BYTES / size);
    return [
      `${size / 1000} KB one way`,
      Object.entries(ways).map(([name, way]) => ({
        name,
        unit: "GB/s",
        run: async () => {
          await way.stream(bytes, count);
          return (count * size) / 1e9;
        },
      })),
    ];
  });
  const pings = [64, 64_000].map((size): [string, Case[]] => [
    `${size} B there and back`,
    Object.entries(ways).map(([name, way]) => ({
      name,
      unit: "trips/s",
      run: async () => {
        const bytes = new Uint8Array(size);
        for (let n = 0; n < PINGS; n++) await way.ping(bytes);
        return PINGS;
      },
    })),
  ]);
  return [...streams, ...pings];
}

async function report(carrier: string, ways: Readonly<Record<string, Way>>): Promise<void> {
  const options = { runs: quick ? 3 : 7, baseline: "raw" };
  for (const [what, ofIt] of cases(ways)) {
    const rows = await measure(`${carrier}, ${what}`, ofIt, options);
    print(rows);
  }
}

/** Control beside bulk: how long 64 B take there and back while the bulk queue is never empty. */
async function beside(carrier: string, connection: Connection): Promise<void> {
  const way = ourWay(connection);
  const megabyte = new Uint8Array(16_000_000);
  const millis: number[] = [];
  let over = false;
  const bulk = Scope.run(async (scope) => {
    while (!over) {
      connection.send(parcel("bulk", "drop", [megabyte]));
      await connection.drained(megabyte.length, scope);
    }
  });
  for (let n = 0; n < (quick ? 200 : 1000); n++) {
    const start = performance.now();
    await way.ping(new Uint8Array(64));
    millis.push(performance.now() - start);
  }
  over = true;
  await bulk;
  millis.sort((a, b) => a - b);
  const [median, most] = [0.5, 0.99].map((q) => millis[Math.floor(q * millis.length)]!.toFixed(2));
  const text = `median ${median} ms, 99 % within ${most} ms (goal 5 ms)`;
  process.stdout.write(`${carrier}, 64 B of control there and back beside bulk: ${text}\n`);
}

function rawSocket(address: Address, secure: Credentials | undefined): Promise<Socket> {
  const socket = secure
    ? connectSecurely({ ...address, ...secure, servername: "localhost" })
    : connect({ ...address });
  return once(socket, secure ? "secureConnect" : "connect").then(() => socket);
}

async function sockets(carrier: string, address: Address, secure?: Credentials): Promise<void> {
  const { ready, child } = await startHost({ address, credentials: secure });
  const raw = await rawSocket(ready.raw, secure);
  const connection = await dial(ready.ours, { ...OPTIONS, name: "a", credentials: secure });
  await report(carrier, { raw: rawWay(raw), connection: ourWay(connection) });
  await beside(carrier, connection);
  raw.destroy();
  await connection.close();
  child.kill();
}

/** Raw between threads: structured clone, which is what `postMessage` does by itself. */
function rawPort(port: MessagePort): Way {
  let resolve: () => void = () => {};
  port.on("message", () => resolve());
  const answer = (): Promise<void> => new Promise((done) => (resolve = done));
  return {
    async stream(bytes, count) {
      for (let n = 1; n < count; n++) {
        const window = n % Math.max(1, Math.floor(32e6 / bytes.length)) === 0;
        const back = window ? answer() : undefined;
        port.postMessage({ bytes, echo: window });
        await back;
      }
      const back = answer();
      port.postMessage({ bytes: bytes.subarray(0, 0), echo: true });
      await back;
    },
    async ping(bytes) {
      const back = answer();
      port.postMessage({ bytes, echo: true });
      await back;
    },
  };
}

async function threads(): Promise<void> {
  const [ours, raw] = [new MessageChannel(), new MessageChannel()];
  const workerData: HostTask = { port: ours.port2, rawPort: raw.port2 };
  const start = `import("tsx/esm/api").then(({ register }) => { register(); import(${JSON.stringify(hostFile)}); })`;
  const worker = new Worker(start, {
    workerData,
    eval: true,
    transferList: [ours.port2, raw.port2],
  });
  const connection = await connectPort(ours.port1, { ...OPTIONS, name: "a", helloMillis: 30_000 });
  await report("threads", { raw: rawPort(raw.port1), connection: ourWay(connection) });
  await beside("threads", connection);
  raw.port1.close();
  await connection.close();
  await worker.terminate();
}

/** CPU seconds of this process and another, where the system tells (Linux). */
function cpuSeconds(pid: number): number {
  const { user, system } = process.cpuUsage();
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (user + system) / 1e6 + (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Push and pull of a model of 100 MB, parcel by parcel. */
async function model(carrier: string, address: Address): Promise<void> {
  const { ready, child } = await startHost({ address });
  const connection = await dial(ready.ours, { ...OPTIONS, name: "a" });
  const parts = 100;
  const part = new Float32Array(250_000).fill(1e-3);
  let left = 0;
  let done: () => void = () => {};
  connection.receive(() => {
    if (--left === 0) done();
  });
  const run = async (): Promise<number> => {
    left = parts;
    const back = new Promise<void>((resolve) => (done = resolve));
    for (let n = 0; n < parts; n++) {
      const push = parcel("bulk", "add", [part]);
      connection.send({ ...push, header: { part: n } });
    }
    await back;
    return (2 * parts * part.byteLength) / 1e9;
  };
  const name = `push and pull over ${carrier}`;
  const rounds = { warmups: 3, runs: quick ? 5 : 15 };
  await run();
  const before = cpuSeconds(child.pid!);
  let gigabytes = 0;
  const counted = async (): Promise<number> => {
    const moved = await run();
    gigabytes += moved;
    return moved;
  };
  print(await measure("100 MB model", [{ name, unit: "GB/s", run: counted, goal: 2 }], rounds));
  const spent = (cpuSeconds(child.pid!) - before) / gigabytes;
  process.stdout.write(`  ${spent.toFixed(2)} CPU seconds a GB, both processes\n`);
  await connection.close();
  child.kill();
}

const wanted = (name: string): boolean => only.length === 0 || only.includes(name);
const home = (host: string): Address => ({ host, port: 0 });
if (wanted("unix")) await sockets("unix socket", { path: join(folder, "a") });
if (wanted("tcp")) await sockets("TCP", home("127.0.0.1"));
if (wanted("tls")) await sockets("TLS", home("localhost"), credentials);
if (wanted("threads")) await threads();
if (wanted("model")) {
  await model("a unix socket", { path: join(folder, "b") });
  await model("TCP", home("127.0.0.1"));
}
rmSync(folder, { recursive: true });
