/**
 * What every world promises to a node program. A world passes by handing in how it runs programs; times are
 * compared only as inequalities, because a live world's clock is not exact.
 */
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../src/core/ids.ts";
import { Scope } from "../../src/core/scope.ts";
import type { BitsPerSecond, Micros } from "../../src/core/units.ts";
import type { NodeInfo, NodeProgram, PathEstimate, World } from "../../src/world/contract.ts";
import { type Message, messageKind } from "../../src/world/message.ts";
import { makeNode } from "./fixtures.ts";

/** A run of programs at the sites alpha and beta. */
export interface WorldUnderTest {
  /** Runs the programs until all have ended; rejects when one fails. */
  run(programs: ReadonlyMap<NodeInfo, NodeProgram>): Promise<void>;
  /** What alpha and beta are joined by, where the world makes it so; absent: by whatever this machine has. */
  readonly link?: { readonly bandwidth: BitsPerSecond; readonly oneWayMicros: Micros };
}

const left = makeNode("alpha", "peer", 0);
const near = makeNode("alpha", "peer", 1);
const far = makeNode("beta", "peer", 0);
export const contractNodes: readonly NodeInfo[] = [left, near, far];

const CONTROL = messageKind("contract.control", "control", "control");
const BULK = messageKind("contract.bulk", "bulk", "update");
const RECORDS = messageKind("contract.records", "bulk", "records");

const idle: NodeProgram = async () => {};

/** Waits for so many messages of a kind. */
async function receive(
  world: World,
  scope: Scope,
  kind: typeof CONTROL,
  count: number,
): Promise<{ message: Message; from: NodeId }[]> {
  const got: { message: Message; from: NodeId }[] = [];
  const changed = world.condition();
  world.network.handle(kind, (message, from) => {
    got.push({ message, from });
    changed.notify();
  });
  await changed.until(() => got.length >= count, { what: `${count} ${kind.name}` }, scope);
  return got;
}

const listens =
  (kind: typeof CONTROL, count: number): NodeProgram =>
  async (world, scope) => {
    await receive(world, scope, kind, count);
  };

