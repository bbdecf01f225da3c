/** What an agent keeps while nobody takes what it says. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { MILLISECOND, SECOND } from "../../src/core/units.ts";
import { encodeFrame } from "../../src/world/bus/frame.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { Conveyor, Intake } from "../../src/world/cluster/conveyor.ts";
import { VirtualTimers } from "./virtual-timers.ts";

const SUBJECT = "pangaea.up.run";

function start(keepSpare: number) {
  const timers = new VirtualTimers();
  const broker = new MemoryBroker(timers);
  const dropped = { count: 0 };
  const conveyor = new Conveyor({
    ...{ bus: broker.connect("agent"), subject: SUBJECT, source: "life/1", timers, keepSpare },
    onRefused: (error) => expect.unreachable(error.message),
    onDropped: () => {
      dropped.count++;
    },
  });
  const heard: Uint8Array[] = [];
  const listen = async (): Promise<void> => {
    const intake = new Intake((message) => heard.push(message));
    await broker.connect("coordinator").serve(SUBJECT, (batch) => {
      intake.take(batch);
      return new Uint8Array(0);
    });
    for (let waited = 0; waited < 100; waited++) await timers.advance(500 * MILLISECOND);
  };
  return { timers, conveyor, dropped, heard, listen };
}

test("events are all kept, of copies the last ones within the bound, in their order", async () => {
  const said = fc.array(
    fc.record({ spare: fc.boolean(), length: fc.constantFrom(1, 1000, 300_000) }),
    { minLength: 1, maxLength: 60 },
  );
  const property = fc.asyncProperty(said, fc.integer({ min: 0, max: 1e6 }), async (all, keep) => {
    const { timers, conveyor, dropped, heard, listen } = start(keep);
    for (const [index, { spare, length }] of all.entries()) {
      conveyor.push(new Uint8Array(length).fill(index), spare);
      // The first batch is under way.
      if (index === 0) await timers.advance(SECOND);
    }
    await listen();
    const numbers = heard.map(([number]) => number ?? -1);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(numbers.length + dropped.count).toBe(all.length);
    heard.forEach((message, index) => {
      expect(message.length).toBe(all[numbers[index] ?? 0]?.length);
    });
    const events = [...all.keys()].filter((index) => !all[index]?.spare);
    expect(numbers.filter((number) => !all[number]?.spare)).toEqual(events);
    // Of what was not under way: a last part of what was said, within the bound or one message.
    const spares = [...all.keys()].filter((index) => index > 0 && all[index]?.spare);
    const kept = numbers.filter((number) => number > 0 && all[number]?.spare);
    expect(kept).toEqual(kept.length === 0 ? [] : spares.slice(-kept.length));
    expect(spares.length === 0 || kept.length > 0).toBe(true);
    const bytes = kept.reduce((sum, number) => sum + (all[number]?.length ?? 0), 0);
    expect(kept.length === 1 || bytes <= keep).toBe(true);
  });
  await fc.assert(property, { numRuns: 20 });
});

test("an intake takes nothing from a source that it does not know", async () => {
  const batch = (source: string): Uint8Array =>
    encodeFrame({ source, first: 0, parts: [{ flags: 3, bytes: 1 }] }, Uint8Array.of(7));
  const heard: string[] = [];
  const intake = new Intake(
    (_, source) => heard.push(source),
    (source) => source === "voice/1",
  );
  expect(() => intake.take(batch("guess/1"))).toThrowError(
    expect.objectContaining({ code: "BUS_FORBIDDEN" }),
  );
  intake.take(batch("voice/1"));
  expect(heard).toEqual(["voice/1"]);
});
