/** An agent before anybody leads runs, and one whose bus has gone: what it says, and how soon it leaves. */
import { afterEach, expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { accountFile, createRoleKey } from "../../src/world/bus/accounts.ts";
import type { Bus, KeyValue } from "../../src/world/bus/contract.ts";
import { openMembers } from "../../src/world/bus/membership.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { type MemberOptions, serveMember } from "../../src/world/cluster/serving.ts";
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
