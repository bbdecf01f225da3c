/** Who is let in, who is turned away, and what ends a connection over sockets. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LaneConnection } from "../../src/world/wire/connection.ts";
import type { Address, Connection, Listener } from "../../src/world/wire/contract.ts";
import { dial } from "../../src/world/wire/dial.ts";
import type { Carrier, Lane } from "../../src/world/wire/lane.ts";
import { listen } from "../../src/world/wire/listen.ts";
import {
  isLocal,
  type ListenOptions,
  limitsOf,
  type WireOptions,
} from "../../src/world/wire/options.ts";
import { connectPort } from "../../src/world/wire/port-connection.ts";
import { READ_TURN_BYTES } from "../../src/world/wire/stream.ts";
import { createAuthority } from "./certificates.ts";
import { collect } from "./wire-contract.ts";
import { parcel } from "./wire-parcel.ts";

const OURS = { run: "a run", version: "1.0.0", token: "a secret" };
const LEFT: WireOptions = { ...OURS, name: "left" };
const LOOPBACK: Address = { host: "127.0.0.1", port: 0 };

let folder = "";
let open: { close(): unknown }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wire-"));
});
afterEach(async () => {
  for (const each of open) await each.close();
  open = [];
  rmSync(folder, { recursive: true });
});

const path = (): Address => ({ path: join(folder, "socket") });

/** A listener with what it let in and whom it turned away. */
async function serve(address: Address, more: Partial<ListenOptions> = {}) {
  const refusals: Error[] = [];
  const accepted: Connection[] = [];
  const listener: Listener = await listen(address, {
    ...OURS,
    ...{ name: "right", accept: (connection) => accepted.push(connection) },
    ...{ onRefused: (error) => refusals.push(error) },
    ...more,
  });
  open.push(listener);
  return { listener, accepted, refusals };
}

async function joined(more: Partial<WireOptions> = {}) {
  const { listener, accepted } = await serve(path(), more);
  const left = await dial(listener.address, { ...LEFT, ...more });
  open.push(left);
  return { left, right: accepted[0]!, listener };
}

const code = (wanted: string, ...words: readonly string[]) =>
  expect.objectContaining({
    code: wanted,
    message: expect.stringMatching(new RegExp(words.join(".*"))),
  });