export function worldContract(name: string, makeWorld: () => WorldUnderTest): void {
  const run = (programs: readonly (readonly [NodeInfo, NodeProgram])[]): Promise<void> =>
    makeWorld().run(new Map(programs));

  describe(`${name} keeps the contract of worlds`, () => {
    test("time goes on during sleep, at least by what was asked", async () => {
      let slept = 0;
      await run([
        [
          left,
          async (world, scope) => {
            const start = world.clock.now();
            await world.clock.sleep(5000, scope);
            slept = world.clock.now() - start;
            expect(Number.isSafeInteger(world.clock.now())).toBe(true);
          },
        ],
      ]);
      expect(slept).toBeGreaterThanOrEqual(5000);
    });

    test("messages arrive once, in order, with header and payload, near and far", async () => {
      const count = 50;
      for (const kind of [CONTROL, BULK])
        for (const to of [near, far, left]) {
          let got: { message: Message; from: NodeId }[] = [];
          const sends = (world: World): void => {
            for (let n = 0; n < count; n++)
              world.network.send(to.id, kind, { n, tag: "x" }, [Float32Array.of(n, n + 1)]);
          };
          const receives: NodeProgram = async (world, scope) => {
            if (to === left) sends(world);
            got = await receive(world, scope, kind, count);
            await world.clock.sleep(50_000, scope);
          };
          const programs: [NodeInfo, NodeProgram][] = [[to, receives]];
          if (to !== left) programs.push([left, async (world) => sends(world)]);
          await run(programs);
          expect(got.map(({ message }) => message.header.n)).toEqual([...Array(count).keys()]);
          expect(got.every(({ from }) => from === left.id)).toBe(true);
          const { header, payload } = got[7]!.message;
          expect(header.tag).toBe("x");
          expect([...(payload[0] as Float32Array)]).toEqual([7, 8]);
        }
    });

    test("a reliable message that comes before its handler waits for it", async () => {
      let heard = 0;
      await run([
        [left, async (world) => world.network.send(near.id, CONTROL, { n: 9 })],
        [
          near,
          async (world, scope) => {
            await world.clock.sleep(100_000, scope);
            const got = await receive(world, scope, CONTROL, 1);
            heard = Number(got[0]!.message.header.n);
          },
        ],
      ]);
      expect(heard).toBe(9);
    });

    test("backlog grows with bulk that is sent, and drained waits for it to shrink", async () => {
      const seen: number[] = [];
      await run([
        [
          left,
          async (world, scope) => {
            expect(world.network.backlog(far.id)).toBe(0);
            for (let n = 0; n < 4; n++)
              world.network.send(far.id, BULK, { n }, [new Uint8Array(200_000)]);
            seen.push(world.network.backlog(far.id));
            await world.network.drained(far.id, 400_000, scope);
            seen.push(world.network.backlog(far.id));
            await world.network.drained(far.id, 0, scope);
            seen.push(world.network.backlog(far.id));
          },
        ],
        [far, listens(BULK, 4)],
      ]);
      expect(seen[0]).toBeGreaterThanOrEqual(800_000);
      expect(seen[1]).toBeLessThanOrEqual(400_000);
      expect(seen[2]).toBe(0);
    });

    test("the way to a peer is estimated from what was sent, and from nothing else", async () => {
      const seen: PathEstimate[] = [];
      const count = 20;
      await run([
        [
          left,
          async (world, scope) => {
            const { network } = world;
            expect(network.estimate(left.id)).toEqual({});
            expect(network.estimate(far.id).goodput).toBeUndefined();
            for (let n = 0; n < count; n++)
              network.send(far.id, BULK, { n }, [new Uint8Array(50_000)]);
            await receive(world, scope, CONTROL, 1);
            network.send(far.id, CONTROL, {});
            await world.clock.sleep(100_000, scope);
            seen.push(network.estimate(far.id), network.estimate(left.id));
          },
        ],
        [
          far,
          async (world, scope) => {
            await receive(world, scope, BULK, count);
            world.network.send(left.id, CONTROL, {});
            await receive(world, scope, CONTROL, 1);
          },
        ],
      ]);
      const [{ goodput, roundTripMicros } = {}, self] = seen;
      expect(self).toEqual({});
      expect(roundTripMicros).toBeGreaterThan(0);
      const { link } = makeWorld();
      if (!link) {
        expect(goodput ?? 1).toBeGreaterThan(0);
        return;
      }
      expect(goodput).toBeGreaterThan(0.75 * link.bandwidth);
      expect(goodput).toBeLessThan(1.25 * link.bandwidth);
      expect(roundTripMicros).toBeGreaterThanOrEqual(2 * link.oneWayMicros);
      // In real time a busy machine may answer late.
      expect(roundTripMicros).toBeLessThan(2.4 * link.oneWayMicros + 1_000_000);
    });

    test("records stay: sending them to another site is refused, inside the site it is not", async () => {
      await run([
        [
          left,
          async (world) => {
            const rows = [new Uint8Array(10)];
            expect(() => world.network.send(far.id, RECORDS, {}, rows)).toThrowError(
              expect.objectContaining({ code: "RECORDS_STAY" }),
            );
            world.network.send(near.id, RECORDS, {}, rows);
          },
        ],
        [near, listens(RECORDS, 1)],
        [far, idle],
      ]);
    });

    test("a cancelled scope rejects its waits, and finally runs", async () => {
      const seen: string[] = [];
      await run([
        [
          left,
          async (world) => {
            const scope = new Scope();
            const nap = (async () => {
              try {
                await world.clock.sleep(60_000_000, scope);
              } finally {
                seen.push("finally");
              }
            })();
            scope.cancel("enough");
            await expect(nap).rejects.toMatchObject({ code: "CANCELLED" });
            await expect(world.clock.sleep(1, scope)).rejects.toMatchObject({ code: "CANCELLED" });
          },
        ],
      ]);
      expect(seen).toEqual(["finally"]);
    });

    test("the store keeps values and logs, and nobody can change them afterwards", async () => {
      await run([
        [
          left,
          async (world) => {
            const value = Uint8Array.of(1, 2);
            await world.store.put("key", value);
            value[0] = 9;
            await world.store.append("log", Uint8Array.of(1));
            await world.store.append("log", Uint8Array.of(2));
            expect(await world.store.get("key")).toEqual(Uint8Array.of(1, 2));
            expect(await world.store.get("nothing")).toBeUndefined();
            expect(await world.store.list("log")).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
            expect(await world.store.list("nothing")).toEqual([]);
          },
        ],
      ]);
    });

    test("random streams differ by node and purpose, and repeat from the seed", async () => {
      const draw = async (): Promise<Map<string, number>> => {
        const draws = new Map<string, number>();
        const program: NodeProgram = async (world) => {
          for (const purpose of ["batches", "noise"])
            draws.set(`${world.node.id} ${purpose}`, world.random.stream(purpose).next());
        };
        await run([
          [left, program],
          [near, program],
        ]);
        return draws;
      };
      const first = await draw();
      expect(new Set(first.values()).size).toBe(4);
      expect(await draw()).toEqual(first);
    });

    test("a program that fails, fails the run with its name and cause; the others unwind", async () => {
      const cause = new Error("out of luck");
      let unwound = false;
      const failed = run([
        [
          left,
          async (world, scope) => {
            await world.clock.sleep(10_000, scope);
            throw cause;
          },
        ],
        [
          far,
          async (world, scope) => {
            try {
              await world.clock.sleep(3_600_000_000, scope);
            } finally {
              unwound = true;
            }
          },
        ],
      ]);
      await expect(failed).rejects.toMatchObject({ code: "NODE_FAILED", cause });
      await expect(failed).rejects.toThrow("alpha/peer-0 failed: out of luck");
      expect(unwound).toBe(true);
    });

    test("a handler that throws fails the run too", async () => {
      const failed = run([
        [left, async (world) => world.network.send(near.id, CONTROL, {})],
        [
          near,
          async (world, scope) => {
            world.network.handle(CONTROL, () => {
              throw new Error("cannot read this");
            });
            await world.clock.sleep(1_000_000, scope);
          },
        ],
      ]);
      await expect(failed).rejects.toThrow("alpha/peer-1 failed: cannot read this");
    });

    test("a kind has one handler", async () => {
      const failed = run([
        [
          left,
          async (world) => {
            world.network.handle(CONTROL, () => {});
            world.network.handle(CONTROL, () => {});
          },
        ],
      ]);
      await expect(failed).rejects.toThrow("handles messages of kind contract.control twice");
    });
  });
}
