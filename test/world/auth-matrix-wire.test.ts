/**
 * The authentication matrix of the data plane: sockets, TCP and TLS between hosts, channels between threads, a host's
 * door and its desk, and what one host's nodes may say to another's. Certificates are made anew in each run.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectSecurely } from "node:tls";
import { MessageChannel } from "node:worker_threads";
import { afterAll, beforeAll } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import type { Address, Connection, Listener } from "../../src/world/wire/contract.ts";
import { dial } from "../../src/world/wire/dial.ts";
import { listen } from "../../src/world/wire/listen.ts";
import type { Credentials, WireOptions } from "../../src/world/wire/options.ts";
import { connectPort } from "../../src/world/wire/port-connection.ts";
import { type Route, type Trial, testMatrix } from "./auth-matrix.ts";
import { createAuthority } from "./certificates.ts";
import { parcel } from "./wire-parcel.ts";

const TOKEN = "the-token-of-the-run-and-no-other";
const GUESS = "a-token-of-another-run-altogether";
const OURS = { run: "r1", version: "1", token: TOKEN };
const LEFT: WireOptions = { ...OURS, name: "left", helloMillis: 5000 };
const TCP: Address = { host: "127.0.0.1", port: 0 };
const HOME: Address = { host: "localhost", port: 0 };

const authority = createAuthority();
const credentials = authority.issue("localhost");
const strangers = { ...createAuthority().issue("localhost"), ca: credentials.ca };
const old = authority.issue("localhost", [2000, 2001]);
const early = authority.issue("localhost", [2900, 2999]);

const folder = mkdtempSync(join(tmpdir(), "auth-wire-"));
const said: string[] = [];
const closing: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closing.reverse()) await close();
  rmSync(folder, { recursive: true });
});

/** A listener, and an honest connection to it whose parcels tell that it goes on. */
class Place {
  listener!: Listener;
  accepted = 0;
  readonly #address: Address;
  readonly #more: Partial<WireOptions>;
  #honest!: Connection;
  #sent = 0;
  #heard: () => void = () => {};
  #came = 0;
  #refused: (error: Error) => void = () => {};

  constructor(address: Address, more: Partial<WireOptions> = {}) {
    this.#address = address;
    this.#more = more;
  }

