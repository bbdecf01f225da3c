/** Members, leases and fences: their time in virtual time, and the same stories on a real NATS server. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Scope } from "../../src/core/scope.ts";
import { MILLISECOND, SECOND } from "../../src/core/units.ts";
import type { Bus } from "../../src/world/bus/contract.ts";
import { EpochGate, fenced, readFenced } from "../../src/world/bus/fence.ts";
import { LearnedDeadline } from "../../src/world/bus/learned.ts";
import { acquireLease, type Lease } from "../../src/world/bus/lease.ts";
import {
  join,
  type Member,
  type MemberEvent,
  openMembers,
  watchMembers,
} from "../../src/world/bus/membership.ts";
import { realTimers, type Timers } from "../../src/world/bus/timers.ts";
import { memoryBackend, remoteBackend } from "./bus-backends.ts";
import { type BusUnderTest, bytes, codeOf, text, until } from "./bus-contract.ts";
import { natsBackend } from "./nats-server.ts";
import type { VirtualTimers } from "./virtual-timers.ts";

const member = (id: string): Member => ({
  ...{ id, site: id.split("/")[0]!, role: "worker", address: "", version: "0.1.0" },
  resources: { cores: 2, accelerator: "none" },
});

/** Timers of one process that can be stopped for ever, as `kill -9` does. */
function mortal(timers: Timers): Timers & { kill(): void } {
  let dead = false;
  return {
    now: () => timers.now(),
    after: (micros, action) => timers.after(micros, () => dead || action()),
    kill: () => {
      dead = true;
    },
  };
}

const everyMicros = 100 * MILLISECOND;
const durationMicros = 600 * MILLISECOND;

type Backend = BusUnderTest & { readonly timers?: VirtualTimers };

