/**
 * A job of a scheduler, looked at until it has ended. The schedulers differ in how they are asked; what an answer
 * means for a placement is the same.
 */
import { PangaeaError } from "../../../core/errors.ts";
import { type Micros, SECOND } from "../../../core/units.ts";
import type { Timers } from "../../bus/timers.ts";
import { sleep } from "../../bus/wait.ts";
import type { Started } from "./all-or-none.ts";
import type { PlacementEnd, WaitingNote } from "./contract.ts";
import { isPassing } from "./errors.ts";
import type { Ledger } from "./ledger.ts";

export type JobState =
  | { readonly phase: "waiting"; readonly why: string }
  | { readonly phase: "running" }
  /** `well`: it ran and ended with exit code 0. */
  | { readonly phase: "ended"; readonly how: string; readonly well: boolean };

/** One process as its scheduler's job. */
export interface Job {
  readonly name: string;
  /** In the scheduler's words: "job 17". */
  readonly where: string;
  /** What ends it from a shell. */
  readonly removal: string;
  look(): Promise<JobState>;
  /** Asks the scheduler to end it; no error when it has ended. */
  remove(): Promise<void>;
  /** Where they cannot be read, a line says where they are. */
  lastLines(): Promise<readonly string[]>;
}

export interface WatchOptions {
  readonly timers: Timers;
  /** Between two looks; 1 s by default. */
  readonly interval?: Micros | undefined;
  /** How long a scheduler may be out of reach before its jobs count as lost; 5 min by default. */
  readonly patience?: Micros | undefined;
  readonly waiting?: ((note: WaitingNote) => void) | undefined;
  /** Keeps the job until it is known to have ended. */
  readonly ledger?: Ledger | undefined;
}

/** Looks at a job until it has ended. */
export function watchJob(job: Job, options: WatchOptions): Started {
  let runs: () => void = () => {};
  let never: (error: Error) => void = () => {};
  const running = new Promise<void>((resolve, reject) => {
    runs = resolve;
    never = reject;
  });
  let given = false;
  const close = options.ledger?.add(`${job.name} (${job.where})`, job.removal);
  const ended = watch(job, options, runs, () => given).then(async ({ how, well, lost }) => {
    if (!lost) close?.();
    const lastLines = await job.lastLines().catch(() => []);
    if (well) runs();
    never(endedEarly(job, how, lastLines));
    return { how, lastLines } satisfies PlacementEnd;
  });
  const cancel = async (): Promise<void> => {
    try {
      await job.remove();
    } catch (error) {
      given = true;
      throw error;
    }
  };
  return { placement: { name: job.name, where: job.where, ended }, running, cancel };
}

async function watch(
  job: Job,
  { timers, interval = SECOND, patience = 300 * SECOND, waiting }: WatchOptions,
  runs: () => void,
  givenUp: () => boolean,
): Promise<{ readonly how: string; readonly well: boolean; readonly lost?: true }> {
  let heard = timers.now();
  let told: string | undefined;
  for (;;) {
    const state = await job.look().catch((error: unknown) => {
      if (isPassing(error) && timers.now() - heard < patience && !givenUp()) return undefined;
      const message = error instanceof Error ? error.message : String(error);
      return { phase: "ended", how: `lost: ${message}`, well: false, lost: true } as const;
    });
    if (state) heard = timers.now();
    if (state?.phase === "ended") return state;
    if (state?.phase === "running") runs();
    if (state?.phase === "waiting" && state.why !== told) {
      told = state.why;
      waiting?.({ name: job.name, why: state.why });
    }
    await sleep(timers, interval);
  }
}

function endedEarly(job: Job, how: string, lastLines: readonly string[]): PangaeaError {
  const said = lastLines.map((line) => `\n  ${line}`).join("");
  const message = `${job.name} (${job.where}) ended before all ran: ${how}${said}`;
  return new PangaeaError("PLACEMENT_FAILED", message, { fix: "see its last lines" });
}