describe("introductions", () => {
  test.each<readonly [what: string, more: Partial<WireOptions>, why: string]>([
    ["run", { run: "another run" }, "run another run"],
    ["version", { version: "0.9.0" }, "version 0.9.0"],
    ["token", { token: "a guess" }, "token"],
    ["token, empty", { token: "" }, "token"],
  ])("of another %s are refused at both ends, without telling secrets", async (_, more, why) => {
    const { listener, accepted, refusals } = await serve(path());
    await expect(dial(listener.address, { ...LEFT, ...more })).rejects.toEqual(
      code("PEER_REFUSED", why),
    );
    expect(accepted).toEqual([]);
    // The other socket may be gone before it has said anything.
    expect(refusals).toContainEqual(code("PEER_REFUSED", why));
    for (const { message } of refusals) expect(message).not.toContain(OURS.token);
    const left = await dial(listener.address, LEFT);
    expect(left.peer).toBe("right");
    await left.close();
  });

  test("that are none are refused: noise, silence, and half of a connection", async () => {
    const gone: Promise<unknown>[] = [];
    const refused: Error[] = [];
    let all: () => void = () => {};
    const three = new Promise<void>((resolve) => (all = resolve));
    const { listener, accepted } = await serve(path(), {
      helloMillis: 50,
      onRefused: (error) => {
        if (refused.push(error) === 2) all();
      },
    });
    const stranger = (says: string): void => {
      const socket = connect({ ...listener.address });
      if (says) socket.write(says);
      socket.on("error", () => {});
      gone.push(once(socket, "close"));
    };
    stranger("GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a browser\r\n\r\n");
    stranger("");
    await three;
    await Promise.all(gone);
    const codes = refused.map((error) => (error as { code?: string }).code);
    expect(codes.sort()).toEqual(["FRAME_MALFORMED", "TIMEOUT"]);
    expect(accepted).toEqual([]);
  });

  test("are bounded in time at the dialling end, too", async () => {
    const sockets: Socket[] = [];
    const mute: Server = createServer((socket) => sockets.push(socket));
    mute.listen(path());
    await once(mute, "listening");
    await expect(dial(path(), { ...LEFT, helloMillis: 50 })).rejects.toEqual(code("TIMEOUT"));
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  test("with a listener that is no host, or none, fail with its address", async () => {
    await expect(dial(path(), LEFT)).rejects.toEqual(code("DIAL_FAILED", "socket"));
    const web = createServer((socket) =>
      socket.end("HTTP/1.1 400 Bad Request\r\nServer: web\r\n\r\n"),
    );
    web.listen(path());
    await once(web, "listening");
    await expect(dial(path(), LEFT)).rejects.toEqual(code("FRAME_MALFORMED", "socket"));
    web.close();
  });

  test("need an address that can be listened at", async () => {
    await serve(path());
    await expect(serve(path())).rejects.toEqual(code("LISTEN_FAILED", "socket"));
  });

  test("of threads are checked as well", async () => {
    const { port1, port2 } = new MessageChannel();
    const ends = [connectPort(port1, LEFT), connectPort(port2, { ...LEFT, run: "another run" })];
    for (const end of await Promise.allSettled(ends))
      expect(end).toMatchObject({ reason: { code: expect.stringMatching("PEER_") } });
    const alone = new MessageChannel();
    await expect(connectPort(alone.port1, { ...LEFT, helloMillis: 10 })).rejects.toEqual(
      code("TIMEOUT"),
    );
  });
});

describe("plain text", () => {
  const beyond = ["0.0.0.0", "::", "192.168.1.2", "example.org", "127.0.0.1.example.org", "::2"];
  test.each(beyond)("never leaves the machine: %s", async (host) => {
    const options = { ...LEFT, accept: () => {} };
    await expect(listen({ host, port: 0 }, options)).rejects.toEqual(code("INSECURE_ADDRESS"));
    await expect(dial({ host, port: 1 }, LEFT)).rejects.toEqual(code("INSECURE_ADDRESS"));
  });

  test.each(["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"])(
    "may be spoken at %s",
    (host) => {
      expect(isLocal({ host, port: 1 })).toBe(true);
    },
  );
});

describe("TLS", () => {
  const authority = createAuthority();
  const credentials = authority.issue("localhost");
  const others = createAuthority().issue("localhost");
  const home: Address = { host: "localhost", port: 0 };

  test.each([
    ["of another authority", others],
    ["that has expired", authority.issue("localhost", [2000, 2001])],
    ["that is not valid yet", authority.issue("localhost", [2900, 2999])],
  ])("a peer with a certificate %s is refused", async (_, theirs) => {
    const { listener, accepted, refusals } = await serve(home, { credentials });
    const dialled = dial(listener.address, {
      ...LEFT,
      credentials: { ...theirs, ca: credentials.ca },
    });
    await expect(dialled).rejects.toEqual(code("PEER_REFUSED"));
    expect(accepted).toEqual([]);
    expect(refusals.every((error) => (error as { code?: string }).code === "PEER_REFUSED")).toBe(
      true,
    );
  });

  test("a listener of another authority or another name is refused", async () => {
    const { listener } = await serve(home, { credentials: { ...others, ca: credentials.ca } });
    await expect(dial(listener.address, { ...LEFT, credentials })).rejects.toEqual(
      code("PEER_REFUSED"),
    );
    const elsewhere = await serve(home, { credentials: authority.issue("elsewhere") });
    await expect(dial(elsewhere.listener.address, { ...LEFT, credentials })).rejects.toEqual(
      code("PEER_REFUSED"),
    );
    const named = { ...credentials, serverName: "elsewhere" };
    const left = await dial(elsewhere.listener.address, { ...LEFT, credentials: named });
    await left.close();
  });

  test("plain text is not let in", async () => {
    const { listener, accepted } = await serve(home, { credentials, helloMillis: 1000 });
    await expect(dial(listener.address, LEFT)).rejects.toBeInstanceOf(Error);
    expect(accepted).toEqual([]);
  });
});

describe("connections over sockets", () => {
  test("outlive their listener", async () => {
    const { left, right, listener } = await joined();
    await listener.close();
    const got = collect(right, 1);
    left.send(parcel("bulk", {}));
    expect(await got).toHaveLength(1);
  });

  test("leave the thread its other work, however much of bulk lies ready to be read", async () => {
    const { listener, accepted } = await serve(LOOPBACK);
    const left = await dial(listener.address, LEFT);
    open.push(left);
    const [bytes, count] = [64_000, 500];
    let [inTurn, most, came] = [0, 0, 0];
    let turn: NodeJS.Immediate;
    const nextTurn = (): void => {
      most = Math.max(most, inTurn);
      inTurn = 0;
      turn = setImmediate(nextTurn);
    };
    nextTurn();
    await new Promise<void>((resolve) => {
      accepted[0]!.receive(() => {
        inTurn += bytes;
        if (++came === count) resolve();
      });
      for (let n = 0; n < count; n++) left.send(parcel("bulk", {}, [new Uint8Array(bytes)]));
    });
    clearImmediate(turn!);
    expect(most).toBeLessThanOrEqual(READ_TURN_BYTES + 256 * 1024);
  });

  test("end when the peer has long been silent", async () => {
    // The right end says something every 100 s only, so the left one misses it.
    const { listener } = await serve(path(), { silenceMillis: 300_000 });
    const left = await dial(listener.address, { ...LEFT, silenceMillis: 60 });
    expect(await left.ended).toEqual(code("PEER_GONE", "right", "silent"));
  });

  test("go on while the other says that it lives, however long this thread was busy", async () => {
    vi.useFakeTimers();
    try {
      const nothing = () => {};
      const idle = { alive: nothing, finish: nothing, credit: nothing, allow: nothing };
      const rest = { ...idle, pause: nothing, resume: nothing, destroy: nothing };
      const lane = (...carriers: Carrier[]): Lane => ({
        ...{ queued: 0, offered: 0, delivered: 0, busy: false, carriers },
        ...{ send: nothing, tell: nothing, listen: nothing, ...rest },
      });
      const control = { name: "a socket", heard: 0 };
      const lanes = { control: lane(control), bulk: lane() };
      const limits = limitsOf({ ...LEFT, silenceMillis: 300 }, true);
      const connection = new LaneConnection("right", lanes, limits);
      let over = false;
      const ended = connection.ended.then((error) => {
        over = true;
        return error;
      });
      for (let n = 0; n < 10; n++) {
        await vi.advanceTimersByTimeAsync(250);
        control.heard++;
      }
      expect(over).toBe(false);
      await vi.advanceTimersByTimeAsync(400);
      expect(await ended).toEqual(code("PEER_GONE", "right", "300 ms"));
    } finally {
      vi.useRealTimers();
    }
  });

  /** A wire between the two that can be cut or told to lie. */
  async function tapped(more: Partial<WireOptions> = {}) {
    const { listener, accepted } = await serve(LOOPBACK, more);
    const wires: { left: Socket; right: Socket }[] = [];
    const tap = createServer((left) => {
      const right = connect({ ...(listener.address as { host: string; port: number }) });
      for (const socket of [left, right]) socket.on("error", () => {});
      left.pipe(right).pipe(left);
      wires.push({ left, right });
    });
    tap.listen(path());
    await once(tap, "listening");
    open.push(tap);
    const left = await dial(path(), { ...LEFT, ...more });
    return { left, right: accepted[0]!, wires };
  }

  test.each([0, 1])("end at both hosts when socket %i of the two breaks", async (which) => {
    const { left, right, wires } = await tapped();
    wires[which]!.left.destroy();
    wires[which]!.right.destroy();
    expect(await left.ended).toEqual(code("PEER_GONE", "right"));
    expect(await right.ended).toEqual(code("PEER_GONE", "left"));
    for (const wire of wires) wire.left.destroy();
  });

  test("end with what was wrong when bytes were changed on the way", async () => {
    const { left, right, wires } = await tapped();
    wires[0]!.right.write(Buffer.alloc(64, 1));
    expect(await right.ended).toEqual(code("FRAME_MALFORMED", "left"));
    expect(await left.ended).toEqual(code("PEER_GONE", "right"));
    for (const wire of wires) wire.left.destroy();
  });

  test("close in bounded time when the other end does not answer", async () => {
    const { left, wires } = await tapped({ closeMillis: 50 });
    for (const wire of wires) wire.left.unpipe(wire.right);
    await left.close();
    expect(await left.ended).toEqual(code("PEER_GONE", "right", "50 ms"));
    for (const wire of wires) {
      wire.left.destroy();
      wire.right.destroy();
    }
  });
});
