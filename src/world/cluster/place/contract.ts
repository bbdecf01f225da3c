/**
 * Placing the processes of a run by what people already run: this machine, Slurm, Kubernetes or Ray. A placer knows
 * no protocol of training: it starts commands where their site's labels and capacity allow, says how each ended, and
 * takes all of them back. Who died in mid-run is the coordinator's business, not the placer's.
 */
import type { Scope } from "../../../core/scope.ts";
import type { Bytes } from "../../../core/units.ts";

export const PLACER_KINDS = ["processes", "slurm", "kubernetes", "ray"] as const;
export type PlacerKind = (typeof PLACER_KINDS)[number];

/** Stands in a command for the name by which others reach the process, where only its placer knows that. */
export const OWN_HOST = "{host}";

/** One process that is wanted. */
export interface PlacedProcess {
  /** Unique in its run; letters, digits and hyphens: "oregon-worker-0". */
  readonly name: string;
  readonly site: string;
  /** Program and arguments, as they are: no shell reads them. */
  readonly command: readonly string[];
  /** Beside what the place has of its own. Schedulers show it to others: files of secrets, never secrets. */
  readonly env: Readonly<Record<string, string>>;
  readonly cores: number;
  readonly memoryBytes: Bytes;
  readonly gpus?: number | undefined;
  /** What the machine must be: a node selector of Kubernetes, features of Slurm, resources of Ray. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface PlacementEnd {
  /** "exit code 1", "signal SIGKILL", "slurm: OUT_OF_MEMORY", "cancelled". */
  readonly how: string;
  /** Of what it wrote, where that can be read. */
  readonly lastLines: readonly string[];
}

export interface Placement {
  readonly name: string;
  /** Where it runs, in the scheduler's words: "process 4711", "job 17 on n2". */
  readonly where: string;
  /** Settles once when the process is no more; never rejects. */
  readonly ended: Promise<PlacementEnd>;
}

export interface Placed {
  /** In the order of the processes that were wanted. */
  readonly placements: readonly Placement[];
  /** Ends what still runs, and resolves when nothing does. Calling it again changes nothing. */
  cancel(): Promise<void>;
}

export interface Placer {
  readonly kind: PlacerKind;
  /**
   * Starts all of them or none: resolves when every one runs; otherwise what was started has been cancelled when it
   * rejects. Cancelling the scope does the same, also later on.
   * @throws InputError PLACEMENT_IMPOSSIBLE: no machine can ever be as asked for
   * @throws PangaeaError PLACEMENT_FAILED, SCHEDULER_UNREACHABLE, SCHEDULER_FORBIDDEN, SCHEDULER_REFUSED
   */
  place(processes: readonly PlacedProcess[], scope: Scope): Promise<Placed>;
}

/** What is told while a scheduler lets one wait. */
export interface WaitingNote {
  readonly name: string;
  /** In the scheduler's words: "Resources", "Unschedulable: 0/3 nodes are available". */
  readonly why: string;
}
