/** A supervisor that comes later: what hosts tell it again, and what it makes of those that have ended meanwhile. */
import { expect, test } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import type { RunEvent } from "../../src/core/events.ts";
import { nodeId, siteId } from "../../src/core/ids.ts";
import { machineMicros } from "../../src/world/live/clock.ts";
import type { Fleet, HostEnd } from "../../src/world/live/fleet.ts";
import type { FromHost, ToHost } from "../../src/world/live/protocol.ts";
import { Supervisor, type SupervisorOptions } from "../../src/world/live/supervisor.ts";

/** Hosts that say what the test says. */
function hosts(count: number) {
  const names = Array.from({ length: count }, (_, host) => `host-${host}`);
  const asked: ToHost[][] = names.map(() => []);
  const say: ((message: FromHost) => void)[] = [];
  const end: ((end: HostEnd) => void)[] = [];
  let returns: (host: number) => void = () => {};
  const fleet: Fleet = {
    open: async () => {},
    onReturn: (listener) => {
      returns = listener;
    },
    start: (host, _, onMessage) => {
      say[host] = onMessage;
      const ended = new Promise<HostEnd>((resolve) => {
        end[host] = resolve;
      });
      return {
        ...{ name: names[host]!, pid: undefined, ended },
        post: (message) => asked[host]?.push(message),
        kill: () => end[host]?.({ how: "killed", lastLines: [] }),
      };
    },
    close: async () => {},
  };
  const comeBack = (host: number): void => returns(host);
  return { names, fleet, asked, say, end, comeBack };
}

const note = (text: string, t = 1): RunEvent => ({ type: "note", t, text });
const events = (texts: readonly string[], until: number): FromHost => ({
  ...{ type: "events", until },
  events: texts.map((text) => note(text)),
});

function supervise(
  { fleet, names }: ReturnType<typeof hosts>,
  more: Partial<SupervisorOptions> = {},
) {
  const told: string[] = [];
  const left: number[] = [];
  const supervisor = new Supervisor({
    ...{ fleet, names, taskOf: () => ({}), onEnded: () => {}, onSaid: () => {} },
    onEvent: (event) => told.push(event.type === "note" ? event.text : event.type),
    onFailed: (error) => told.push(error.message),
    withdraw: (host) => {
      left.push(host);
      return [{ node: nodeId(siteId(names[host]!), "peer", 0), present: false, incarnation: 0 }];
    },
    onChanged: (_, target) =>
      told.push(`${target} left at ${supervisor.now() >= 5e6 ? "5 s or later" : "0 s"}`),
    ...more,
  });
  return { supervisor, told, left };
}

/** The machine's clock, seconds ago. */
const ago = (seconds: number): number => machineMicros() - seconds * 1e6;

test("what a host tells again counts once, and what follows it", async () => {
  const there = hosts(1);
  const { supervisor, told } = supervise(there);
  const attached = supervisor.attach([ago(5)], true);
  await Promise.resolve();
  const say = there.say[0]!;
  expect(there.asked[0]).toEqual([{ type: "retell" }]);
  say({ type: "begun" });
  say(events(["b"], 10));
  say({ ...events(["a", "b"], 10), again: true } as FromHost);
  say(events(["c"], 20));
  // An answer to who had asked before.
  say({ ...events(["a", "b", "c"], 20), again: true } as FromHost);
  say(events(["d"], 30));
  await attached;
  expect(told).toEqual(["a", "b", "c", "d"]);
  await supervisor.close();
});

test("a host that has ended stays so, its last words are told, and it leaves at the time of the run", async () => {
  const there = hosts(2);
  const { supervisor, told, left } = supervise(there);
  const attached = supervisor.attach([ago(5), ago(5)], true);
  await Promise.resolve();
  there.say[1]!(events(["last words"], 10));
  there.end[1]!({ how: "signal SIGKILL", lastLines: [] });
  await Promise.resolve();
  there.say[1]!({ type: "begun" });
  there.say[0]!({ type: "begun" });
  expect(left).toEqual([]);
  await attached;
  expect(left).toEqual([1]);
  there.say[0]!({ ...events(["first"], 20), again: true } as FromHost);
  expect(told).toEqual(["host-1 left at 5 s or later", "last words", "first"]);
  await supervisor.close();
});

