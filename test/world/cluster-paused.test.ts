/**
 * A coordinator that was paused while another took its run, or an agent that cannot be asked just then: what hosts say
 * reaches the present holder, and it alone.
 */
import { expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { createRoleKey } from "../../src/world/bus/accounts.ts";
import type { Bus } from "../../src/world/bus/contract.ts";
import { noResponders } from "../../src/world/bus/errors.ts";
import { openMembers } from "../../src/world/bus/membership.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { ClusterFleet } from "../../src/world/cluster/fleet.ts";
import { Roster } from "../../src/world/cluster/roster.ts";
import { serveMember } from "../../src/world/cluster/serving.ts";
import { LEASES } from "../../src/world/cluster/subjects.ts";
import type { FromHost } from "../../src/world/live/protocol.ts";
import { VirtualTimers } from "./virtual-timers.ts";

const { seed, publicKey } = createRoleKey("coordinator");
const version = "1";

/** A bus whose owner can be paused: what it is asked meanwhile, it finds when it goes on. */
function pausable(bus: Bus, onAsked: (data: Uint8Array) => void = () => {}) {
  let waiting: (() => void)[] | undefined;
  const serve: Bus["serve"] = (subject, handler) =>
    bus.serve(subject, async (data, asked) => {
      onAsked(data);
      if (waiting) await new Promise<void>((resolve) => waiting?.push(resolve));
      return handler(data, asked);
    });
  const owned: Bus = {
    ...{ id: bus.id, serve, close: (deadline) => bus.close(deadline) },
    publish: (subject, data) => bus.publish(subject, data),
    subscribe: (...args) => bus.subscribe(...args),
    request: (...args) => bus.request(...args),
    kv: (...args) => bus.kv(...args),
  };
  const pause = (): void => {
    waiting = [];
  };
  const resume = (): void => {
    const those = waiting ?? [];
    waiting = undefined;
    for (const go of those) go();
  };
  return { bus: owned, pause, resume };
}

/** An agent with one host, which says what a test has it say. */
async function start() {
  const timers = new VirtualTimers();
  const broker = new MemoryBroker(timers);
  const own = broker.connect("first");
  await openMembers(own);
  await own.kv(LEASES);
  let say: (message: FromHost) => void = () => {};
  /** So many questions find nobody. */
  let unheard = 0;
  const agents = pausable(broker.connect("agent"), () => {
    if (unheard-- > 0) throw noResponders("nobody is there");
    unheard = 0;
  });
  const serving = serveMember({
    ...{ bus: agents.bus, timers, id: "oregon/agent", site: "oregon", version },
    ...{ roles: ["worker"], resources: {}, coordinatorKey: publicKey, address: "" },
    signal: new AbortController().signal,
    notify: () => {},
    startHost: async (_, onMessage) => {
      say = onMessage;
      const ended = new Promise<never>(() => {});
      return { name: "host", post: () => {}, kill: () => {}, ended };
    },
  });
  serving.catch((error: unknown) => expect.unreachable(String(error)));
  await timers.advance(SECOND);

  /** A coordinator in its epoch. */
  const lead = async (
    epoch: number,
    bus: Bus,
    leads: () => boolean = () => true,
    beforeStart: () => void = () => {},
  ) => {
    const roster = await Roster.open(bus, timers, undefined);
    await timers.advance(SECOND);
    const fleet = new ClusterFleet({
      ...{ bus, timers, roster, run: "r1", epoch, seed, token: "token", version, leads },
      ...{ credentials: undefined, attach: epoch > 1, warn: () => {} },
      onRefused: () => {},
    });
    const [agent] = roster.members();
    if (!agent) throw new Error("there is no agent");
    if (epoch === 1) expect(await fleet.reserve(agent)).toBeUndefined();
    fleet.take({ agents: [agent], hostOf: {} }, { nodes: [], version, labels: {} });
    const heard: string[] = [];
    await fleet.open();
    beforeStart();
    const host = fleet.start(0, {}, (message) => {
      if (message.type === "warning") heard.push(message.text[0] ?? "");
    });
    await timers.advance(SECOND);
    return { fleet, heard, host, agent };
  };
  const told = async (text: string): Promise<void> => {
    say({ type: "warning", text });
    await timers.advance(SECOND);
  };
  const cut = (questions: number): void => {
    unheard = questions;
  };
  return { timers, broker, own, lead, told, cut };
}

/** Longer than the bus carries in one batch. */
const long = (letter: string): string => letter.repeat(1_200_000);

test("one that comes back when another leads takes nothing, whatever its own clock says", async () => {
  const { timers, broker, own, lead, told } = await start();
  const paused = pausable(own);
  const first = await lead(1, paused.bus);
  await told("a");
  paused.pause();
  const second = await lead(2, broker.connect("second"));
  for (const text of ["b", long("c"), "d"]) await told(text);
  paused.resume();
  await told("e");
  await timers.advance(30 * SECOND);
  expect(first.heard).toEqual(["a"]);
  expect(second.heard).toEqual(["b", "c", "d", "e"]);
});

test("one that comes back when its lease is over takes nothing that waits for it", async () => {
  const { timers, broker, own, lead, told } = await start();
  let held = true;
  const paused = pausable(own);
  const first = await lead(1, paused.bus, () => held);
  await told("a");
  paused.pause();
  await told("b");
  held = false;
  paused.resume();
  await told("c");
  const second = await lead(2, broker.connect("second"));
  await timers.advance(30 * SECOND);
  expect(first.heard).toEqual(["a"]);
  expect(second.heard).toEqual(["b", "c"]);
});

test("of a message that the one before has taken a part of, the next takes the whole", async () => {
  const { timers, broker, own, lead, told } = await start();
  let batches = 0;
  const paused = pausable(own, (data) => {
    // The first batch of the message is acknowledged, the second finds nobody.
    if (data.length > 100_000 && ++batches === 2) paused.pause();
  });
  const first = await lead(1, paused.bus);
  await told("a");
  await told(long("b"));
  expect(batches).toBeGreaterThan(1);
  const second = await lead(2, broker.connect("second"));
  await timers.advance(30 * SECOND);
  expect(first.heard).toEqual(["a"]);
  expect(second.heard).toEqual(["b"]);
});

test("an agent that does not answer when the next one comes is asked again, and tells it everything", async () => {
  const { timers, broker, lead, told, cut } = await start();
  const first = await lead(1, broker.connect("first"));
  await told("a");
  first.fleet.silence();
  await told("b");
  cut(Number.POSITIVE_INFINITY);
  const second = await lead(2, broker.connect("second"));
  await timers.advance(SECOND);
  cut(0);
  await timers.advance(30 * SECOND);
  await told("c");
  expect(second.heard).toEqual(["b", "c"]);
});

test("the clock of an agent is learned by what it answers, also where it has not heard the first question", async () => {
  const { timers, broker, lead, cut } = await start();
  const { host } = await lead(
    1,
    broker.connect("first"),
    () => true,
    () => cut(1),
  );
  await timers.advance(SECOND);
  expect(host.clock?.().roundTripMicros).toBeGreaterThanOrEqual(0);
});

test("an agent that still ends what it had of the run takes no second host of it", async () => {
  const { timers, broker, lead } = await start();
  const { fleet, agent } = await lead(1, broker.connect("first"));
  fleet.release(agent);
  await timers.advance(SECOND);
  expect(await fleet.reserve(agent)).toBe("it still ends what it had of this run");
});
