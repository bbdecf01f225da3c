/** The bus in memory, direct and through message ports, keeps the contract. */
import { MessageChannel } from "node:worker_threads";
import { expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { portPipe } from "../../src/world/bus/port.ts";
import { remoteBus } from "../../src/world/bus/remote.ts";
import { serveBus } from "../../src/world/bus/serve.ts";
import { memoryBackend, remoteBackend } from "./bus-backends.ts";
import { bytes, codeOf, describeBus } from "./bus-contract.ts";
import { VirtualTimers } from "./virtual-timers.ts";

describeBus("memory", memoryBackend);
describeBus("memory from another thread", remoteBackend);

test("a host that ends without a word is forgotten, and who waited for it is told", async () => {
  const timers = new VirtualTimers();
  const broker = new MemoryBroker(timers);
  const { port1, port2 } = new MessageChannel();
  const served = serveBus(broker.connect("host"), portPipe(port1));
  const host = remoteBus("host", portPipe(port2), timers);
  await host.serve("host.ask", () => new Promise<Uint8Array>(() => {}));
  const kv = await host.kv("k");
  const supervisor = broker.connect("supervisor");
  const asked = codeOf(supervisor.request("host.ask", bytes(""), { deadline: 60 * SECOND }));
  port2.close();
  await served;
  expect(await asked).toBe("BUS_TIMEOUT");
  expect(await codeOf(kv.get("x"))).toBe("BUS_CLOSED");
  const again = supervisor.request("host.ask", bytes(""), { deadline: SECOND });
  expect(await codeOf(again)).toBe("BUS_NO_RESPONDERS");
});