test("one that has joined and was never told to begin is told so now, with the others, and does not hold the log up", async () => {
  const there = hosts(3);
  const admitted: number[] = [];
  const node = nodeId(siteId("host-1"), "peer", 0);
  const change = { node, present: true, incarnation: 1 };
  const { supervisor, told, left } = supervise(there, {
    admit: (host) => {
      admitted.push(host);
      return [change];
    },
    changes: () => [change],
  });
  const [zero, one, two] = [ago(5), ago(700), ago(5)];
  const attached = supervisor.attach([zero, one, two], false);
  await Promise.resolve();
  there.say[1]!({ type: "joined" });
  there.say[0]!({ type: "begun" });
  there.say[2]!({ type: "begun" });
  await attached;
  expect(admitted).toEqual([1]);
  expect(left).toEqual([]);
  // When the run began is not what an earlier host in its place was told, on another clock.
  expect(there.asked[1]).toEqual([{ type: "go", at: zero, members: [change] }]);
  expect(supervisor.goAt).toEqual([zero, zero, two]);
  for (const host of [0, 2])
    expect(there.asked[host]).toEqual([{ type: "members", changes: [change], came: 1 }]);
  const late = 60e6;
  for (const host of [0, 2]) there.say[host]!(events([`of ${host}`], late));
  there.say[1]!({ type: "begun" });
  there.say[1]!(events(["of 1"], late));
  expect(told.slice(1)).toEqual(["of 0", "of 2", "of 1"]);
  await supervisor.close();
});

test("one that cannot take part now is ended, and is not missed", async () => {
  const there = hosts(2);
  const { supervisor, told, left } = supervise(there, { admit: () => undefined });
  const attached = supervisor.attach([ago(5), ago(5)], false);
  await Promise.resolve();
  there.say[0]!({ type: "begun" });
  there.say[1]!({ type: "joined" });
  await attached;
  await Promise.resolve();
  expect(left).toEqual([]);
  there.say[0]!(events(["of 0"], 20));
  expect(told).toEqual(["of 0"]);
  await supervisor.close();
});

test("where it cannot lead any more before all have answered, it says that, and not that nobody is left", async () => {
  const there = hosts(2);
  const { supervisor } = supervise(there);
  const attached = supervisor.attach([ago(5), ago(5)], true);
  await Promise.resolve();
  supervisor.abandon(new PangaeaError("LEASE_LOST", "another leads"));
  // As a cluster's fleet does then.
  for (const end of there.end) end({ how: "another coordinator leads the run", lastLines: [] });
  await expect(attached).rejects.toMatchObject({ code: "LEASE_LOST" });
  await supervisor.close();
});

test("a host that had stopped before is waited for until it has told all again", async () => {
  const there = hosts(1);
  const { supervisor, told } = supervise(there);
  const attached = supervisor.attach([ago(5)], true);
  await Promise.resolve();
  there.say[0]!({ type: "stopped" });
  await attached;
  const stopped = supervisor.stop("the run is over").then(() => told.push("all has been told"));
  await new Promise((resolve) => setImmediate(resolve));
  there.say[0]!({ ...events(["a"], 10), again: true } as FromHost);
  await stopped;
  expect(told).toEqual(["a", "all has been told"]);
  there.end[0]!({ how: "exit code 0", lastLines: [] });
  await supervisor.close();
});

test("hosts that come back at the same time are joined to each other", async () => {
  const there = hosts(3);
  const { supervisor } = supervise(there);
  const attached = supervisor.attach([ago(5), ago(5), ago(5)], false);
  await Promise.resolve();
  there.say[0]!({ type: "begun" });
  for (const host of [1, 2]) there.end[host]!({ how: "signal SIGKILL", lastLines: [] });
  await attached;
  for (const host of [1, 2]) there.comeBack(host);
  for (const host of [1, 2]) there.say[host]!({ type: "listening" });
  await new Promise((resolve) => setImmediate(resolve));
  const dials = (host: number): readonly number[] =>
    there.asked[host]!.flatMap((order) => (order.type === "join" ? order.dial : []));
  expect([dials(1), dials(2)]).toEqual([[0], [0, 1]]);
  await supervisor.close();
});
