/** Keys, roles and certificates on a real NATS server: what is refused, with which error, and what never leaks. */
import { connect, nkeyAuthenticator } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { accountFile, createRoleKey, type RoleKey } from "../../src/world/bus/accounts.ts";
import { bucketsOfRun, openRegistry, REGISTRY } from "../../src/world/bus/buckets.ts";
import type { Bus } from "../../src/world/bus/contract.ts";
import type { BusError } from "../../src/world/bus/errors.ts";
import { join, openMembers } from "../../src/world/bus/membership.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import type { BusNotice, NatsAuth } from "../../src/world/bus/nats-options.ts";
import { orderCheck, orderSigner } from "../../src/world/bus/signed.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import { bytes, codeOf, refused, text, until } from "./bus-contract.ts";
import { type NatsServer, natsOptions, passing, startNats } from "./nats-server.ts";

const deadline = 2 * SECOND;
const real = { pass: passing };
const keys = {
  coordinator: createRoleKey("coordinator"),
  node: createRoleKey("node"),
  other: createRoleKey("node"),
  observer: createRoleKey("observer"),
};
const auth = ({ seed }: RoleKey): NatsAuth => ({ kind: "nkey", seed });

let server: NatsServer;
let coordinator: Bus;
let node: Bus;
let observer: Bus;
const opened: Bus[] = [];

async function open(key: RoleKey, notify?: (notice: BusNotice) => void): Promise<Bus> {
  const bus = await connectNats(natsOptions(server, { auth: auth(key), notify }));
  opened.push(bus);
  return bus;
}

beforeAll(async () => {
  server = await startNats(() => accountFile(Object.values(keys)));
  coordinator = await open(keys.coordinator);
  node = await open(keys.node);
  observer = await open(keys.observer);
});
afterAll(async () => {
  for (const bus of opened) await bus.close();
  await server?.stop();
});

/** Everything that an error shows, its causes and stacks included. */
function shown(error: unknown): string {
  const parts: string[] = [];
  for (let e = error; e instanceof Error; e = e.cause) {
    parts.push(e.message, e.stack ?? "", JSON.stringify(e));
  }
  return parts.join("\n");
}

describe("who may connect", () => {
  const stranger = createRoleKey("coordinator");

  test.each<[what: string, auth: NatsAuth | undefined]>([
    ["no key", undefined],
    ["a key that nobody registered", auth(stranger)],
  ])("%s is refused at once, and the secret is not said", async (_, given) => {
    const error = await refused(connectNats(natsOptions(server, { auth: given })));
    expect([error.code, error.retryable]).toEqual(["BUS_UNAUTHENTICATED", false]);
    expect(shown(error)).not.toContain(stranger.seed);
  });

  test.each<[what: string, auth: NatsAuth]>([
    ["a seed with a typing error", { kind: "nkey", seed: `${stranger.seed.slice(0, -1)}0` }],
    ["a public key in place of the seed", { kind: "nkey", seed: stranger.publicKey }],
    ["no text at all", { kind: "nkey", seed: "" }],
    ["a credentials file that is none", { kind: "credentials", content: stranger.seed }],
  ])("%s is refused before anything is sent", async (_, given) => {
    const attempt = connectNats(natsOptions(server, { auth: given }));
    expect(await codeOf(attempt)).toBe("BUS_CREDENTIALS");
    const error = await attempt.catch((reason: unknown) => reason);
    expect(shown(error)).not.toContain(stranger.seed.slice(0, 20));
  });
});

