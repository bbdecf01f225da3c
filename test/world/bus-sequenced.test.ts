/** Numbered messages over a bus that loses, repeats and reorders: each once, in order. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MILLISECOND, SECOND } from "../../src/core/units.ts";
import { type BusError, conflict } from "../../src/world/bus/errors.ts";
import { encodeFrame } from "../../src/world/bus/frame.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { receiveSequenced, SequencedSender } from "../../src/world/bus/sequenced.ts";
import { bytes, codeOf, refused, text } from "./bus-contract.ts";
import { lossyBus } from "./lossy-bus.ts";
import { VirtualTimers } from "./virtual-timers.ts";

const deadline = 600 * SECOND;

function start(seed = 0, chances = { lost: 0, answerLost: 0, repeated: 0 }) {
  const timers = new VirtualTimers();
  const broker = new MemoryBroker(timers);
  const receiver = broker.connect("receiver");
  const faults = { ...chances, delayMicrosMax: 200 * MILLISECOND };
  const faulty = (id: string) => lossyBus(broker.connect(id), timers, seed, faults);
  return { timers, broker, receiver, faulty };
}

async function run<T>(timers: VirtualTimers, task: Promise<T>): Promise<T> {
  let ended = false;
  const done = (): void => {
    ended = true;
  };
  task.then(done, done);
  while (!ended) await timers.advance(SECOND);
  return task;
}

describe("over a faulty transport", () => {
  const chance = fc.double({ min: 0, max: 0.5, noNaN: true });
  const faults = fc.record({ lost: chance, answerLost: chance, repeated: chance });

  test("every message of every sender is handled once, in its order", async () => {
    const property = fc.asyncProperty(fc.nat(), faults, async (seed, chances) => {
      const { timers, receiver, faulty } = start(seed, chances);
      const got = new Map<string, number[]>();
      await receiveSequenced(receiver, "updates", (data) => {
        const [sender = "", number] = text(data)!.split(" ");
        got.set(sender, [...(got.get(sender) ?? []), Number(number)]);
      });
      const send = async (id: string): Promise<void> => {
        const sender = new SequencedSender(faulty(id), "updates", { timers, deadline });
        await Promise.all(Array.from({ length: 30 }, (_, i) => sender.send(bytes(`${id} ${i}`))));
      };
      await run(timers, Promise.all(["a", "b"].map(send)));
      const all = Array.from({ length: 30 }, (_, i) => i);
      expect([...got].sort()).toEqual([
        ["a", all],
        ["b", all],
      ]);
    });
    await fc.assert(property, { numRuns: 20, seed: 4 });
  });

  test("the fake does what it says: without numbers, messages are lost, repeated and reordered", async () => {
    const { timers, receiver, faulty } = start(7, { lost: 0.2, answerLost: 0.2, repeated: 0.3 });
    const got: number[] = [];
    await receiver.serve("plain", (data) => {
      got.push(Number(text(data)));
      return data;
    });
    const bus = faulty("a");
    const asked = Array.from({ length: 50 }, (_, i) =>
      codeOf(bus.request("plain", bytes(`${i}`), { deadline: 2 * SECOND })),
    );
    const codes = await run(timers, Promise.all(asked));
    expect(codes).toContain("BUS_TIMEOUT");
    expect(new Set(got).size).toBeLessThan(50);
    expect(got.length).toBeGreaterThan(new Set(got).size);
    expect(got).not.toEqual([...got].sort((a, b) => a - b));
  });
});

describe("ends of a stream", () => {
  test("a receiver that starts anew refuses a stream in its middle, and takes a new one", async () => {
    const { timers, broker, receiver } = start();
    const first = await receiveSequenced(receiver, "s", () => {});
    const bus = broker.connect("sender");
    const sender = new SequencedSender(bus, "s", { timers, deadline });
    await sender.send(bytes("1"));
    first.close();
    const got: string[] = [];
    await receiveSequenced(receiver, "s", (data) => {
      got.push(text(data)!);
    });
    expect(await codeOf(sender.send(bytes("2")))).toBe("BUS_STREAM_LOST");
    expect(await codeOf(sender.send(bytes("3")))).toBe("BUS_STREAM_LOST");
    await new SequencedSender(bus, "s", { timers, deadline }).send(bytes("2"));
    expect(got).toEqual(["2"]);
  });

  test("a sender that gave up stays so: nothing is delivered behind a hole", async () => {
    const { timers, broker, receiver } = start();
    const sender = new SequencedSender(broker.connect("sender"), "s", { timers, deadline: SECOND });
    expect(await run(timers, codeOf(sender.send(bytes("1"))))).toBe("BUS_NO_RESPONDERS");
    const got: string[] = [];
    await receiveSequenced(receiver, "s", (data) => {
      got.push(text(data)!);
    });
    expect(await codeOf(sender.send(bytes("2")))).toBe("BUS_NO_RESPONDERS");
    expect(got).toEqual([]);
  });

  test("a handler that fails ends the stream with its code, for those who wait, too", async () => {
    const { timers, broker, receiver } = start();
    const got: string[] = [];
    await receiveSequenced(receiver, "s", (data) => {
      got.push(text(data)!);
      if (got.length === 2) throw conflict("no more");
    });
    const sender = new SequencedSender(broker.connect("sender"), "s", { timers, deadline });
    const sent = ["1", "2", "3"].map((word) => codeOf(sender.send(bytes(word))));
    expect(await Promise.all(sent)).toEqual(["", "BUS_CONFLICT", "BUS_CONFLICT"]);
    expect(got).toEqual(["1", "2"]);
  });

  test("what is no numbered message, or too far ahead, is refused", async () => {
    const { broker, receiver } = start();
    await receiveSequenced(receiver, "s", () => expect.fail("nothing is delivered"));
    const bus = broker.connect("stranger");
    const ask = (data: Uint8Array): Promise<BusError> =>
      refused(bus.request("s", data, { deadline }));
    const frame = (header: object): Uint8Array => encodeFrame(header, bytes("x"));
    for (const bad of [
      bytes(""),
      bytes("nonsense, long enough"),
      frame({}),
      frame({ stream: "a", sequence: 1.5, acknowledged: 0 }),
      frame({ stream: 5, sequence: 1, acknowledged: 0 }),
    ]) {
      expect((await ask(bad)).code).toBe("BUS_BAD_MESSAGE");
    }
    const far = await ask(frame({ stream: "a", sequence: 300, acknowledged: 0 }));
    expect([far.code, far.retryable]).toEqual(["BUS_WINDOW_FULL", true]);
  });
});
