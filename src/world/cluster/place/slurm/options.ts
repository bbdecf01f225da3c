/** How Slurm is reached, and what its jobs ask for beside cores, memory and labels. */
import type { Micros } from "../../../../core/units.ts";
import type { Timers } from "../../../bus/timers.ts";
import type { WaitingNote } from "../contract.ts";
import type { Ledger } from "../ledger.ts";

export interface SlurmOptions {
  /**
   * Of slurmrestd: "unix:/run/slurmrestd/slurmrestd.socket", "http://head:6820", "https://…". Without it, processes
   * are placed by `srun`.
   */
  readonly address?: string | undefined;
  /** For slurmrestd over TCP: a user and its JSON Web Token, read anew for each request (`scontrol token`). */
  readonly token?: { readonly user: string; readonly read: () => string } | undefined;
  /** PEM text: who signed the certificate of an https address. */
  readonly ca?: string | undefined;
  /** On every node: where processes run and their output is written. */
  readonly folder: string;
  readonly partition?: string | undefined;
  readonly account?: string | undefined;
  readonly qos?: string | undefined;
  readonly timeLimitMinutes?: number | undefined;
  /** The generic resource that a GPU is; "gpu" by default. */
  readonly gpuResource?: string | undefined;
  /** Where a site is not reached by labels alone. */
  readonly sites?: Readonly<Record<string, { readonly partition?: string }>> | undefined;
  readonly timers?: Timers | undefined;
  /** Between two looks at a job; 1 s by default. */
  readonly interval?: Micros | undefined;
  /** From the request to end to SIGKILL, for `srun`; Slurm's own KillWait otherwise. 10 s by default. */
  readonly stopDeadline?: Micros | undefined;
  readonly waiting?: ((note: WaitingNote) => void) | undefined;
  /** Keeps what was started until it has ended. */
  readonly ledger?: Ledger | undefined;
  /** What the processes write, line by line; with `srun` only. */
  readonly output?: ((name: string, line: string) => void) | undefined;
}

/** Sites share a cluster: a partition may be the site's own. */
export const partitionOf = (options: SlurmOptions, site: string): string | undefined =>
  options.sites?.[site]?.partition ?? options.partition;
