/** Connections relayed over a bus: the contract of all connections, on a bus that loses and repeats. */
import { MILLISECOND } from "../../src/core/units.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import { lossyBus } from "./lossy-bus.ts";
import { wireContract } from "./wire-contract.ts";
import { overBus } from "./wire-over-bus.ts";

const timers = realTimers();

const broker = new MemoryBroker(timers);
const beatMicros = 100 * MILLISECOND;
wireContract(
  "a relay in memory",
  overBus(async (id) => broker.connect(id), { beatMicros }),
);

let seed = 1;
const faults = { lost: 0.05, answerLost: 0.05, repeated: 0.1, delayMicrosMax: 3 * MILLISECOND };
const lossy = new MemoryBroker(timers);
wireContract(
  "a relay that loses, repeats and reorders",
  overBus(async (id) => lossyBus(lossy.connect(id), timers, seed++, faults), { beatMicros }),
);
