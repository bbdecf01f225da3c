/**
 * Where the process that has placed others is ended by force (a second Ctrl-C), schedulers would go on running what it has
 * started: that is ended as far as a few seconds go, and what is left is named, with how to end it.
 */
import { TimeoutError } from "../../../core/errors.ts";
import { SECOND } from "../../../core/units.ts";
import { realTimers, type Timers } from "../../bus/timers.ts";
import { within } from "../../bus/wait.ts";
import type { Placed, Placer } from "./contract.ts";
import type { Ledger } from "./ledger.ts";

/** Registers what is done before a forced end; the answer takes it back. */
export type OnForced = (farewell: () => Promise<void>) => () => void;

const FORCED = 3 * SECOND;

export interface ForcedOptions {
  readonly ledger: Ledger;
  readonly tell: (text: string) => void;
  readonly onForced: OnForced;
  readonly timers?: Timers | undefined;
}

export function forceable(placer: Placer, options: ForcedOptions): Placer {
  const { ledger, tell, onForced, timers = realTimers() } = options;
  return {
    kind: placer.kind,
    place: async (processes, scope): Promise<Placed> => {
      const placing = placer.place(processes, scope);
      const forget = onForced(async () => {
        tell(`asking ${placer.kind} to end what was started; Ctrl-C again leaves it as it is`);
        scope.cancel("ended by force");
        const late = (): Error => new TimeoutError(`${placer.kind} still runs what was started`);
        const over = placing.then((placed) => placed.cancel());
        await within(timers, FORCED, over, late).catch(() => {});
        // Commands stand on lines of their own, to be copied.
        for (const [what, command] of ledger.entries()) {
          tell(`${what} may still run; this ends it:`);
          tell(command);
        }
      });
      try {
        const placed = await placing;
        return { ...placed, cancel: () => placed.cancel().finally(forget) };
      } catch (error) {
        forget();
        throw error;
      }
    },
  };
}