  async open(): Promise<void> {
    this.listener = await listen(this.#address, {
      ...{ ...OURS, ...this.#more, name: "right" },
      accept: (connection) => {
        this.accepted++;
        connection.receive(() => {
          this.#came++;
          this.#heard();
        });
      },
      onRefused: (error) => {
        said.push(error.message);
        this.#refused(error);
      },
    });
    closing.push(() => this.listener.close());
    this.#honest = await this.dial();
    closing.push(() => this.#honest.close());
  }

  dial(more: Partial<WireOptions> = {}): Promise<Connection> {
    return dial(this.listener.address, { ...LEFT, ...this.#more, ...more });
  }

  async state(): Promise<unknown> {
    const heard = new Promise<void>((resolve) => {
      this.#heard = resolve;
    });
    this.#honest.send(parcel("control", {}));
    this.#sent++;
    await heard;
    return [this.accepted, this.#came - this.#sent];
  }

  /** The listener's word on a stranger's bytes. */
  async hear(bytes: Uint8Array): Promise<never> {
    const refused = new Promise<Error>((resolve) => {
      this.#refused = resolve;
    });
    const socket = connect({ ...this.listener.address } as { port: number });
    socket.on("error", () => {});
    socket.write(bytes);
    const error = await refused;
    socket.destroy();
    throw error;
  }

  /** What an honest host says first on each of its sockets, as whoever reads the wire sees it. */
  async recorded(): Promise<readonly Buffer[]> {
    const heard: Buffer[][] = [];
    const sockets: Socket[] = [];
    const tap = createServer((left) => {
      const right = connect({ ...this.listener.address } as { port: number });
      const bytes: Buffer[] = [];
      heard.push(bytes);
      sockets.push(left, right);
      for (const socket of [left, right]) socket.on("error", () => {});
      left.on("data", (data) => bytes.push(data as Buffer));
      left.pipe(right).pipe(left);
    });
    tap.listen({
      ...this.#address,
      ...("port" in this.#address ? { port: 0 } : { path: join(folder, "tap") }),
    });
    await once(tap, "listening");
    const bound = tap.address();
    const port =
      bound !== null && typeof bound === "object"
        ? { port: bound.port }
        : { path: join(folder, "tap") };
    const through = await dial({ ...this.#address, ...port } as Address, {
      ...LEFT,
      ...this.#more,
    });
    await through.close();
    for (const socket of sockets) socket.destroy();
    tap.close();
    this.accepted--;
    return heard.map((parts) => Buffer.concat(parts));
  }
}

const dials = (place: Place, code: string, by: string, more: Partial<WireOptions>): Trial => ({
  ...{ by, code },
  attempt: () => place.dial(more),
});
const closedPlace = (place: () => Place, code: string): Trial => ({
  ...{ by: "after the run", code },
  attempt: async () => {
    const later = place();
    await later.open();
    await later.listener.close();
    await later.dial();
  },
});

const flip = (bytes: Buffer, at: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed[at]! ^= 1;
  return changed;
};
const tampered = (place: Place): readonly Trial[] => [
  {
    ...{ by: "a letter of the token", code: "FRAME_MALFORMED" },
    attempt: async () => {
      const [hello] = await place.recorded();
      await place.hear(flip(hello!, hello!.indexOf(TOKEN) + 3));
    },
  },
  {
    ...{ by: "the frame's head", code: "FRAME_MALFORMED" },
    attempt: async () => {
      const [hello] = await place.recorded();
      await place.hear(flip(hello!, 4));
    },
  },
  {
    ...{ by: "noise", code: "FRAME_MALFORMED" },
    attempt: () =>
      place.hear(Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: nothing\r\n\r\n")),
  },
];

const NO_LIST =
  "tokens and certificates are taken back all at once: a token ends with its run, certificates with their authority";
function plain(name: string, place: Place, anew: () => Place): Route {
  return {
    name,
    state: () => place.state(),
    cells: {
      "no key": dials(place, "PEER_REFUSED", "no token", { token: "" }),
      "wrong key": dials(place, "PEER_REFUSED", "another token", { token: GUESS }),
      expired: closedPlace(anew, "DIAL_FAILED"),
      revoked: NO_LIST,
      replayed:
        "whoever can read these bytes is this machine's own user; a host takes one connection of each other host (row: a host's door)",
      "other run": [
        dials(place, "PEER_REFUSED", "another run", { run: "r2" }),
        dials(place, "PEER_REFUSED", "another version", { version: "2" }),
      ],
      "wrong role":
        "who a peer says it is, is checked by the host (rows: a host's door, messages between hosts)",
      tampered: tampered(place),
    },
  };
}

/** Rejects with REFUSED when the listener hangs up without a word. */
async function speakTls(place: Place, own: Partial<Credentials>): Promise<void> {
  const { ca } = credentials;
  const { port } = place.listener.address as { readonly port: number };
  const socket = connectSecurely({ host: "localhost", port, ca, ...own, minVersion: "TLSv1.3" });
  socket.on("error", () => {});
  socket.on("secureConnect", () => socket.write("x"));
  await once(socket, "close").catch(() => {});
  throw new PangaeaError("REFUSED", "the listener hung up");
}

const secure = new Place(HOME, { credentials });
const tls: Route = {
  name: "the data plane over TLS",
  state: () => secure.state(),
  cells: {
    "no key": [
      { by: "no certificate", code: "REFUSED", attempt: () => speakTls(secure, {}) },
      {
        ...{ by: "plain text", code: "REFUSED" },
        attempt: async () => {
          await secure.dial({ credentials: undefined }).catch(() => {
            throw new PangaeaError("REFUSED", "no TLS");
          });
        },
      },
      dials(secure, "PEER_REFUSED", "no token", { token: "" }),
    ],
    "wrong key": [
      dials(secure, "PEER_REFUSED", "a certificate of another authority", {
        credentials: strangers,
      }),
      dials(secure, "PEER_REFUSED", "another token", { token: GUESS }),
    ],
    expired: [
      dials(secure, "PEER_REFUSED", "a certificate that has expired", { credentials: old }),
      dials(secure, "PEER_REFUSED", "a certificate that is not valid yet", { credentials: early }),
    ],
    revoked: NO_LIST,
    replayed: {
      ...{ by: "all that an honest host has said", code: "PEER_REFUSED" },
      attempt: async () => {
        const [spoken] = await secure.recorded();
        await secure.hear(spoken!);
      },
    },
    "other run": [
      dials(secure, "PEER_REFUSED", "another run", { run: "r2" }),
      dials(secure, "PEER_REFUSED", "another version", { version: "2" }),
    ],
    "wrong role": {
      ...{ by: "a listener that is not whom the certificate names", code: "PEER_REFUSED" },
      attempt: () => secure.dial({ credentials: { ...credentials, serverName: "elsewhere" } }),
    },
    tampered: {
      ...{ by: "a bit of what was said", code: "PEER_REFUSED" },
      attempt: async () => {
        const [spoken] = await secure.recorded();
        await secure.hear(flip(spoken!, spoken!.length >> 1));
      },
    },
  },
};

/* Threads. */

const CHANNEL =
  "the supervisor makes a channel for two threads of its own process; no name leads to it";
const channel = (code: string, by: string, more: Partial<WireOptions>): Trial => ({
  ...{ by, code },
  attempt: async () => {
    const { port1, port2 } = new MessageChannel();
    const other = connectPort(port1, { ...LEFT, ...more }).catch(() => {});
    const one = connectPort(port2, { ...OURS, name: "right" });
    try {
      await one;
    } finally {
      await other;
    }
  },
});
const threads: Route = {
  name: "channels between threads",
  state: async () => "none is joined",
  cells: {
    "no key": channel("PEER_REFUSED", "no token", { token: "" }),
    "wrong key": channel("PEER_REFUSED", "another token", { token: GUESS }),
    ...{ expired: CHANNEL, revoked: CHANNEL, replayed: CHANNEL, "wrong role": CHANNEL },
    "other run": channel("PEER_REFUSED", "another run", { run: "r2" }),
    tampered: channel("PEER_REFUSED", "no name", { name: undefined as never }),
  },
};
const unix = new Place({ path: join(folder, "right") });
const tcp = new Place(TCP);
beforeAll(async () => {
  for (const place of [unix, tcp, secure]) await place.open();
});

testMatrix(
  "the data plane",
  [
    plain(
      "the data plane over a unix socket",
      unix,
      () => new Place({ path: join(folder, "later") }),
    ),
    plain("the data plane over TCP on loopback", tcp, () => new Place(TCP)),
    tls,
    threads,
  ],
  {
    secrets: () => [
      ...[TOKEN, GUESS],
      ...[credentials, strangers, old, early].map(({ key }) => key.split("\n")[1]!),
    ],
    said: () => said,
  },
);
