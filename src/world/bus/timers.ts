/** Time as the bus and what stands on it need it: durations only. Tests hand in virtual ones. */
import type { Micros } from "../../core/units.ts";

export interface Timers {
  /** Microseconds since some moment; only differences mean something. */
  now(): Micros;
  /** Calls `action` once after the time; the answer takes it back. */
  after(micros: Micros, action: () => void): () => void;
}

export const realTimers = (): Timers => ({
  now: () => Math.round(performance.now() * 1_000),
  after: (micros, action) => {
    const timer = setTimeout(action, Math.ceil(micros / 1_000));
    return () => clearTimeout(timer);
  },
});
