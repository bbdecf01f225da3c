/** What every connection between hosts promises, whatever carries it. A carrier passes by handing in pairs. */
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../src/core/ids.ts";
import { Scope } from "../../src/core/scope.ts";
import type { Connection, Parcel } from "../../src/world/wire/contract.ts";
import type { WireOptions } from "../../src/world/wire/options.ts";
import { B, parcel } from "./wire-parcel.ts";

/** A connection's two ends. */
export interface Ends {
  readonly left: Connection;
  readonly right: Connection;
}

export interface WireUnderTest {
  /** Joins two hosts, "left" and "right"; `left` did the dialling. */
  connect(options?: Partial<WireOptions>): Promise<Ends>;
  /**
   * Joins this host to one in a process or thread of its own, called "victim" (wire-victim.ts), which sends one
   * parcel, takes few, and can be killed.
   */
  victim(): Promise<{ readonly connection: Connection; kill(): Promise<unknown> }>;
}

/** Resolves with the first `count` parcels. */
export function collect(connection: Connection, count: number): Promise<Parcel[]> {
  return new Promise((resolve) => {
    const got: Parcel[] = [];
    connection.receive((each) => {
      if (got.push(each) === count) resolve(got);
    });
  });
}

const counted = (bytes: number): Uint8Array => {
  const values = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i += 4093) values[i] = i;
  return values;
};

