/** The listening end of connections. */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import { TimeoutError } from "../../core/errors.ts";
import { LaneConnection } from "./connection.ts";
import type { Address, Listener, Parcel } from "./contract.ts";
import { listenFailed, refused } from "./errors.ts";
import {
  HELLO,
  type Hello,
  internal,
  introduction,
  objection,
  REFUSED,
  readHello,
  trust,
  WELCOME,
} from "./hello.ts";
import type { LaneParcel } from "./lane.ts";
import { isLocal, type Limits, type ListenOptions, limitsOf, requireSecure } from "./options.ts";
import { SocketLane } from "./socket-lane.ts";

/** Sockets that have not yet introduced themselves, or wait for their sister. */
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
  if (!credentials) return createServer((socket) => door.enter(socket));
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
  /** Lanes on probation, each with its deadline. */
  readonly #strangers = new Map<SocketLane, NodeJS.Timeout>();
  /** First halves of connections, by their link. */
  readonly #halves = new Map<string, { readonly lane: SocketLane; readonly hello: Hello }>();

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
    const lane = new SocketLane(from);
    const { helloMillis } = this.#limits;
    const late = new TimeoutError(`${from} did not introduce itself in ${helloMillis} ms`);
    this.#strangers.set(
      lane,
      setTimeout(() => this.#drop(lane, late), helloMillis),
    );
    lane.listen({
      arrived: (parcel, own) => this.#hear(lane, parcel, own),
      failed: (error) => this.#drop(lane, error),
      left: () => {},
    });
    lane.attach(socket, true);
  }

  close(): void {
    for (const lane of [...this.#strangers.keys()])
      this.#drop(lane, refused(lane.reader.peer, "this host stopped listening"));
  }

  #hear(lane: SocketLane, parcel: LaneParcel, own: boolean): void {
    const hello =
      own && parcel.kind === HELLO ? readHello(parcel.header, true) : "it did not say hello";
    const wrong = typeof hello === "string" ? hello : objection(hello, this.#options);
    if (wrong !== undefined || typeof hello === "string") {
      this.#refuse(lane, wrong ?? "");
      return;
    }
    trust(lane, hello, this.#limits);
    const first = this.#halves.get(hello.link);
    if (first === undefined) {
      this.#halves.set(hello.link, { lane, hello });
      return;
    }
    if (first.hello.queue === hello.queue || first.hello.name !== hello.name) {
      this.#refuse(lane, "another connection has its link");
      return;
    }
    this.#halves.delete(hello.link);
    const [control, bulk] = hello.queue === "control" ? [lane, first.lane] : [first.lane, lane];
    this.#join(hello.name, { control, bulk });
  }

  #join(name: string, lanes: Readonly<Record<Parcel["queue"], SocketLane>>): void {
    for (const lane of [lanes.control, lanes.bulk]) {
      clearTimeout(this.#strangers.get(lane));
      this.#strangers.delete(lane);
      lane.send(internal(WELCOME, introduction(this.#options, this.#limits.checksum)), true);
      lane.writer.summed = this.#limits.checksum;
    }
    this.#options.accept(new LaneConnection(name, lanes, this.#limits));
  }

  /** Tells the peer why, and hangs up when that has left. */
  #refuse(lane: SocketLane, why: string): void {
    lane.listen({
      arrived: () => {},
      failed: () => {},
      left: () => this.#drop(lane, refused(lane.reader.peer, why)),
    });
    lane.send(internal(REFUSED, { why }), true);
  }

  #drop(lane: SocketLane, error: Error): void {
    const deadline = this.#strangers.get(lane);
    if (deadline === undefined) return;
    clearTimeout(deadline);
    this.#strangers.delete(lane);
    for (const [link, half] of this.#halves) if (half.lane === lane) this.#halves.delete(link);
    lane.destroy();
    this.#options.onRefused?.(error);
  }
}
