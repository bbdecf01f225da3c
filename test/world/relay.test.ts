/** Who is let in over a relay, what ends it, and who may use its subjects on NATS. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MILLISECOND, type Micros, SECOND } from "../../src/core/units.ts";
import { accountFile, createRoleKey } from "../../src/world/bus/accounts.ts";
import type { Bus } from "../../src/world/bus/contract.ts";
import { encodeFrame } from "../../src/world/bus/frame.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { type RelayOptions, relay } from "../../src/world/cluster/relay.ts";
import type { Connection } from "../../src/world/wire/contract.ts";
import { bytes, codeOf } from "./bus-contract.ts";
import { type NatsServer, natsOptions, startNats } from "./nats-server.ts";
import { turn, VirtualTimers } from "./virtual-timers.ts";
import { collect } from "./wire-contract.ts";
import { parcel } from "./wire-parcel.ts";

const RUN = { run: "r", version: "1.0.0", token: "a secret" };

function home() {
  const timers = new VirtualTimers();
  const broker = new MemoryBroker(timers);
  const join = (bus: Bus, name: string, peer: string, more: Partial<RelayOptions> = {}) =>
    relay(bus, { ...RUN, name, peer, timers, helloMillis: 5000, ...more });
  /** Lets time pass until the promise has settled. */
  async function pass<T>(promise: Promise<T>, micros: Micros = 60 * SECOND): Promise<T> {
    let over = false;
    const settled = promise.finally(() => {
      over = true;
    });
    settled.catch(() => {});
    for (let at = 0; at < micros && !over; at += 100 * MILLISECOND)
      await timers.advance(100 * MILLISECOND);
    expect(over).toBe(true);
    return settled;
  }
  async function joined() {
    const [one, two] = [broker.connect("left"), broker.connect("right")];
    const both = Promise.all([join(one, "left", "right"), join(two, "right", "left")]);
    const [left, right] = await pass(both);
    return { left, right, one, two };
  }
  return { timers, broker, join, pass, joined };
}

describe("introductions over a relay", () => {
  test.each<readonly [what: string, more: Partial<RelayOptions>]>([
    ["version", { version: "0.9.0" }],
    ["token", { token: "a guess" }],
    ["token, empty", { token: "" }],
  ])("of another %s are refused, without telling secrets", async (_, more) => {
    const { broker, join, pass } = home();
    const ends = [
      join(broker.connect("left"), "left", "right"),
      join(broker.connect("right"), "right", "left", more),
    ].map((end) =>
      end.then(
        () => undefined,
        (error: Error) => error,
      ),
    );
    const errors = (await pass(Promise.all(ends))) as Error[];
    expect(errors.map((error) => (error as { code?: string }).code)).toContain("PEER_REFUSED");
    expect(errors).not.toContain(undefined);
    for (const { message } of errors) expect(message).not.toContain(RUN.token);
  });

  test("that nobody answers end in time", async () => {
    const { broker, join, pass } = home();
    const alone = join(broker.connect("left"), "left", "right");
    await expect(pass(alone)).rejects.toMatchObject({ code: "BUS_NO_RESPONDERS" });
  });

  test("of a peer that began anew end the connection to the former one", async () => {
    const { broker, join, pass, joined } = home();
    const { left, two } = await joined();
    await two.close();
    const again = join(broker.connect("right"), "right", "left").catch((error) => error);
    expect(await pass(left.ended)).toMatchObject({
      ...{ code: "PEER_GONE", message: expect.stringContaining("began anew") },
    });
    await pass(again);
  });
});