export function wireContract(name: string, wire: WireUnderTest): void {
  async function joined(body: (ends: Ends) => Promise<void>, options?: Partial<WireOptions>) {
    const ends = await wire.connect(options);
    try {
      await body(ends);
    } finally {
      await Promise.all([ends.left.close(), ends.right.close()]);
    }
  }

  describe(`${name} keeps the contract of connections`, () => {
    test("both ends know each other's names", () =>
      joined(async ({ left, right }) => {
        expect([left.peer, right.peer]).toEqual(["right", "left"]);
      }));

    test("many parcels both ways, in both queues: each once and in order", () =>
      joined(async ({ left, right }) => {
        const count = 3000;
        const queues = ["control", "bulk"] as const;
        const got = [collect(right, 2 * count), collect(left, 2 * count)];
        for (let n = 0; n < count; n++)
          for (const end of [left, right])
            for (const queue of queues) end.send(parcel(queue, { n }, [Int32Array.of(n, -n)]));
        for (const parcels of await Promise.all(got))
          for (const queue of queues) {
            const ours = parcels.filter((each) => each.queue === queue);
            expect(ours.map(({ header }) => header["n"])).toEqual([...Array(count).keys()]);
            expect(ours.every(({ payload }, n) => (payload[0] as Int32Array)[1] === -n)).toBe(true);
          }
      }));

    test("parcels of many sizes arrive whole", () =>
      joined(async ({ left, right }) => {
        const sizes = [1, 15, 16, 17, 4095, 65_535, 65_536, 131_072, 524_287, 524_288, 524_289];
        const more = [1_048_576 + 16, 3_000_001];
        const all = [...sizes, ...more, ...sizes].map(counted);
        const got = collect(right, all.length);
        for (const [n, each] of all.entries())
          left.send(parcel("bulk", { n }, [each, each.subarray(1)]));
        (await got).forEach(({ payload }, n) => {
          expect(Buffer.compare(payload[0] as Uint8Array, all[n]!)).toBe(0);
          expect(Buffer.compare(payload[1] as Uint8Array, all[n]!.subarray(1))).toBe(0);
        });
      }));

    test("headers hold numbers, texts and lists, names any text", () =>
      joined(async ({ left, right }) => {
        const header = {
          ...{ zero: 0, less: -1.5, large: 2 ** 53, never: Number.NaN, endless: Infinity },
          ...{ text: "Größe 大 🌍", empty: "", list: [1, 2.5, -3], nothing: [], "a key": 1 },
        };
        const got = collect(right, 3);
        for (let n = 0; n < 3; n++)
          left.send({ ...parcel("control", header), kind: "ключ", to: `${B}${n}` as NodeId });
        for (const [n, each] of (await got).entries()) {
          expect(each).toEqual({ ...parcel("control", header), kind: "ключ", to: `${B}${n}` });
        }
      }));

    test("payloads keep their types, are aligned, and stay the sender's", () =>
      joined(async ({ left, right }) => {
        const shared = new Float32Array(new SharedArrayBuffer(40), 8, 4).fill(7);
        const payload = [
          ...[
            Uint8Array.of(1, 2, 3),
            Int8Array.of(-1),
            Uint8ClampedArray.of(255),
            Int16Array.of(-2),
          ],
          ...[Uint16Array.of(9, 8, 7), Int32Array.of(-3), Uint32Array.of(2 ** 31)],
          ...[Float32Array.of(0.5, 1e30, 2), Float64Array.of(Math.PI), BigInt64Array.of(-5n)],
          ...[BigUint64Array.of(2n ** 63n), new DataView(Uint8Array.of(0, 1, 2).buffer, 1)],
          ...[new Float32Array(100).fill(3).subarray(1, 4), shared, new Uint8Array(0)],
        ];
        const before = structuredClone(payload);
        const got = collect(right, 2);
        left.send(parcel("bulk", {}, [...payload, Buffer.from("text")]));
        left.send(parcel("control", {}, payload));
        for (const each of await got) {
          expect(each.payload.slice(0, payload.length)).toEqual(before);
          for (const view of each.payload) expect(view.byteOffset % 16).toBe(0);
          if (each.queue === "bulk")
            expect(each.payload.at(-1)).toEqual(Uint8Array.from(Buffer.from("text")));
        }
        expect(payload).toEqual(before);
      }));

    test("nothing and 100 MB arrive", () =>
      joined(async ({ left, right }) => {
        const large = new Float32Array(25e6);
        for (let i = 0; i < large.length; i += 1001) large[i] = i;
        const got = collect(right, 3);
        left.send(parcel("bulk", { n: 0 }, [new Float32Array(0)]));
        left.send(parcel("bulk", { n: 1 }, [large]));
        left.send(parcel("bulk", { n: 2 }));
        const [nothing, much, none] = await got;
        expect(nothing?.payload).toEqual([new Float32Array(0)]);
        expect(none?.payload).toEqual([]);
        expect(Buffer.compare(bytes(much!.payload[0]!), bytes(large))).toBe(0);
      }));

    test("control overtakes queued bulk", () =>
      joined(async ({ left, right }) => {
        const count = 64;
        const got = collect(right, count + 1);
        const megabyte = new Uint8Array(1 << 20);
        for (let n = 0; n < count; n++) left.send(parcel("bulk", { n }, [megabyte]));
        left.send(parcel("control", {}));
        const order = (await got).map(({ queue }) => queue);
        expect(order.indexOf("control")).toBeLessThan(count);
      }));

    test("queues are bounded, and drained says when to go on", () =>
      joined(
        async ({ left, right }) => {
          const part = new Uint8Array(1 << 20);
          let sent = 0;
          const fill = (): void => {
            for (;;) {
              left.send(parcel("bulk", { n: sent }, [part]));
              sent++;
            }
          };
          expect(fill).toThrow(expect.objectContaining({ code: "QUEUE_FULL" }));
          expect(sent).toBeGreaterThanOrEqual(3);
          expect(sent).toBeLessThanOrEqual(4);
          expect(left.backlog()).toBeGreaterThanOrEqual(sent << 20);
          await Scope.run((scope) => left.drained(2 << 20, scope));
          expect(left.backlog()).toBeLessThanOrEqual(2 << 20);
          left.send(parcel("control", {}));
          await Scope.run((scope) => left.drained(0, scope));
          expect(left.backlog()).toBe(0);
          // One parcel may be larger than the bound when nothing else waits.
          left.send(parcel("bulk", { n: sent }, [new Uint8Array(6 << 20)]));
          sent++;
          expect(await collect(right, sent + 1)).toHaveLength(sent + 1);
        },
        { maxQueued: 4 << 20 },
      ));

    test("waiting for the queue ends with its scope", () =>
      joined(async ({ left }) => {
        left.send(parcel("bulk", {}, [new Uint8Array(1 << 20)]));
        const scope = new Scope();
        const wait = left.drained(0, scope);
        scope.cancel("enough");
        await expect(wait).rejects.toThrow("enough");
      }));

    test("what came before somebody received is kept, within bounds, and delivered first", () =>
      joined(
        async ({ left, right }) => {
          const part = new Uint8Array((1 << 20) - 1024);
          for (let n = 0; n < 6; n++) {
            left.send(parcel("bulk", { n }, [part]));
            if (n < 3) await Scope.run((scope) => left.drained(0, scope));
          }
          const got = collect(right, 10);
          for (let n = 6; n < 10; n++) left.send(parcel("control", { n }));
          const order = (await got).map(({ header }) => header["n"] as number);
          expect(order.filter((n) => n < 6)).toEqual([0, 1, 2, 3, 4, 5]);
          expect(order.filter((n) => n >= 6)).toEqual([6, 7, 8, 9]);
        },
        { maxQueued: 3 << 20 },
      ));

    test("a close sends what is queued, at both ends, and then nothing more", async () => {
      const { left, right } = await wire.connect();
      const count = 20;
      const got = [collect(right, 2 * count), collect(left, count)];
      const part = new Uint8Array(1 << 20);
      for (let n = 0; n < count; n++) {
        left.send(parcel("bulk", { n }, [part]));
        left.send(parcel("control", { n }));
        right.send(parcel("bulk", { n }, [part]));
      }
      const closed = left.close();
      expect(() => left.send(parcel("control", {}))).toThrow(
        expect.objectContaining({ code: "PEER_GONE" }),
      );
      const [there, here] = await Promise.all(got);
      expect(there).toHaveLength(2 * count);
      expect(here).toHaveLength(count);
      await closed;
      expect(await left.ended).toBeUndefined();
      expect(await right.ended).toBeUndefined();
      expect(() => right.send(parcel("control", {}))).toThrow(/left/);
      await Promise.all([left.close(), right.close()]);
    });

    test("both may close at once, and twice", async () => {
      const { left, right } = await wire.connect();
      await Promise.all([left.close(), right.close(), left.close()]);
      expect(await Promise.all([left.ended, right.ended])).toEqual([undefined, undefined]);
    });

    test("a handler's fault stops nothing between the hosts", () =>
      joined(async ({ left, right }) => {
        const faults: unknown[] = [];
        const others = process.listeners("uncaughtException");
        process.removeAllListeners("uncaughtException");
        process.on("uncaughtException", (error) => faults.push(error));
        try {
          await new Promise<void>((resolve) => {
            right.receive(({ header }) => {
              if (header["n"] === 0) throw new Error("a fault");
              resolve();
            });
            left.send(parcel("control", { n: 0 }));
            left.send(parcel("control", { n: 1 }));
          });
        } finally {
          process.removeAllListeners("uncaughtException");
          for (const other of others) process.on("uncaughtException", other);
        }
        expect(faults).toEqual([new Error("a fault")]);
      }));

    test("a killed peer ends the connection with its name, and nobody waits on", async () => {
      const { connection, kill } = await wire.victim();
      // It has said so: it is up, and it will take little and then no more.
      await collect(connection, 1);
      for (let n = 0; n < 64; n++) connection.send(parcel("bulk", {}, [new Uint8Array(1 << 20)]));
      const waits = Scope.run((scope) => connection.drained(0, scope));
      const killed = kill();
      await expect(waits).rejects.toMatchObject({ code: "PEER_GONE" });
      expect(await connection.ended).toMatchObject({ code: "PEER_GONE" });
      expect((await connection.ended)?.message).toContain("victim");
      expect(() => connection.send(parcel("control", {}))).toThrow("victim");
      await connection.close();
      await killed;
    });
  });
}

const bytes = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
