/** What a supervisor knows of each host. */
import type { RunEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import type { ClockReading, RunningHost } from "./fleet.ts";
import type { HostAddress } from "./protocol.ts";

export type State = "starting" | "listening" | "joining" | "joined" | "stopped" | "lost" | "left";

export interface Member {
  readonly index: number;
  readonly running: RunningHost;
  state: State;
  /** It takes part in the run: its end matters. */
  part: boolean;
  /** Its programs were told to start. */
  begun: boolean;
  /** What came since it was asked to tell all its events again, and before it does: they are among those. */
  held: RunEvent[] | undefined;
  /** Where others dial it, in a cluster. */
  address?: HostAddress | undefined;
}

/** Of a host that is being started. */
export const FRESH = { state: "starting", begun: false, held: undefined } as const;

export const SAME_CLOCK: ClockReading = { offsetMicros: 0, roundTripMicros: 0 };

/** Of its machine's clock. */
export const offsetOf = (member: Member | undefined): Micros =>
  (member?.running.clock?.() ?? SAME_CLOCK).offsetMicros;
export const gone = (state: State): boolean => state === "lost" || state === "left";
