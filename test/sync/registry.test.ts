/** The three backends of the metadata service under one suite, and what is special to each. */
import { describe, expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { PUBLISH } from "../../src/sync/between/cartel/registry/central.ts";
import { STORE } from "../../src/sync/between/cartel/registry/dht/dht.ts";
import { keyOf } from "../../src/sync/between/cartel/registry/dht/key.ts";
import { encodeRecord } from "../../src/sync/between/cartel/registry/record.ts";
import {
  RegistryOptions,
  registryService,
} from "../../src/sync/between/cartel/registry/service.ts";
import type { StreamRequest } from "../../src/sync/streams.ts";
import { registryContract } from "./registry-contract.ts";
import { type Part, peerId, recordOf, runRegistry, TTL } from "./registry-fixtures.ts";

registryContract({ kind: "central" }, true);
registryContract({ kind: "dht" }, true);
registryContract({ kind: "nats" }, false);

const until =
  (seconds: number, part: Part): Part =>
  async (own, world, scope) => {
    await world.clock.sleep(seconds * SECOND, scope);
    await part(own, world, scope);
  };

const idle: Part = async () => {};

const count =
  (into: number[]): Part =>
  async (own, _, scope) => {
    into.push((await own.query({ classes: [1], limit: 8 }, SECOND, scope)).length);
  };

describe("the central registry", () => {
  test("is silent while it is down, and knows all again after the next reports", async () => {
    const found: number[] = [];
    await runRegistry({
      registry: { kind: "central", site: "s1" },
      peers: 3,
      part: (i) =>
        i === 0
          ? async (own, world, scope) => {
              for (const _ of [10, 20, 30]) await until(10, count(found))(own, world, scope);
            }
          : async (own, world, scope) => {
              for (let t = 5; t < 30; t += 6)
                await until(6, async () => own.publish(recordOf(i, world.clock.now(), [1])))(
                  own,
                  world,
                  scope,
                );
            },
      simulation: {
        faults: [{ kind: "crash", node: "s1/registry-0", at: 8, restartAfter: 14 }],
      },
    });
    expect(found).toEqual([0, 0, 2]);
  });

  test("takes no record that speaks for somebody else", async () => {
    const found: number[] = [];
    const { events } = await runRegistry({
      registry: { kind: "central", site: "s1" },
      peers: 3,
      part: (i) =>
        [
          until(5, count(found)),
          idle,
          (async (_, world) => {
            const forged = encodeRecord(recordOf(1, 1, [1]));
            world.network.send("s1/registry-0" as never, PUBLISH, {}, [forged]);
            world.network.send("s1/registry-0" as never, PUBLISH, {}, [Uint8Array.of(1, 2, 3)]);
          }) satisfies Part,
        ][i]!,
    });
    expect(found).toEqual([0]);
    expect(events).toContainEqual(
      expect.objectContaining({ name: "cartel.refusedRecords", value: 2, site: "s1" }),
    );
  });
});

describe("the distributed hash table", () => {
  test("answers under churn: half of the nodes come and go", async () => {
    const PEERS = 60;
    const found: number[] = [];
    const faults = Array.from({ length: PEERS / 2 }, (_, i) => i + 30).flatMap((i) =>
      [10, 40, 70].map((at) => ({
        kind: "crash" as const,
        node: peerId(i),
        at: at + (i % 10),
        restartAfter: 12,
      })),
    );
    await runRegistry({
      registry: { kind: "dht" },
      peers: PEERS,
      part: (i) => async (own, world, scope) => {
        for (let turn = 0; turn < 10; turn++) {
          await world.clock.sleep(10 * SECOND, scope);
          own.publish(recordOf(i, world.clock.now(), [i % 10, (i + 1) % 10]));
          if (i < 5 && turn >= 2)
            found.push((await own.query({ classes: [7], limit: 8 }, 4 * SECOND, scope)).length);
        }
      },
      simulation: { faults },
    });
    // Twelve nodes know the class; the answer is bounded by eight of them.
    const full = found.filter((records) => records === 8).length;
    expect(found.length).toBe(40);
    expect(Math.min(...found)).toBeGreaterThan(0);
    expect(full).toBeGreaterThanOrEqual(38);
  });

  test("keeps no record that speaks for somebody else", async () => {
    const found: number[] = [];
    const key = keyOf("class 1");
    await runRegistry({
      registry: { kind: "dht" },
      peers: 6,
      part: (i) =>
        i === 0
          ? until(10, count(found))
          : i === 5
            ? until(5, async (_, world) => {
                for (let to = 0; to < 5; to++)
                  world.network.send(peerId(to), STORE, { id: 1, keys: [key.high, key.low] }, [
                    encodeRecord(recordOf(2, world.clock.now(), [1])),
                  ]);
              })
            : idle,
    });
    expect(found).toEqual([0]);
  });

  test("nobody but the sites is needed: a record outlives any of its keepers", async () => {
    const found: number[] = [];
    await runRegistry({
      registry: { kind: "dht", replicas: 3 },
      peers: 30,
      part: (i) =>
        i === 0
          ? until(5 + TTL / SECOND, count(found))
          : i === 1
            ? until(5, async (own, world) => own.publish(recordOf(1, world.clock.now(), [1])))
            : idle,
      // The ten nodes closest to the key but the two who talk.
      simulation: {
        faults: Array.from({ length: 28 }, (_, i) => i + 2)
          .sort((a, b) => distance(peerId(a)) - distance(peerId(b)))
          .slice(0, 10)
          .map((i) => ({ kind: "crash" as const, node: peerId(i), at: 12 })),
      },
    });
    expect(found).toEqual([1]);
  });
});

const distance = (node: string): number => (keyOf(node).high ^ keyOf("class 1").high) >>> 0;

test("a bucket needs a bus", () => {
  const terms = { classes: 2, nodes: new Set<never>(), ttl: SECOND };
  const options = RegistryOptions.parse({ kind: "nats" });
  expect(() => registryService(options, {} as StreamRequest, terms)).toThrow(
    expect.objectContaining({ code: "REGISTRY_NEEDS_BUS" }),
  );
});
