/** Who takes part: what nodes hear, and what they do not hear any more, in the simulated and in the live world. */
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { NodeProgram } from "../../src/world/contract.ts";
import { MemberView } from "../../src/world/members.ts";
import { messageKind } from "../../src/world/message.ts";
import { makeNode, simulate } from "./fixtures.ts";
import { hostSites, memoryPair } from "./local-fixtures.ts";

const SAY = messageKind("test.say", "control", "control");
const [alpha, beta] = [makeNode("alpha", "peer", 0), makeNode("beta", "peer", 0)];

/** Writes down all news and messages. */
const listener =
  (heard: string[]): NodeProgram =>
  async (world, scope) => {
    world.members.watch(({ node, present, incarnation }) =>
      heard.push(`${node} ${present ? "joins" : "leaves"} ${incarnation}`),
    );
    world.network.handle(SAY, ({ header }) => heard.push(String(header["what"])));
    await world.condition().until(() => false, { what: "the end" }, scope);
  };

test("joins are counted through the run, so that a later comer has the higher number", () => {
  const view = new MemberView([{ node: beta.id, present: false, incarnation: 0 }]);
  expect([view.present(alpha.id), view.present(beta.id)]).toEqual([true, false]);
  for (const change of view.next([beta.id], true)) view.apply(change);
  for (const change of view.next([alpha.id], false)) view.apply(change);
  for (const change of view.next([alpha.id], true)) view.apply(change);
  expect([view.incarnation(beta.id), view.incarnation(alpha.id)]).toEqual([1, 2]);
  expect(view.hears(alpha.id, 0)).toBe("never");
  expect(view.hears(alpha.id, 2)).toBe("now");
  expect(view.hears(alpha.id, 3)).toBe("after the news");
});

describe("the simulated world", () => {
  test("a message waits for the news of its sender, and is dropped after those of its end", async () => {
    const faults = [
      { kind: "leave" as const, at: 0.5, target: "alpha" },
      { kind: "join" as const, at: 1, target: alpha.id },
    ];
    const heard: string[] = [];
    // News may take a second; a message takes ten milliseconds.
    const { simulation } = simulate([alpha, beta], { faults, newsMicros: 1_000_000, seed: 3 });
    simulation.start(beta.id, listener(heard));
    simulation.start(alpha.id, async (world, scope) => {
      const life = world.members.incarnation(alpha.id);
      world.network.send(beta.id, SAY, { what: `life ${life}` });
      await world.clock.sleep(life === 0 ? 495_000 : 3_000_000, scope);
      world.network.send(beta.id, SAY, { what: `the end of life ${life}` });
      await world.clock.sleep(100_000, scope);
      simulation.stop();
    });
    await simulation.run();
    const [first, ...rest] = heard.filter((line) => line !== "the end of life 0");
    expect([first, ...rest]).toEqual([
      "life 0",
      `${alpha.id} leaves 0`,
      `${alpha.id} joins 1`,
      "life 1",
      "the end of life 1",
    ]);
  });

  test("what joins before it ever left is vacant at the start, and its program waits for that", async () => {
    const faults = [{ kind: "join" as const, at: 1, target: "beta" }];
    const { simulation, events } = simulate([alpha, beta], { faults });
    const began: number[] = [];
    simulation.start(alpha.id, (world, scope) => world.clock.sleep(2_000_000, scope));
    simulation.start(beta.id, async (world) => {
      began.push(world.clock.now());
    });
    await simulation.run();
    expect(began).toEqual([1_000_000]);
    expect(events).toEqual([{ t: 1_000_000, type: "fault", fault: "join", target: "beta" }]);
  });
});

test("a live host drops what those said who have left, and begins the program of who joins; each once, however often it is told", async () => {
  const { hosts } = hostSites([alpha, beta], memoryPair());
  const heard: string[] = [];
  const say: NodeProgram = async (world, scope) => {
    world.network.send(beta.id, SAY, { what: `life ${world.members.incarnation(alpha.id)}` });
    await world.condition().until(() => false, { what: "the end" }, scope);
  };
  hosts[1]?.start(new Map([[beta, listener(heard)]]));
  hosts[0]?.start(new Map([[alpha, say]]));
  for (let i = 0; i < 5; i++) await turn();
  const view = new MemberView();
  for (const present of [false, true]) {
    const changes = view.next([alpha.id], present);
    for (const change of changes) view.apply(change);
    for (const host of [...hosts].reverse()) host.setPresent(changes);
    // A supervisor that comes later cannot know whom the one before has told.
    for (const host of [...hosts].reverse()) host.setPresent(view.changes());
    for (let i = 0; i < 5; i++) await turn();
  }
  expect(heard).toEqual(["life 0", `${alpha.id} leaves 0`, `${alpha.id} joins 1`, "life 1"]);
  for (const host of hosts) host.stop("the end of the test");
  for (const host of hosts) await host.ended();
});
