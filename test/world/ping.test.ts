/** The simplest conversation there is, as a golden transcript. */
import { expect, test } from "vitest";
import type { NodeProgram } from "../../src/world/contract.ts";
import { messageKind } from "../../src/world/message.ts";
import { makeNode, simulate } from "./fixtures.ts";

const PING = messageKind("ping", "control", "control");
const PONG = messageKind("pong", "control", "control");

test("two nodes play ping-pong: every time and byte is known beforehand", async () => {
  const left = makeNode("alpha", "peer", 0);
  const right = makeNode("beta", "peer", 0);
  const { simulation, events } = simulate([left, right]);
  const transcript: string[] = [];
  const rounds = 2;

  const asks: NodeProgram = async (world, scope) => {
    const changed = world.condition();
    let answers = 0;
    world.network.handle(PONG, (message) => {
      transcript.push(`${world.clock.now()} ${world.node.id} hears pong ${message.header.n}`);
      answers++;
      changed.notify();
    });
    for (let n = 1; n <= rounds; n++) {
      world.network.send(right.id, PING, { n });
      await changed.until(() => answers === n, { what: "a pong" }, scope);
      await world.clock.sleep(1000, scope);
    }
  };
  const answersAll: NodeProgram = async (world, scope) => {
    const changed = world.condition();
    let pings = 0;
    world.network.handle(PING, (message, from) => {
      transcript.push(`${world.clock.now()} ${world.node.id} hears ping ${message.header.n}`);
      pings++;
      world.network.send(from, PONG, message.header);
      changed.notify();
    });
    await changed.until(() => pings === rounds, { what: "all pings" }, scope);
  };
  simulation.start(left.id, asks);
  simulation.start(right.id, answersAll);
  const result = await simulation.run();
  simulation.flushTraffic();

  // 32 (frame) + 8 (one number) + 40 (TCP/IP) = 80 bytes: 1 us up, 80 us on the pipe, 10 ms, 1 us down.
  expect(transcript).toEqual([
    "10082 beta/peer-0 hears ping 1",
    "20164 alpha/peer-0 hears pong 1",
    "31246 beta/peer-0 hears ping 2",
    "41328 alpha/peer-0 hears pong 2",
  ]);
  expect(result).toEqual({ reason: "finished", micros: 42_328, events: 8 });
  const counted = { bytes: 160, messages: 2, carries: "control" };
  const traffic = { t: 42_328, type: "traffic", ...counted, wan: true };
  expect(events).toEqual([
    { ...traffic, from: "alpha", to: "beta", kind: "ping", dollars: 1.6e-8 },
    { ...traffic, from: "beta", to: "alpha", kind: "pong", dollars: 1.6e-8 },
  ]);
});
