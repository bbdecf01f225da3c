/** The other host of bench/transport.ts: drops what it gets, answers what asks for it, adds what is pushed. */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import { type MessagePort, workerData } from "node:worker_threads";
import { createKernels } from "../../src/core/kernels/create.ts";
import type { Address, Connection } from "../../src/world/wire/contract.ts";
import { listen } from "../../src/world/wire/listen.ts";
import type { Credentials } from "../../src/world/wire/options.ts";
import { connectPort } from "../../src/world/wire/port-connection.ts";

export interface HostTask {
  readonly address?: Address | undefined;
  readonly credentials?: Credentials | undefined;
  readonly port?: MessagePort | undefined;
  readonly rawPort?: MessagePort | undefined;
}

/** Where it listens. */
export interface Ready {
  readonly raw: Address;
  readonly ours: Address;
}

export const OPTIONS = { run: "bench", version: "1", token: "bench", maxQueued: 1 << 30 };

function serve(connection: Connection): void {
  const kernels = createKernels();
  const parameters = Array.from({ length: 100 }, () => kernels.allocate(250_000));
  connection.receive((parcel) => {
    if (parcel.kind === "echo") connection.send(parcel);
    if (parcel.kind !== "add") return;
    const mine = parameters[parcel.header["part"] as number]!;
    kernels.add(mine, parcel.payload[0] as Float32Array);
    connection.send({ ...parcel, payload: [mine] });
  });
}

/** Messages of a length and a wish for an answer; each is gathered in memory of its own. */
function serveRaw(socket: Socket): void {
  socket.setNoDelay(true);
  const prefix = Buffer.alloc(8);
  let prefixFilled = 0;
  let message = Buffer.alloc(0);
  let filled = 0;
  socket.on("error", () => {});
  socket.on("data", (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; ) {
      if (prefixFilled < 8) {
        const count = Math.min(8 - prefixFilled, bytes.length - at);
        prefix.set(bytes.subarray(at, at + count), prefixFilled);
        prefixFilled += count;
        at += count;
        if (prefixFilled < 8) return;
        message = Buffer.allocUnsafeSlow(prefix.readUInt32LE(0));
        filled = 0;
      }
      const count = Math.min(message.length - filled, bytes.length - at);
      message.set(bytes.subarray(at, at + count), filled);
      filled += count;
      at += count;
      if (filled < message.length) return;
      prefixFilled = 0;
      if (prefix.readUInt32LE(4) === 0) continue;
      socket.cork();
      socket.write(Buffer.from(prefix));
      if (message.length > 0) socket.write(message);
      socket.uncork();
    }
  });
}

async function overSockets(address: Address, credentials: Credentials | undefined): Promise<void> {
  const options = { ...OPTIONS, name: "b", credentials, accept: serve };
  const ours = await listen(address, options);
  const server: Server = credentials
    ? createSecureServer({ ...credentials, requestCert: true, rejectUnauthorized: true }, serveRaw)
    : createServer(serveRaw);
  const place = "path" in address ? { path: `${address.path}-raw` } : address;
  server.listen(place, () => {
    const bound = server.address();
    const port = bound !== null && typeof bound === "object" ? { port: bound.port } : {};
    process.send?.({ raw: { ...place, ...port }, ours: ours.address } as Ready);
  });
}

const task: HostTask | undefined =
  workerData ?? (process.argv[2]?.startsWith("{") ? JSON.parse(process.argv[2]) : undefined);
if (task?.address) await overSockets(task.address, task.credentials);
if (task?.rawPort) {
  const { rawPort } = task;
  rawPort.on("message", ({ bytes, echo }: { bytes: Uint8Array; echo: boolean }) => {
    if (echo) rawPort.postMessage(bytes);
  });
}
if (task?.port) serve(await connectPort(task.port, { ...OPTIONS, name: "b" }));
