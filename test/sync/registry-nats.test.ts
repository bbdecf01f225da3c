/** The bucket of a real NATS server as metadata service: in real time, with the server killed and started anew. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Condition } from "../../src/core/condition.ts";
import { createRandom } from "../../src/core/random.ts";
import { Scope } from "../../src/core/scope.ts";
import { MILLISECOND, SECOND } from "../../src/core/units.ts";
import type { Registry, SiteRecord } from "../../src/sync/between/cartel/registry/contract.ts";
import { natsRegistry, wordOf } from "../../src/sync/between/cartel/registry/nats.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import type { World } from "../../src/world/contract.ts";
import { machineMicros, RunClock } from "../../src/world/live/clock.ts";
import { type NatsServer, natsOptions, startNats } from "../world/nats-server.ts";
import { CLASSES, peerId, peers, recordOf } from "./registry-fixtures.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

const clock = new RunClock(machineMicros());

function worldOf(index: number): { readonly world: World; readonly refused: number[] } {
  const refused: number[] = [];
  const world = {
    node: peers(index + 1)[index]!,
    clock,
    random: createRandom(index),
    condition: () => new Condition(),
    emit: () => refused.push(1),
  } as unknown as World;
  return { world, refused };
}

/** Asks until the answer is as wanted: what was told takes its way. */
async function found(
  registry: Registry,
  scope: Scope,
  wanted: (records: readonly SiteRecord[]) => boolean,
): Promise<readonly SiteRecord[]> {
  for (;;) {
    const records = await registry.query({ classes: [1], limit: 8 }, SECOND, scope);
    if (wanted(records)) return records;
    await clock.sleep(20 * MILLISECOND, scope);
  }
}

test("records are told, found, replaced, and there again after the server's death", async () => {
  const terms = {
    classes: CLASSES,
    nodes: new Set(peers(3).map(({ id }) => id)),
    ttl: 60 * SECOND,
    bucket: "cartel",
  };
  const more = { deadline: 2 * SECOND };
  const buses = await Promise.all(
    [0, 1, 2].map((i) => connectNats(natsOptions(server, { id: `p${i}`, ...more }))),
  );
  const worlds = [0, 1, 2].map(worldOf);
  await Scope.run(async (scope) => {
    const [asker, one, two] = buses.map((bus, i) =>
      natsRegistry(worlds[i]!.world, bus, terms, scope),
    );
    one!.publish(recordOf(1, clock.now(), [1, 2]));
    two!.publish(recordOf(2, clock.now(), [1]));
    const both = await found(asker!, scope, (records) => records.length === 2);
    expect(both.map(({ node }) => node)).toEqual([peerId(1), peerId(2)]);

    one!.publish(recordOf(1, clock.now(), [1, 2], 0.5));
    const newer = await found(asker!, scope, ([first]) => first!.error > 0.4);
    expect(newer[0]?.error).toBeCloseTo(0.5, 2);

    // Somebody writes for somebody else: refused by who reads it.
    const kv = await buses[2]!.kv("cartel", { ttlSeconds: 60 });
    await kv.put(`class-1.${wordOf(peerId(0))}`, Uint8Array.of(1, 2, 3));
    expect(await asker!.query({ classes: [1], limit: 8 }, 5 * SECOND, scope)).toHaveLength(2);
    expect(worlds[0]!.refused).toHaveLength(1);

    await server.kill();
    const begin = clock.now();
    expect(await asker!.query({ classes: [1], limit: 8 }, 200 * MILLISECOND, scope)).toEqual([]);
    expect(clock.now() - begin).toBeLessThan(2 * SECOND);
    one!.publish(recordOf(1, clock.now(), [1]));

    await server.restart();
    const sequence = clock.now();
    one!.publish(recordOf(1, sequence, [1], 0.25));
    await found(asker!, scope, (records) => records.some((record) => record.sequence === sequence));
    for (const bus of buses) await bus.close();
  });
}, 30_000);
