/**
 * Records that stay at their sites, on a real cluster: each agent's folder holds the file of its own hospital and the
 * coordinator's the test rows alone (needs `npm run build` before).
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { type Agents, access, agents } from "./agents.ts";
import { bits, judged, traffic } from "./equal-bits.ts";
import {
  agentsAt,
  digits,
  digitsRun,
  executeOn,
  type Folders,
  heart,
  hospitals,
} from "./own-data.ts";

let there: Agents;
let folders: Folders;
beforeAll(async () => {
  folders = hospitals();
  there = await agents();
});
afterAll(async () => {
  await there.stop();
  folders.remove();
});

const world = () => ({ kind: "cluster", nats: [there.server.url] });
const cargo = (events: readonly RunEvent[]) =>
  new Set(events.flatMap((event) => (event.type === "traffic" ? [event.carries] : [])));

describe("four hospitals with their own patients", () => {
  test("the bits of the run in one process, and no records cross", async () => {
    const virtual = await executeOn(folders.all, heart());
    const stop = await agentsAt(there, folders.sites);
    const real = await executeOn(folders.test, heart({ world: world() }), { cluster: access });
    await stop();
    expect(bits(real)).toEqual(bits(virtual));
    expect(judged(real)).toEqual(judged(virtual));
    expect(traffic(real)).toEqual(traffic(virtual));
    expect(cargo(real.events)).not.toContain("records");
    expect(cargo(real.events).size).toBeGreaterThan(0);
    const [data] = real.events.filter((event) => event.type === "note");
    expect(data?.text).toMatch(/hospitals\/\{site\}\.csv, 738 training rows, 182 test rows/);
  });
});

test("MNIST dealt over two sites, standardised by what both tell of it", async () => {
  const dealt = digits(2);
  const virtual = await executeOn(dealt.all, digitsRun());
  const stop = await agentsAt(there, dealt.sites);
  const real = await executeOn(dealt.test, digitsRun({ world: world() }), { cluster: access });
  await stop();
  dealt.remove();
  expect(bits(real)).toEqual(bits(virtual));
  expect(judged(real)).toEqual(judged(virtual));
  expect(cargo(real.events)).not.toContain("records");
});
