/**
 * The two hosts of bench/wan.ts, each in a network namespace of its own.
 *   node --import tsx bench/wan/host.ts '{"role":"listen"}'
 *   node --import tsx bench/wan/host.ts '{"role":"dial","streams":4,"seconds":5}'     prints a Figures as JSON
 */
import { once } from "node:events";
import { connect as connectRaw, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeId } from "../../src/core/ids.ts";
import { Scope } from "../../src/core/scope.ts";
import type { Connection, Parcel } from "../../src/world/wire/contract.ts";
import { dial } from "../../src/world/wire/dial.ts";
import { listen } from "../../src/world/wire/listen.ts";

export type WanTask =
  | { readonly role: "listen" }
  | { readonly role: "dial"; readonly streams: number; readonly seconds: number };

export interface Figures {
  /** Milliseconds for 1 MB there and an answer, at once after the connection was made, and a while later. */
  readonly cold: number;
  readonly warm: number;
  /** Mbit/s from the first byte of a tensor to the last, slow start included. */
  readonly goodput: number;
  /** The same of bare sockets, as many. */
  readonly raw: number;
  /** Milliseconds of a control message there and back beside bulk: median and 95 of 100. */
  readonly control: number;
  readonly controlMost: number;
  readonly idle: number;
  /** What the connection itself makes of it: Mbit/s, milliseconds. */
  readonly estimated: readonly [goodput: number, roundTrip: number];
}

const ADDRESS = { host: "127.10.0.1", port: 7000 };
const RAW_PORT = 7001;
const OPTIONS = { run: "bench", version: "1", token: "bench", helloMillis: 30_000 };
const [A, B] = ["a" as NodeId, "b" as NodeId];
const MEGABYTE = 1_000_000;

/** Random, because a link might compress. */
const noise = (bytes: number): Uint8Array => {
  const values = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536)
    crypto.getRandomValues(values.subarray(at, at + 65_536));
  return values;
};

const parcel = (queue: Parcel["queue"], kind: string, payload: ArrayBufferView[]): Parcel => ({
  ...{ from: A, to: B, kind, queue },
  ...{ header: {}, payload },
});

async function serve(): Promise<void> {
  const raw = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume();
    socket.on("end", () => socket.end());
  });
  raw.listen({ ...ADDRESS, port: RAW_PORT });
  await listen(ADDRESS, {
    ...OPTIONS,
    name: "b",
    accept: (connection) =>
      connection.receive(({ kind }) => {
        if (kind !== "drop") connection.send(parcel("control", kind, []));
      }),
  });
}

class Client {
  readonly connection: Connection;
  readonly #answers = new Map<string, (() => void)[]>();

  constructor(connection: Connection) {
    this.connection = connection;
    connection.receive(({ kind }) => this.#answers.get(kind)?.shift()?.());
  }

  /** Sends and awaits the answer; milliseconds. */
  async ask(queue: Parcel["queue"], kind: string, payload: ArrayBufferView[]): Promise<number> {
    const start = performance.now();
    const answered = new Promise<void>((resolve) => {
      this.#answers.set(kind, [...(this.#answers.get(kind) ?? []), resolve]);
    });
    this.connection.send(parcel(queue, kind, payload));
    await answered;
    return performance.now() - start;
  }
}

/** Dials until somebody listens. */
async function connect(streams: number): Promise<Client> {
  for (let tries = 0; ; tries++) {
    try {
      return new Client(await dial(ADDRESS, { ...OPTIONS, name: "a", streams }));
    } catch (error) {
      if (tries > 60) throw error;
      await sleep(250);
    }
  }
}

const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(q * values.length)] ?? 0;

async function bulk(client: Client, seconds: number): Promise<readonly [number, number[]]> {
  const { connection } = client;
  const part = noise(MEGABYTE);
  const millis: number[] = [];
  let over = false;
  const start = performance.now();
  const pings = (async () => {
    while (!over) {
      millis.push(await client.ask("control", "ping", []));
      await sleep(20);
    }
  })();
  let sent = 0;
  await Scope.run(async (scope) => {
    while (performance.now() - start < 1000 * seconds) {
      connection.send(parcel("bulk", "drop", [part]));
      sent += part.length;
      await connection.drained(4 * MEGABYTE, scope);
    }
  });
  await client.ask("bulk", "end", []);
  const took = performance.now() - start;
  over = true;
  await pings;
  return [(sent * 8) / 1e3 / took, millis];
}

/** Bare sockets, each as fast as it takes bytes; until the listener has all. */
async function rawBulk(streams: number, seconds: number): Promise<number> {
  const part = noise(256 * 1024);
  const start = performance.now();
  let sent = 0;
  const one = async (): Promise<void> => {
    const socket = connectRaw({ ...ADDRESS, port: RAW_PORT });
    await once(socket, "connect");
    while (performance.now() - start < 1000 * seconds) {
      sent += part.length;
      if (!socket.write(part)) await once(socket, "drain");
    }
    socket.end().resume();
    await once(socket, "close");
  };
  await Promise.all(Array.from({ length: streams }, one));
  return (sent * 8) / 1e3 / (performance.now() - start);
}

async function measure(streams: number, seconds: number): Promise<Figures> {
  const part = noise(MEGABYTE);
  const client = await connect(streams);
  const cold = await client.ask("bulk", "end", [part]);
  await sleep(1000);
  const idle: number[] = [];
  for (let n = 0; n < 5; n++) idle.push(await client.ask("control", "ping", []));
  const [goodput, millis] = await bulk(client, seconds);
  await sleep(1000);
  const warm = [];
  for (let n = 0; n < 3; n++) warm.push(await client.ask("bulk", "end", [part]));
  const { goodput: bits, roundTripMicros } = client.connection.estimate();
  await client.connection.close();
  const raw = await rawBulk(streams, seconds);
  return {
    ...{ raw, cold, warm: quantile(warm, 0.5), goodput, idle: quantile(idle, 0.5) },
    ...{ control: quantile(millis, 0.5), controlMost: quantile(millis, 0.95) },
    estimated: [bits / 1e6, roundTripMicros / 1e3],
  };
}

const task = JSON.parse(process.argv[2]!) as WanTask;
if (task.role === "listen") await serve();
else console.log(JSON.stringify(await measure(task.streams, task.seconds)));