describe("a relayed connection", () => {
  test("ends when the peer is silent for longer than its signs of life have taught", async () => {
    const { timers, joined, pass } = home();
    const { left, two } = await joined();
    await timers.advance(60 * SECOND);
    const at = timers.now();
    await two.close();
    expect(await pass(left.ended)).toMatchObject({
      ...{ code: "PEER_GONE", message: expect.stringMatching("right is gone: it was silent") },
    });
    const [least, most] = [4 * SECOND, 10 * SECOND];
    expect(timers.now() - at).toBeGreaterThan(least);
    expect(timers.now() - at).toBeLessThan(most);
  });

  test("goes on for as long as there are signs of life, with nothing to say", async () => {
    const { timers, joined } = home();
    const { left, right } = await joined();
    await timers.advance(600 * SECOND);
    const got = collect(right, 1);
    left.send(parcel("control", { n: 1 }));
    await timers.advance(SECOND);
    expect((await got)[0]?.header).toEqual({ n: 1 });
  });

  test("whose goodbyes come in one turn is answered before this end lets go", async () => {
    const { timers, broker, join, pass } = home();
    // What a socket brings at once is handled without a turn between.
    let held: (() => void)[] | undefined;
    const two = broker.connect("right");
    const serve = two.serve.bind(two);
    two.serve = (subject, handler) =>
      serve(subject, (data, asked) => {
        if (!held) return handler(data, asked);
        return new Promise((resolve) => held?.push(() => resolve(handler(data, asked))));
      });
    const one = broker.connect("left");
    const joining = Promise.all([join(one, "left", "right"), join(two, "right", "left")]);
    const [left] = await pass(joining);
    await timers.advance(SECOND);
    held = [];
    const closed = left.close().then(() => timers.now());
    await turn();
    expect(held.length).toBe(2);
    const together = held.splice(0);
    held = undefined;
    for (const handle of together) handle();
    const at = timers.now();
    expect(await pass(closed)).toBe(at);
  });

  test.each([
    ["no chunk", bytes("GET / HTTP/1.1")],
    ["nothing", bytes("")],
    ["a chunk of another version", Uint8Array.of(9, 1, 0, 0, 0, 0, 0, 0)],
    ["a chunk of no queue", Uint8Array.of(1, 7, 0, 0, 0, 0, 0, 0)],
    ["too large a chunk", new Uint8Array(300_000).fill(1, 0, 2)],
    ["frames that are none", Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0, ...Array(64).fill(9))],
  ])("that is sent %s ends, and says what came", async (_, message) => {
    const { broker, pass, joined } = home();
    const heard: string[] = [];
    const tap = broker.connect("tap");
    const { left, right } = await (async () => {
      const listen = broker.request.bind(broker);
      broker.request = (subject, data) => {
        heard.push(subject);
        return listen(subject, data);
      };
      return joined();
    })();
    await pass(Promise.resolve());
    const target = heard.find((subject) => /left\.right\.(?!hello)/.test(subject))!;
    await codeOf(tap.request(target, message, { deadline: SECOND })).catch(() => {});
    expect(await pass(right.ended)).toMatchObject({ code: "FRAME_MALFORMED" });
    expect(await pass(left.ended)).toMatchObject({ code: "PEER_GONE" });
  });
});

describe("on NATS", () => {
  const keys = { one: createRoleKey("node"), two: createRoleKey("node") };
  const observer = createRoleKey("observer");
  let server: NatsServer;
  const opened: Bus[] = [];
  const connections: Connection[] = [];
  const open = async ({ seed }: { readonly seed: string }): Promise<Bus> => {
    const bus = await connectNats(natsOptions(server, { auth: { kind: "nkey", seed } }));
    opened.push(bus);
    return bus;
  };
  beforeAll(async () => {
    server = await startNats(() => accountFile([...Object.values(keys), observer]));
  });
  afterAll(async () => {
    await Promise.all(connections.map((connection) => connection.close()));
    for (const bus of opened) await bus.close();
    await server?.stop();
  });

  test("nodes relay, and observers neither hear nor speak", async () => {
    const [one, two] = [await open(keys.one), await open(keys.two)];
    const options = { ...RUN, helloMillis: 20_000 };
    const [left, right] = await Promise.all([
      relay(one, { ...options, name: "left", peer: "right" }),
      relay(two, { ...options, name: "right", peer: "left" }),
    ]);
    connections.push(left, right);
    const got = collect(right, 1);
    const part = new Uint8Array(1_000_000).fill(3);
    left.send(parcel("bulk", { n: 1 }, [part]));
    expect(Buffer.compare((await got)[0]?.payload[0] as Uint8Array, part)).toBe(0);
    const looker = await open(observer);
    const hello = "pangaea.peer.r.left.right.hello";
    const deadline = 2 * SECOND;
    const attempts = [
      looker.request(hello, encodeFrame({}), { deadline }),
      looker.subscribe("pangaea.peer", () => {}, { below: true }),
      looker.serve(hello, () => bytes("")),
    ];
    for (const attempt of attempts) expect(await codeOf(attempt)).toBe("BUS_FORBIDDEN");
    const forged = one.request(hello, encodeFrame({ name: "left" }), { deadline });
    expect(await codeOf(forged)).toBe("PEER_REFUSED");
  });
});
