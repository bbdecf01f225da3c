/** A coordinator whose agents cannot all be taken back: it says so, and gives back everything else. */
import { afterEach, expect, test } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import { Scope } from "../../src/core/scope.ts";
import { SECOND } from "../../src/core/units.ts";
import { acquireLease } from "../../src/world/bus/lease.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import { leadRun } from "../../src/world/cluster/coordinator.ts";
import { LEASES } from "../../src/world/cluster/subjects.ts";
import { natsOptions, startNats } from "./nats-server.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const LEFT = "could not be ended: oregon-0 (job 17)";

test("a run of which an agent cannot be taken back ends as it ended, and its lease is given back", async () => {
  const server = await startNats();
  ends.push(() => server.stop());
  const told: string[] = [];
  const led = await leadRun({
    ...{ nats: [server.url], domain: undefined, access: { version: "1", insecure: true } },
    ...{ title: "left", spec: {}, wanted: { nodes: [], labels: {} }, waitMicros: 5 * SECOND },
    ...{ leaseMicros: 600 * SECOND, signal: new AbortController().signal },
    tell: (text) => told.push(text),
    place: async () => ({
      failed: new Promise<never>(() => {}),
      takeBack: () => Promise.reject(new PangaeaError("PLACEMENT_LEFT", LEFT)),
    }),
  });
  await led.fleet.open();
  await led.fleet.close();
  await led.close();
  expect(told).toContain(LEFT);
  const bus = await connectNats(natsOptions(server));
  ends.push(() => bus.close());
  const options = { timers: realTimers(), holder: "another", durationMicros: SECOND };
  const lease = await acquireLease(await bus.kv(LEASES), led.run, options, new Scope());
  expect(lease.epoch).toBe(2);
  await lease.release();
});
