/**
 * How true a shaped link is to its description: the rate of bulk over 10 to 1000 Mbit/s, and the delay of single
 * messages. Goals: 3 % in rate, 2 % + 2 ms in delay.
 *   npx tsx bench/shaping.ts
 */
import { createRandom } from "../src/core/random.ts";
import { machineMicros } from "../src/world/live/clock.ts";
import { ShapedLink } from "../src/world/live/shaping.ts";

const MESSAGE_BYTES = 64_000;
const SECONDS = 2;

const makeLink = (bandwidth: number, oneWayMicros: number): ShapedLink =>
  new ShapedLink(
    { bandwidth, oneWayMicros, jitterMicros: 0, lossRate: 0, duplicationRate: 0 },
    createRandom(1),
  );

/** Sends so much that the link is busy for `SECONDS`; the receiver's rate from the first arrival to the last. */
async function rateOf(megabits: number): Promise<number> {
  const link = makeLink(megabits * 1e6, 10_000);
  const count = Math.ceil((SECONDS * megabits * 1e6) / 8 / MESSAGE_BYTES);
  const arrivals: number[] = [];
  await new Promise<void>((resolve) => {
    for (let n = 0; n < count; n++) {
      link.send({
        bytes: MESSAGE_BYTES,
        queue: "bulk",
        lossy: false,
        left: () => {},
        arrive: () => {
          arrivals.push(machineMicros());
          if (arrivals.length === count) resolve();
        },
      });
    }
  });
  const micros = (arrivals.at(-1) as number) - (arrivals[0] as number);
  return ((count - 1) * MESSAGE_BYTES * 8) / micros;
}

/** Delays of single control messages, one after another; sorted. */
async function delaysOf(oneWayMicros: number): Promise<readonly number[]> {
  const link = makeLink(1e9, oneWayMicros);
  const delays: number[] = [];
  for (let n = 0; n < 40; n++) {
    const sent = machineMicros();
    await new Promise<void>((arrive) => {
      link.send({ bytes: 100, queue: "control", lossy: false, left: () => {}, arrive });
    });
    delays.push(machineMicros() - sent);
  }
  return delays.sort((a, b) => a - b);
}

/** The delay of control while bulk keeps the link busy: it must not wait. */
async function delayBehindBulk(oneWayMicros: number): Promise<number> {
  const link = makeLink(50e6, oneWayMicros);
  let arrived = 0;
  const bulk = { bytes: 2_000_000, queue: "bulk", lossy: false } as const;
  const all = new Promise<void>((resolve) => {
    for (let n = 0; n < 2; n++)
      link.send({ ...bulk, left: () => {}, arrive: () => ++arrived === 2 && resolve() });
  });
  const sent = machineMicros();
  const micros = await new Promise<number>((resolve) => {
    const arrive = (): void => resolve(machineMicros() - sent);
    link.send({ bytes: 100, queue: "control", lossy: false, left: () => {}, arrive });
  });
  await all;
  return micros;
}

const milli = (micros: number): string => (micros / 1000).toFixed(2);
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

console.log("rate, Mbit/s      measured     off");
for (const megabits of [10, 30, 100, 300, 1000]) {
  const measured = await rateOf(megabits);
  const off = measured / megabits - 1;
  console.log(
    `${String(megabits).padEnd(14)}${measured.toFixed(2).padStart(12)}${percent(off).padStart(10)}`,
  );
}
console.log("\none way, ms       median      p95    within 2 % + 2 ms");
for (const micros of [1000, 10_000, 40_000, 100_000]) {
  const delays = await delaysOf(micros);
  const [median, late] = [0.5, 0.95].map((q) => delays[Math.floor(q * delays.length)] as number);
  const within = delays.filter((delay) => delay <= 1.02 * micros + 2000).length / delays.length;
  console.log(
    `${milli(micros).padEnd(14)}${milli(median ?? 0).padStart(10)}${milli(late ?? 0).padStart(9)}${percent(within).padStart(12)}`,
  );
}
console.log(
  `\ncontrol behind 4 MB of bulk at 50 Mbit/s, 20 ms one way: ${milli(await delayBehindBulk(20_000))} ms`,
);
