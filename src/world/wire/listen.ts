/** The listening end of connections. */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import { TimeoutError } from "../../core/errors.ts";
import { LaneConnection } from "./connection.ts";
import type { Address, Listener } from "./contract.ts";
import { listenFailed, refused } from "./errors.ts";
import { type Hello, introduction, objection, readHello, trust, warm } from "./hello.ts";
import type { LaneParcel } from "./lane.ts";
import { isLocal, type Limits, type ListenOptions, limitsOf, requireSecure } from "./options.ts";
import { lanesOf } from "./socket-lane.ts";
import { Stream } from "./stream.ts";
import { HELLO, internal, REFUSED, WELCOME } from "./words.ts";

/** Sockets that have not yet introduced themselves, or wait for their sisters. */
const STRANGERS = 1024;

/**
 * Listens at a unix socket's path or at a port of a host (0: any that is free; the answer has it). Throws
 * INSECURE_ADDRESS, or LISTEN_FAILED when the system refuses.
 */
export async function listen(address: Address, options: ListenOptions): Promise<Listener> {
  requireSecure(address, options);
  const door = new Door(options, limitsOf(options, isLocal(address)));
  const server = open(options, door);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenFailed(address, error)));
    server.listen(address, resolve);
  });
  server.on("error", (error) => options.onRefused?.(error));
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? { port: bound.port } : {};
  return {
    address: { ...address, ...port },
    close: async () => {
      // The server's own `close` would wait for the connections that it let in: they go on.
      server.close();
      door.close();
    },
  };
}

function open(options: ListenOptions, door: Door): Server {
  const { credentials } = options;
  if (!credentials) return createServer({ pauseOnConnect: true }, (socket) => door.enter(socket));
  const { key, cert, ca } = credentials;
  const mutual = { requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" } as const;
  const server = createSecureServer({ key, cert, ca, ...mutual }, (socket) => door.enter(socket));
  server.on("tlsClientError", (error) =>
    options.onRefused?.(refused("a stranger", error.message, error)),
  );
  return server;
}

/** Where peers introduce themselves. */
class Door {
  readonly #options: ListenOptions;
  readonly #limits: Limits;
  /** Streams on probation, each with its deadline. */
  readonly #strangers = new Map<Stream, NodeJS.Timeout>();
  /** Connections some of whose streams have come, by their link. */
  readonly #parts = new Map<string, Map<Stream, Hello>>();

  constructor(options: ListenOptions, limits: Limits) {
    this.#options = options;
    this.#limits = limits;
  }

  enter(socket: Socket): void {
    const from = socket.remoteAddress ?? "a stranger";
    if (this.#strangers.size >= STRANGERS) {
      socket.destroy();
      this.#options.onRefused?.(refused(from, `${STRANGERS} others wait at the door`));
      return;
    }
    const stream = new Stream(from);
    const { helloMillis } = this.#limits;
    const late = new TimeoutError(`${from} did not introduce itself in ${helloMillis} ms`);
    this.#strangers.set(
      stream,
      setTimeout(() => this.#drop(stream, late), helloMillis),
    );
    stream.own({
      told: (message) => this.#hear(stream, message),
      failed: (error) => this.#drop(stream, error),
      read: () => {},
      left: () => {},
    });
    stream.adopt(socket);
  }

  close(): void {
    for (const stream of [...this.#strangers.keys()])
      this.#drop(stream, refused(stream.name, "this host stopped listening"));
  }

  #hear(stream: Stream, message: LaneParcel): void {
    const hello = message.kind === HELLO ? readHello(message.header, true) : "it did not say hello";
    const wrong = typeof hello === "string" ? hello : objection(hello, this.#options);
    if (wrong !== undefined || typeof hello === "string") {
      this.#refuse(stream, wrong ?? "");
      return;
    }
    trust(stream, hello);
    const parts = this.#parts.get(hello.link) ?? new Map<Stream, Hello>();
    for (const other of parts.values())
      if (!areSisters(hello, other)) {
        this.#refuse(stream, "another connection has its link");
        return;
      }
    this.#parts.set(hello.link, parts.set(stream, hello));
    const bulk = [...parts].filter(([, { queue }]) => queue === "bulk");
    const control = [...parts].find(([, { queue }]) => queue === "control");
    const first = bulk[0];
    if (control === undefined || first === undefined || bulk.length < first[1].streams) return;
    this.#parts.delete(hello.link);
    bulk.sort(([, left], [, right]) => left.stream - right.stream);
    const streams = { control: [control[0]], bulk: bulk.map(([each]) => each) };
    this.#join(hello.name, streams);
  }

  #join(
    name: string,
    streams: { readonly control: readonly Stream[]; readonly bulk: readonly Stream[] },
  ): void {
    const lanes = lanesOf(name, streams, this.#limits);
    for (const stream of [...streams.control, ...streams.bulk]) {
      clearTimeout(this.#strangers.get(stream));
      this.#strangers.delete(stream);
      stream.tell(internal(WELCOME, introduction(this.#options, this.#limits.checksum)));
    }
    for (const lane of [lanes.control, lanes.bulk]) lane.begin(this.#limits.checksum);
    for (const stream of streams.bulk) warm(stream, streams.bulk.length);
    this.#options.accept(new LaneConnection(name, lanes, this.#limits));
  }

  /** Tells the peer why, and hangs up when that has left. */
  #refuse(stream: Stream, why: string): void {
    stream.own({
      told: () => {},
      failed: () => {},
      read: () => {},
      left: () => this.#drop(stream, refused(stream.name, why)),
    });
    stream.tell(internal(REFUSED, { why }));
  }

  #drop(stream: Stream, error: Error): void {
    const deadline = this.#strangers.get(stream);
    if (deadline === undefined) return;
    clearTimeout(deadline);
    this.#strangers.delete(stream);
    for (const [link, parts] of this.#parts)
      if (parts.delete(stream) && parts.size === 0) this.#parts.delete(link);
    stream.destroy();
    this.#options.onRefused?.(error);
  }
}

/** Whether two streams may belong to one connection: of the same host, and not the same stream twice. */
function areSisters(one: Hello, other: Hello): boolean {
  if (one.name !== other.name) return false;
  if (one.queue !== other.queue) return true;
  return one.queue === "bulk" && one.streams === other.streams && one.stream !== other.stream;
}