describe.each<[name: string, start: () => Promise<Backend>]>([
  ["memory", memoryBackend],
  ["memory from another thread", remoteBackend],
  ["NATS", natsBackend],
])("on %s", (_, start) => {
  let backend: Backend;
  let timers: Timers;
  let one: Bus;
  let two: Bus;
  let runs = 0;

  beforeAll(async () => {
    backend = await start();
    timers = backend.timers ?? realTimers();
    one = await backend.connect("one");
    two = await backend.connect("two");
  });
  afterAll(async () => {
    await one?.close();
    await two?.close();
    await backend?.stop();
  });

  /** The task's outcome, while time passes. */
  async function passing<T>(task: Promise<T>): Promise<T> {
    let ended = false;
    const done = (): void => {
      ended = true;
    };
    task.then(done, done);
    await until(backend, () => ended);
    return task;
  }

  test("members join, leave, die and are replaced, and watchers hear of it", async () => {
    const [mine, yours] = [await openMembers(one), await openMembers(two)];
    const events: string[] = [];
    const notify = (event: MemberEvent): void => {
      const reason = event.type === "left" ? ` ${event.reason}` : "";
      events.push(`${event.member.id} ${event.type}${reason}`);
    };
    const own = await join(yours, member("oregon/watcher"), { timers, everyMicros });
    const quiet = await join(mine, member("virginia/worker-0"), { timers, everyMicros });
    const view = await watchMembers(yours, { timers, notify, self: "oregon/watcher" });
    expect(view.members().map(({ id }) => id)).toEqual(["oregon/watcher", "virginia/worker-0"]);
    expect(view.members()[1]).toEqual(member("virginia/worker-0"));

    const process = mortal(timers);
    await join(mine, member("virginia/worker-1"), { timers: process, everyMicros });
    await until(backend, () => events.includes("virginia/worker-1 joined"));
    process.kill();
    await until(backend, () => events.includes("virginia/worker-1 left silent"));
    expect(events).toContain("virginia/worker-1 suspected");

    const again = await join(mine, member("virginia/worker-0"), { timers, everyMicros });
    const ended = await passing(quiet.ended);
    expect(ended).toMatchObject({ code: "MEMBER_REPLACED" });
    expect(events).toContain("virginia/worker-0 left replaced");

    await again.leave();
    await until(backend, () => events.includes("virginia/worker-0 left said so"));
    expect(view.members().map(({ id }) => id)).toEqual(["oregon/watcher"]);
    expect(await again.ended).toBeUndefined();
    view.close();
    await own.leave();
  });

  test("the lease passes on when its holder dies, with a greater epoch", async () => {
    const [mine, yours] = [await one.kv(`lease${runs}`), await two.kv(`lease${runs++}`)];
    const process = mortal(timers);
    const options = { durationMicros, timers };
    const scope = new Scope();
    const first = await acquireLease(
      mine,
      "coordinator",
      { ...options, timers: process, holder: "a" },
      scope,
    );
    expect([first.epoch, first.held()]).toEqual([1, true]);
    let second: Lease | undefined;
    const waiting = acquireLease(yours, "coordinator", { ...options, holder: "b" }, scope).then(
      (lease) => {
        second = lease;
      },
    );
    // It is renewed for longer than it lasts.
    const end = timers.now() + 2 * durationMicros;
    await until(backend, () => timers.now() > end);
    expect([first.held(), second]).toEqual([true, undefined]);
    process.kill();
    await passing(waiting);
    expect(second?.epoch).toBe(2);
    expect(first.held()).toBe(false);
    await second!.release();
    expect(await second!.ended).toBeUndefined();
    const third = await acquireLease(mine, "coordinator", { ...options, holder: "c" }, scope);
    expect(third.epoch).toBe(3);
    await third.release();
  });

  test("of many who want a lease one has it, and one who waits can be told to stop", async () => {
    const name = `lease${runs++}`;
    const scope = new Scope();
    const held: Lease[] = [];
    const contend = async (bus: Bus, holder: string): Promise<void> => {
      const options = { holder, timers, durationMicros };
      const lease = await acquireLease(await bus.kv(name), "c", options, scope);
      // A holder that this machine has kept from renewing has lost it, and knows.
      expect(held.filter((earlier) => earlier.held())).toEqual([]);
      held.push(lease);
    };
    const all = [one, two, one, two].map((bus, i) => codeOf(contend(bus, `h${i}`)));
    await until(backend, () => held.length > 0);
    const end = timers.now() + durationMicros;
    await until(backend, () => timers.now() > end);
    // In real time a holder may be kept from renewing, and another one comes.
    if (backend.timers) expect(held).toHaveLength(1);
    scope.cancel("enough");
    const waited = Array(4 - held.length).fill("CANCELLED");
    expect((await Promise.all(all)).sort()).toEqual([...held.map(() => ""), ...waited]);
    for (const lease of held) await lease.release();
  });

  test("a paused holder's writes are refused, whatever key they name", async () => {
    const [mine, yours] = [await one.kv(`fenced${runs}`), await two.kv(`fenced${runs++}`)];
    const old = await fenced(mine, { epoch: 1, holder: "a" });
    await old.put("plan", bytes("old plan"));
    const later = await fenced(yours, { epoch: 2, holder: "b" });
    expect(await codeOf(old.put("plan", bytes("late")))).toBe("STALE_EPOCH");
    expect(await codeOf(old.put("never.seen", bytes("late")))).toBe("STALE_EPOCH");
    await later.put("plan", bytes("new plan"));
    expect(await codeOf(old.put("plan", bytes("later still")))).toBe("STALE_EPOCH");
    expect(await codeOf(fenced(mine, { epoch: 1, holder: "a" }))).toBe("STALE_EPOCH");
    const entry = await readFenced(mine, "plan");
    expect([text(entry?.value), entry?.epoch]).toEqual(["new plan", 2]);
    expect(await mine.get("never.seen")).toBeUndefined();
  });

  test("of two holders at once, what is written after the later one came is the later one's", async () => {
    const name = `fenced${runs++}`;
    const old = await fenced(await one.kv(name), { epoch: 1, holder: "a" });
    const outcomes: string[] = [];
    const writing = (async () => {
      for (let i = 0; i < 40; i++) {
        const code = await codeOf(old.put("n", bytes(`old ${i}`)));
        outcomes.push(code);
        if (code !== "") break;
      }
    })();
    await until(backend, () => outcomes.length > 2);
    const later = await fenced(await two.kv(name), { epoch: 2, holder: "b" });
    const succeeded = outcomes.length;
    await Promise.all(Array.from({ length: 10 }, (_, i) => later.put("n", bytes(`new ${i}`))));
    await writing;
    // One more may have been under way when the later holder came: it was before the fence, or it failed.
    expect(outcomes.filter((code) => code === "").length).toBeLessThanOrEqual(succeeded + 1);
    if (outcomes.length < 40) expect(outcomes.at(-1)).toBe("STALE_EPOCH");
    expect(text((await readFenced(await one.kv(name), "n"))?.value)).toBe("new 9");
    expect(await codeOf(old.put("n", bytes("last")))).toBe("STALE_EPOCH");
  });
});

