/**
 * Processes of this machine: the placer that needs nothing. It knows no labels and counts no cores, since a machine
 * may stand for many sites. Its processes end with it, even when it is killed (parent.ts).
 */
import type { Scope } from "../../../core/scope.ts";
import { type Micros, SECOND } from "../../../core/units.ts";
import { realTimers, type Timers } from "../../bus/timers.ts";
import { allOrNone } from "./all-or-none.ts";
import { startChild } from "./child.ts";
import type { Placed, PlacedProcess, Placer } from "./contract.ts";

export interface ProcessesOptions {
  readonly timers?: Timers | undefined;
  /** From the request to end to SIGKILL; 10 s by default. */
  readonly stopDeadline?: Micros | undefined;
  readonly cwd?: string | undefined;
  /** What the processes write, line by line. */
  readonly output?: ((name: string, line: string) => void) | undefined;
}

export function processesPlacer(options: ProcessesOptions = {}): Placer {
  const { timers = realTimers(), stopDeadline = 10 * SECOND, cwd, output } = options;
  return {
    kind: "processes",
    place: (processes: readonly PlacedProcess[], scope: Scope): Promise<Placed> =>
      allOrNone(
        processes,
        async (wanted) => startChild(wanted, { timers, stopDeadline, cwd, output }),
        scope,
      ),
  };
}
