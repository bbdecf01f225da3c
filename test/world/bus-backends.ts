/** The backends of the bus as tests start them. */
import { MessageChannel } from "node:worker_threads";
import { MILLISECOND } from "../../src/core/units.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { portPipe } from "../../src/world/bus/port.ts";
import { remoteBus } from "../../src/world/bus/remote.ts";
import { serveBus } from "../../src/world/bus/serve.ts";
import type { BusUnderTest } from "./bus-contract.ts";
import { turn, VirtualTimers } from "./virtual-timers.ts";

export async function memoryBackend(): Promise<BusUnderTest & { readonly timers: VirtualTimers }> {
  const timers = new VirtualTimers();
  const broker = new MemoryBroker(timers);
  return {
    timers,
    connect: async (id) => broker.connect(id),
    pass: () => timers.advance(50 * MILLISECOND),
    stop: async () => {},
  };
}

/** Clients reach the broker through message ports, as worker threads do. */
export async function remoteBackend(): Promise<BusUnderTest & { readonly timers: VirtualTimers }> {
  const timers = new VirtualTimers();
  const broker = new MemoryBroker(timers);
  const served: Promise<void>[] = [];
  const ports: MessageChannel[] = [];
  return {
    timers,
    connect: async (id) => {
      const channel = new MessageChannel();
      ports.push(channel);
      served.push(serveBus(broker.connect(id), portPipe(channel.port1)));
      return remoteBus(id, portPipe(channel.port2), timers);
    },
    pass: async () => {
      await turn();
      await timers.advance(50 * MILLISECOND);
    },
    stop: async () => {
      for (const { port1 } of ports) port1.close();
      await Promise.all(served);
    },
  };
}