describe("deadlines that are learned", () => {
  test("are median + k MAD of what was seen, and at least three medians", () => {
    const learned = new LearnedDeadline(1_000, 8);
    expect(learned.deadline()).toBe(3_000);
    for (const gap of [100, 100, 100]) learned.observe(gap);
    expect(learned.deadline()).toBe(300);
    for (const gap of [300, 300, 300]) learned.observe(gap);
    // Median 200, deviations all 100.
    expect(learned.deadline()).toBe(200 + 8 * 100);
    for (let i = 0; i < 64; i++) learned.observe(50);
    expect(learned.deadline()).toBe(150);
  });

  test("make a steady member's death known sooner than an unsteady one's", async () => {
    const backend = await memoryBackend();
    const { timers } = backend;
    const bus = await backend.connect("a");
    const kv = await openMembers(bus);
    const suspected = new Map<string, number>();
    await watchMembers(kv, {
      timers,
      notify: (event) => {
        if (event.type === "suspected") suspected.set(event.member.id, event.deadlineMicros);
      },
    });
    const beat = (id: string, number: number): Promise<number> => {
      const life = { incarnation: "x", beat: number, everyMicros: SECOND };
      return kv.put(id, bytes(JSON.stringify({ ...member(id), ...life })));
    };
    for (let i = 1; i <= 20; i++) {
      await beat("steady", i);
      await timers.advance(500 * MILLISECOND);
      await beat("unsteady", i);
      await timers.advance(i % 2 === 0 ? 100 * MILLISECOND : 900 * MILLISECOND);
    }
    await timers.advance(60 * SECOND);
    expect(suspected.get("steady")).toBeLessThan(suspected.get("unsteady")! + 1);
    expect([...suspected.keys()].sort()).toEqual(["steady", "unsteady"]);
  });

  test("old beats that come late or twice do not keep a dead member alive", async () => {
    const backend = await memoryBackend();
    const bus = await backend.connect("a");
    const kv = await openMembers(bus);
    const events: string[] = [];
    const notify = ({ type }: MemberEvent): number => events.push(type);
    await watchMembers(kv, { timers: backend.timers, notify });
    const life = { incarnation: "x", beat: 5, everyMicros: SECOND };
    for (let i = 0; i < 10; i++) {
      await kv.put("a/b", bytes(JSON.stringify({ ...member("a/b"), ...life, beat: 5 - (i % 3) })));
      await backend.timers.advance(SECOND);
    }
    expect(events).toEqual(["joined", "suspected", "left"]);
  });

  test("while the watcher does not hear itself, nobody is suspected", async () => {
    const backend = await memoryBackend();
    const { timers } = backend;
    const kv = await openMembers(await backend.connect("a"));
    const process = mortal(timers);
    const events: string[] = [];
    const notify = ({ type, member }: MemberEvent): number => events.push(`${member.id} ${type}`);
    for (const id of ["a/self", "b/other"])
      await join(kv, member(id), { timers: process, everyMicros });
    const view = await watchMembers(kv, { timers, notify, self: "a/self" });
    process.kill();
    await timers.advance(60 * SECOND);
    expect(events).toEqual(["a/self joined", "b/other joined"]);
    view.close();
  });
});

test("a node takes orders of the greatest epoch it has heard of", () => {
  const gate = new EpochGate();
  gate.accept(1);
  gate.accept(3);
  gate.accept(3);
  expect(() => gate.accept(2)).toThrow(/epoch 2 is over/);
  expect(() => gate.accept(Number.NaN)).toThrow(/over/);
});
