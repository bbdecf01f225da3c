/** An agent before anybody leads runs, and one whose bus has gone: what it says, and how soon it leaves. */
import { afterEach, expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { accountFile, createRoleKey } from "../../src/world/bus/accounts.ts";
import type { Bus, KeyValue } from "../../src/world/bus/contract.ts";
import { openMembers } from "../../src/world/bus/membership.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { orderCheck, orderSigner } from "../../src/world/bus/signed.ts";
import { Assignment } from "../../src/world/cluster/assignment.ts";
import { Conveyor, Intake } from "../../src/world/cluster/conveyor.ts";
import { COORDINATOR, type Down, type Up } from "../../src/world/cluster/orders.ts";
import { type MemberOptions, serveMember } from "../../src/world/cluster/serving.ts";
import { down, up } from "../../src/world/cluster/subjects.ts";
import { fromBytes, toBytes } from "../../src/world/live/portable.ts";
import type { FromHost } from "../../src/world/live/protocol.ts";
import { natsOptions, startNats } from "./nats-server.ts";
import { turn, VirtualTimers } from "./virtual-timers.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** An agent whose time passes only when a test says so. */
function agent(bus: Bus, more: Partial<MemberOptions> = {}) {
  const timers = new VirtualTimers();
  const controller = new AbortController();
  const said: string[] = [];
  let there = (): void => {};
  const ready = new Promise<void>((resolve) => {
    there = resolve;
  });
  const served = serveMember({
    ...{ bus, timers, id: "oregon/a", site: "oregon", roles: ["worker"], resources: {} },
    ...{ version: "test", coordinatorKey: undefined, address: "" },
    startHost: () => Promise.reject(new Error("no run comes here")),
    signal: controller.signal,
    notify: (text) => {
      said.push(text);
      if (text.includes("is there for runs")) there();
    },
    ...more,
  });
  return { timers, served, said, ready, leave: () => controller.abort() };
}

test("with keys it waits quietly, with one line, until a coordinator has made the bucket of members", async () => {
  const [coordinator, node] = [createRoleKey("coordinator"), createRoleKey("node")];
  const server = await startNats(() => accountFile([coordinator, node]));
  ends.push(() => server.stop());
  const join = async (seed: string, told: string[]): Promise<Bus> => {
    const notify = ({ type }: { readonly type: string }): void => {
      told.push(type);
    };
    const bus = await connectNats(natsOptions(server, { auth: { kind: "nkey", seed }, notify }));
    ends.push(() => bus.close());
    return bus;
  };
  const notices: string[] = [];
  const bus = await join(node.seed, notices);
  const looks: Promise<unknown>[] = [];
  let looked = (): void => {};
  const watched: Bus = Object.assign(Object.create(bus) as Bus, {
    serve: bus.serve.bind(bus),
    kv: (...args: Parameters<Bus["kv"]>): Promise<KeyValue> => {
      const opening = bus.kv(...args);
      looks.push(opening.catch(() => {}));
      looked();
      return opening;
    },
  });
  const { timers, said, ready, served, leave } = agent(watched, {
    coordinatorKey: coordinator.publicKey,
  });
  for (let look = 1; look <= 3; look++) {
    while (looks.length < look)
      await new Promise<void>((resolve) => {
        looked = resolve;
      });
    await looks.at(-1);
    await turn();
    await timers.advance(2 * SECOND);
  }
  expect(said).toEqual([expect.stringMatching(/^waiting: no coordinator has been here yet: /)]);
  expect(notices).toEqual([]);
  await openMembers(await join(coordinator.seed, []));
  await looks.at(-1);
  await turn();
  await timers.advance(2 * SECOND);
  await ready;
  expect(said.at(-1)).toMatch(/is there for runs at oregon/);
  expect(notices).toEqual([]);
  leave();
  await served;
});

/** A bus that falls silent: what is asked from then on is never answered. */
function fallingSilent() {
  let silent = false;
  const never = new Promise<never>(() => {});
  const real = new MemoryBroker(new VirtualTimers()).connect("oregon/a");
  const or = <T>(go: () => Promise<T>): Promise<T> => (silent ? never : go());
  const bus: Bus = Object.assign(Object.create(real) as Bus, {
    serve: real.serve.bind(real),
    kv: (...args: Parameters<Bus["kv"]>) =>
      or(async (): Promise<KeyValue> => {
        const kv = await real.kv(...args);
        return {
          ...kv,
          put: (...words) => or(() => kv.put(...words)),
          update: (...words) => or(() => kv.update(...words)),
          delete: (...words) => or(() => kv.delete(...words)),
        };
      }),
  });
  const fallSilent = (): void => {
    silent = true;
  };
  return { bus, fallSilent };
}

test.each(["while it looks for members", "as a member", "in the middle of a beat"])(
  "it leaves in two seconds where its bus has gone %s",
  async (when) => {
    const { bus, fallSilent } = fallingSilent();
    if (when === "while it looks for members") fallSilent();
    const { timers, served, ready, leave } = agent(bus);
    if (when !== "while it looks for members") await ready;
    fallSilent();
    if (when === "in the middle of a beat") await timers.advance(1.5 * SECOND);
    leave();
    await timers.advance(2 * SECOND);
    const still = turn().then(() => "still there");
    expect(await Promise.race([served.then(() => "gone"), still])).toBe("gone");
  },
);

test("the story of a host that has begun does not say that it has joined: that alone means that it waits to begin", async () => {
  const timers = new VirtualTimers();
  const broker = new MemoryBroker(timers);
  const [bus, leader] = [broker.connect("oregon/a"), broker.connect("leader")];
  const { seed, publicKey } = createRoleKey("coordinator");
  const [run, epoch] = ["run", 1];
  let say = (_: FromHost): void => {};
  const assignment = new Assignment(run, epoch, orderCheck(publicKey, { run, role: COORDINATOR }), {
    ...{ bus, timers, id: "oregon/a", site: "oregon", roles: [], resources: {}, address: "" },
    ...{ version: "test", coordinatorKey: publicKey, notify: () => {} },
    signal: new AbortController().signal,
    startHost: async (_, onMessage) => {
      say = onMessage;
      return { name: "a", post: () => {}, kill: () => {}, ended: new Promise(() => {}) };
    },
  });
  const heard: string[] = [];
  const intake = new Intake((message) => {
    const said = fromBytes(message) as Up;
    heard.push(said.type === "from" ? said.message.type : said.type);
  });
  await leader.serve(up(run, epoch), (batch) => {
    intake.take(batch);
    return new Uint8Array(0);
  });
  await assignment.open("leases");
  const subject = down("oregon/a", run);
  const sign = orderSigner(seed, { run, role: COORDINATOR, epoch });
  const orders = new Conveyor({
    ...{ bus: leader, timers, subject, source: "1.1", onRefused: () => {} },
    seal: (batch) => sign(subject, batch),
  });
  const order = async (what: Down): Promise<readonly string[]> => {
    orders.push(toBytes(what));
    await timers.advance(SECOND);
    return heard.splice(0);
  };
  await order({ type: "start", host: 0, names: ["a"], token: "", task: {} });
  say({ type: "listening" });
  say({ type: "joined" });
  await timers.advance(SECOND);
  heard.length = 0;
  expect(await order({ type: "attach" })).toEqual(["started", "listening", "joined"]);
  say({ type: "begun" });
  await timers.advance(SECOND);
  heard.length = 0;
  expect(await order({ type: "attach" })).toEqual(["started", "listening", "begun"]);
});
