/** A bus that loses, repeats and delays what goes over it, as drawn from a seed. */

import { createRandom } from "../../src/core/random.ts";
import { MILLISECOND, type Micros } from "../../src/core/units.ts";
import type { Bus } from "../../src/world/bus/contract.ts";
import { timedOut } from "../../src/world/bus/errors.ts";
import type { Timers } from "../../src/world/bus/timers.ts";
import { sleep, within } from "../../src/world/bus/wait.ts";

export interface Faults {
  /** Chances of a request: lost on the way there, on the way back, delivered twice. */
  readonly lost: number;
  readonly answerLost: number;
  readonly repeated: number;
  readonly delayMicrosMax: Micros;
}

const NEVER = new Promise<never>(() => {});

/** Requests of `bus` with faults; everything else as it is. */
export function lossyBus(bus: Bus, timers: Timers, seed: number, faults: Faults): Bus {
  const random = createRandom(seed);
  const draw = (): number => random.next();
  const once = async (subject: string, data: Uint8Array): Promise<Uint8Array> => {
    const [delay, there, back] = [draw() * faults.delayMicrosMax, draw(), draw()];
    await sleep(timers, Math.ceil(delay));
    if (there < faults.lost) return NEVER;
    const answer = await bus.request(subject, data, { deadline: 3600e6 });
    await sleep(timers, Math.ceil(delay / 2) + MILLISECOND);
    return back < faults.answerLost ? NEVER : answer;
  };
  return {
    ...{ id: bus.id, close: (deadline) => bus.close(deadline) },
    publish: (subject, data) => bus.publish(subject, data),
    subscribe: (...args) => bus.subscribe(...args),
    serve: (...args) => bus.serve(...args),
    kv: (...args) => bus.kv(...args),
    request: (subject, data, { deadline, scope }) => {
      const copies = [once(subject, data)];
      if (draw() < faults.repeated) copies.push(once(subject, data));
      const late = (): Error => timedOut(`${subject}: lost or late`);
      return within(timers, deadline, Promise.race(copies), late, scope);
    },
  };
}
