/** The contract of the metadata service: every backend passes it. */
import { describe, expect, test } from "vitest";
import type { Scope } from "../../src/core/scope.ts";
import { SECOND } from "../../src/core/units.ts";
import type { SiteRecord } from "../../src/sync/between/cartel/registry/contract.ts";
import type { World } from "../../src/world/contract.ts";
import {
  type Part,
  peerId,
  type RegistryRun,
  recordOf,
  runRegistry,
  TTL,
} from "./registry-fixtures.ts";

const nodesOf = (records: readonly SiteRecord[]): string[] => records.map(({ node }) => node);

/** Until the given second of the run. */
const at = (world: World, seconds: number, scope: Scope): Promise<void> =>
  world.clock.sleep(Math.max(0, seconds * SECOND - world.clock.now()), scope);

const idle: Part = async () => {};

/** @param registry the backend as an experiment names it. @param losable whether its messages can be lost. */
export function registryContract(registry: RegistryRun["registry"], losable: boolean): void {
  const ask = async (
    parts: Readonly<Record<number, Part>>,
    more: Partial<RegistryRun> = {},
    peers = 12,
  ) => runRegistry({ registry, peers, part: (i) => parts[i] ?? idle, ...more });

  /** Publishes this once everybody has found each other. */
  const tells =
    (index: number, classes: readonly number[], error?: number, seconds = 5): Part =>
    async (own, world, scope) => {
      await at(world, seconds, scope);
      own.publish(recordOf(index, world.clock.now(), classes, error));
    };

  describe(`the registry ${registry.kind}`, () => {
    test("finds the nodes that know one of the classes, sorted, without the asker", async () => {
      let found: readonly SiteRecord[] = [];
      await ask({
        0: async (own, world, scope) => {
          await tells(0, [1, 2])(own, world, scope);
          await at(world, 10, scope);
          found = await own.query({ classes: [1, 3], limit: 8 }, 2 * SECOND, scope);
        },
        1: tells(1, [1]),
        2: tells(2, [2]),
        3: tells(3, [3, 4, 5, 6, 7]),
        4: tells(4, [9, 3]),
      });
      expect(nodesOf(found)).toEqual([peerId(1), peerId(3), peerId(4)]);
      expect({ ...found[0] }).toEqual(recordOf(1, found[0]!.sequence, [1]));
    });

    test("of more than the limit it names those that know most of the classes best", async () => {
      let found: readonly SiteRecord[] = [];
      await ask({
        0: async (own, world, scope) => {
          await at(world, 10, scope);
          found = await own.query({ classes: [1, 2], limit: 2 }, 2 * SECOND, scope);
        },
        1: tells(1, [1], 0.5),
        2: tells(2, [1], 0.2),
        3: tells(3, [1, 2], 0.4),
        4: tells(4, [1], 0.1),
      });
      expect(nodesOf(found)).toEqual([peerId(3), peerId(4)]);
    });

    test("a newer record replaces an older one, and never the other way round", async () => {
      let found: readonly SiteRecord[] = [];
      await ask({
        0: async (own, world, scope) => {
          await at(world, 14, scope);
          found = await own.query({ classes: [1], limit: 8 }, 2 * SECOND, scope);
        },
        1: async (own, world, scope) => {
          await at(world, 5, scope);
          own.publish(recordOf(1, 4 * SECOND, [1], 0.9));
          await at(world, 7, scope);
          own.publish(recordOf(1, 7 * SECOND, [1], 0.2));
          await at(world, 9, scope);
          own.publish(recordOf(1, 5 * SECOND, [1], 0.7));
        },
      });
      expect(found.map(({ sequence }) => sequence)).toEqual([7 * SECOND]);
    });

    test("what nobody tells again is gone after its time", async () => {
      const found: number[] = [];
      await ask(
        {
          0: async (own, world, scope) => {
            for (const seconds of [15, 5 + TTL / SECOND + 5]) {
              await at(world, seconds, scope);
              found.push((await own.query({ classes: [1], limit: 8 }, 2 * SECOND, scope)).length);
            }
          },
          1: tells(1, [1]),
        },
        { simulation: { faults: [{ kind: "crash", node: peerId(1), at: 6 }] } },
      );
      expect(found).toEqual([1, 0]);
    });

    test("nobody there: an empty answer within the deadline", async () => {
      let [found, took] = [1, 0];
      await ask(
        {
          0: async (own, world, scope) => {
            await at(world, 10, scope);
            const begin = world.clock.now();
            found = (await own.query({ classes: [1], limit: 8 }, 2 * SECOND, scope)).length;
            took = world.clock.now() - begin;
          },
        },
        {},
        2,
      );
      expect(found).toBe(0);
      expect(took).toBeLessThanOrEqual(2 * SECOND);
    });

    if (!losable) return;

    test("loss and duplication of every message are borne", async () => {
      const found: string[] = [];
      await ask(
        {
          0: async (own, world, scope) => {
            await at(world, 25, scope);
            found.push(...nodesOf(await own.query({ classes: [1], limit: 8 }, 6 * SECOND, scope)));
          },
          1: async (own, world, scope) => {
            for (const seconds of [5, 10, 15, 20])
              await tells(1, [1], 0.1, seconds)(own, world, scope);
          },
        },
        { simulation: { lossRate: 0.2, duplicationRate: 0.2, jitterMicros: 20_000 } },
      );
      expect(found).toEqual([peerId(1)]);
    });

    test("cut off: what is there or nothing, in time, and all of it after the heal", async () => {
      const found: number[] = [];
      let longest = 0;
      const cut = Array.from({ length: 11 }, (_, i) => ({
        kind: "partition" as const,
        a: "s0",
        b: `s${i + 1}`,
        at: 8,
        for: 10,
      }));
      await ask(
        {
          0: async (own, world, scope) => {
            for (const seconds of [10, 30]) {
              await at(world, seconds, scope);
              const begin = world.clock.now();
              found.push((await own.query({ classes: [1], limit: 8 }, 2 * SECOND, scope)).length);
              longest = Math.max(longest, world.clock.now() - begin);
            }
          },
          5: async (own, world, scope) => {
            for (const seconds of [5, 20, 25]) await tells(5, [1], 0.1, seconds)(own, world, scope);
          },
        },
        {
          registry: registry.kind === "central" ? { ...registry, site: "s3" } : registry,
          simulation: { faults: cut },
        },
      );
      expect(found[0]).toBeLessThanOrEqual(1);
      expect(found[1]).toBe(1);
      expect(longest).toBeLessThanOrEqual(2 * SECOND);
    });
  });
}
