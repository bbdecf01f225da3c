/** Which agents a run takes, and for whom it says that it waits. */
import { expect, test } from "vitest";
import type { Member } from "../../src/world/bus/membership.ts";
import { join, openMembers } from "../../src/world/bus/membership.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { dealNodes, isCrew, Roster, type Wanted } from "../../src/world/cluster/roster.ts";
import { makeNode } from "./fixtures.ts";
import { VirtualTimers } from "./virtual-timers.ts";

const nodes = [0, 1, 2].map((index) => makeNode("alpha", "worker", index));
const wanted: Wanted = { nodes, version: "1", labels: {} };
const agent = (name: string, resources: Member["resources"] = {}): Member => ({
  ...{ id: `alpha/${name}`, site: "alpha", role: "worker", address: "", version: "1" },
  resources,
});

test("nodes are dealt over at least so many agents, if there are so many nodes", () => {
  const one = [agent("a")];
  const two = [agent("a"), agent("b")];
  expect(isCrew(dealNodes(wanted, one))).toBe(true);
  expect(dealNodes({ ...wanted, least: 2 }, one)).toEqual(["alpha (worker, 1 of 2)"]);
  const crew = dealNodes({ ...wanted, least: 2 }, two);
  expect(isCrew(crew) && Object.values(crew.hostOf)).toEqual([0, 1, 0]);
  expect(isCrew(dealNodes({ ...wanted, nodes: nodes.slice(0, 1), least: 2 }, one))).toBe(true);
});

test("an agent that says that it has too little is not taken", () => {
  const capacity = { cores: 4, memoryBytes: 8e9 };
  const small = agent("small", { cores: 2, memoryBytes: 16e9 });
  const large = agent("large", { cores: 8, memoryBytes: 8e9 });
  expect(dealNodes({ ...wanted, capacity }, [small])).toEqual(["alpha (worker)"]);
  const crew = dealNodes({ ...wanted, capacity }, [small, large]);
  expect(isCrew(crew) && crew.agents).toEqual([large]);
});

test("while it waits it says for how many, and why those that are there are not taken", async () => {
  const timers = new VirtualTimers();
  const bus = new MemoryBroker(timers).connect("coordinator");
  const members = await openMembers(bus);
  await join(members, agent("a", { cores: 2 }), { timers, everyMicros: 1e6 });
  const roster = await Roster.open(bus, timers, undefined);
  const told: string[] = [];
  const capacity = { cores: 4 };
  const waiting = roster.muster(
    { ...wanted, least: 2, capacity, labels: { zone: "b" } },
    async () => undefined,
    () => {},
    { deadline: 2e6, signal: new AbortController().signal, tell: (text) => told.push(text) },
  );
  const text =
    "waiting for agents at alpha (worker, 0 of 2); there are alpha/a at alpha (worker, zone is not b, cores 2 of 4)";
  const failed = expect(waiting).rejects.toThrow(text);
  for (let second = 0; second < 4; second++) await timers.advance(1e6);
  await failed;
  expect(told).toEqual([text]);
});