describe("what a role may do", () => {
  test("the coordinator orders, nodes answer and join, observers look on", async () => {
    const members = await openMembers(coordinator);
    await node.serve("pangaea.down.start", (data) => bytes(`started ${text(data)}`));
    const asked = coordinator.request("pangaea.down.start", bytes("run"), { deadline });
    expect(text(await asked)).toBe("started run");
    const member = { id: "virginia/worker-0", site: "virginia", role: "worker", address: "" };
    const timers = realTimers();
    const joined = await join(
      await openMembers(node),
      { ...member, resources: {}, version: "0" },
      { timers, everyMicros: SECOND },
    );
    expect(await members.keys()).toEqual(["virginia/worker-0"]);
    expect(await (await openMembers(observer)).keys()).toEqual(["virginia/worker-0"]);
    await joined.leave();
  });

  test("nodes tell of their models in the bucket that the coordinator made, each run below its name", async () => {
    const all = await openRegistry(coordinator);
    const [one, two] = [bucketsOfRun(node, "run-1"), bucketsOfRun(node, "run-2")];
    const [mine, other] = [await one.kv(REGISTRY), await two.kv(REGISTRY)];
    await mine.put("class-1.site-0/peer-0", bytes("one"));
    await other.put("class-1.site-0/peer-0", bytes("two"));
    expect(text((await mine.get("class-1.site-0/peer-0"))?.value)).toBe("one");
    expect(await mine.keys({ below: "class-1" })).toEqual(["class-1.site-0/peer-0"]);
    const heard: string[] = [];
    (await other.watch({ below: "class-1" }, ({ key }) => heard.push(key))).close();
    expect(heard).toEqual(["class-1.site-0/peer-0"]);
    expect(await all.keys()).toEqual([
      "run-1.class-1.site-0/peer-0",
      "run-2.class-1.site-0/peer-0",
    ]);
    const watching = await bucketsOfRun(observer, "run-1").kv(REGISTRY);
    expect((await refused(watching.put("class-1.x", bytes("")))).code).toBe("BUS_FORBIDDEN");
  });

  test("a wrong role is refused, and nothing changes", async () => {
    const plans = await coordinator.kv("plans");
    await plans.put("plan", bytes("right"));
    const [byNode, byObserver] = [await node.kv("plans"), await observer.kv("plans")];
    expect(text((await byNode.get("plan"))?.value)).toBe("right");
    const attempts = {
      write: () => byNode.put("plan", bytes("wrong")),
      delete: () => byNode.delete("plan"),
      observe: () => byObserver.put("plan", bytes("wrong")),
      member: async () => (await openMembers(observer)).put("x/y", bytes("{}")),
      bucket: () => node.kv("made-by-a-node"),
      order: () => node.request("pangaea.down.start", bytes(""), { deadline }),
      hear: () => node.subscribe("pangaea.up.secrets", () => {}),
      all: () => node.subscribe("pangaea", () => {}, { below: true }),
      serve: () => observer.serve("pangaea.down.start", () => bytes("")),
      inbox: () =>
        node.subscribe(`_INBOX_${keys.coordinator.publicKey}`, () => {}, { below: true }),
      other: () => node.subscribe(`_INBOX_${keys.other.publicKey}`, () => {}, { below: true }),
    };
    for (const [name, attempt] of Object.entries(attempts)) {
      const error = await refused(attempt());
      expect([name, error.code, error.retryable]).toEqual([name, "BUS_FORBIDDEN", false]);
      for (const { seed } of Object.values(keys)) expect(shown(error)).not.toContain(seed);
    }
    expect(text((await plans.get("plan"))?.value)).toBe("right");
    expect(await (await openMembers(coordinator)).keys()).toEqual([]);
  });

  test("what was only published is refused, too, and the client is told", async () => {
    const notices: BusNotice[] = [];
    const bus = await open(keys.other, (notice) => notices.push(notice));
    const heard: string[] = [];
    await coordinator.subscribe("pangaea.down.stop", (data) => heard.push(text(data) ?? ""));
    bus.publish("pangaea.down.stop", bytes("forged"));
    await until(real, () => notices.length > 0);
    expect(notices[0]).toEqual({
      ...{ type: "refused", operation: "publish", subject: "pangaea.down.stop" },
    });
    coordinator.publish("pangaea.down.stop", bytes("true"));
    await until(real, () => heard.includes("true"));
    expect(heard).toEqual(["true"]);
  });
});

test("a stored value that JetStream is told to deliver as an order is not obeyed", async () => {
  await openMembers(coordinator);
  await (await openMembers(node)).put("x/forger", bytes("forged"));
  const check = orderCheck(keys.coordinator.publicKey, { run: "r", role: "coordinator" });
  const outcomes: string[] = [];
  const hears = await open(keys.other);
  await hears.subscribe("pangaea.down.obey", (data, subject) => {
    try {
      outcomes.push(`obeyed ${text(check(subject, data))}`);
    } catch (error) {
      outcomes.push((error as BusError).code);
    }
  });
  // NATS itself lets this pass: it checks no deliver_subject against the permissions of who names it.
  const { publicKey, seed } = keys.node;
  const raw = await connect({
    servers: `127.0.0.1:${server.port}`,
    authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)),
    inboxPrefix: `_INBOX_${publicKey}`,
  });
  const config = { deliver_subject: "pangaea.down.obey", ack_policy: "none" };
  const create = JSON.stringify({ stream_name: "KV_members", config });
  await raw.request("$JS.API.CONSUMER.CREATE.KV_members", create);
  await until(real, () => outcomes.length > 0);
  const sign = orderSigner(keys.coordinator.seed, { run: "r", role: "coordinator", epoch: 1 });
  coordinator.publish("pangaea.down.obey", sign("pangaea.down.obey", bytes("true")));
  await until(real, () => outcomes.includes("obeyed true"));
  expect([...new Set(outcomes)]).toEqual(["BUS_UNSIGNED", "obeyed true"]);
  await raw.close();
});

test("the account file holds public keys only", () => {
  const file = accountFile(Object.values(keys));
  for (const { seed, publicKey } of Object.values(keys)) {
    expect(file).toContain(publicKey);
    expect(file).not.toContain(seed);
  }
});
