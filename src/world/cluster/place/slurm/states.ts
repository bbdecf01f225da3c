/** What Slurm says of a job, as what it means for a placement. The words are those of `squeue`'s manual. */
import type { JobState } from "../job.ts";

/** A job as slurmrestd gives it: words and numbers up to v0.0.39 (there as records), lists and records from v0.0.40. */
export interface JobRecord {
  readonly job_id?: number;
  readonly job_state?: string | readonly string[];
  readonly state_reason?: string;
  readonly state_description?: string;
  readonly exit_code?: number | SetNumber | ExitRecord;
  readonly nodes?: string;
}

interface ExitRecord {
  readonly return_code?: SetNumber | number;
  readonly signal?: { readonly id?: SetNumber; readonly signal_id?: number };
}

/** Numbers from v0.0.39 on. */
export interface SetNumber {
  readonly set?: boolean;
  readonly number?: number;
}

/** It waits, or will again. */
const WAITING =
  /^(PENDING|CONFIGURING|REQUEUED?|REQUEUE_HOLD|REQUEUE_FED|RESV_DEL_HOLD|SPECIAL_EXIT)$/;
const RUNNING = /^(RUNNING|SUSPENDED|STOPPED|RESIZING|SIGNALING|STAGE_OUT|COMPLETING)$/;
/** Waits that only a person ends: a job with such a reason never runs by itself. Limits of users pass. */
const HOPELESS = new Set([
  "AccountNotAllowed",
  "BadConstraints",
  "DependencyNeverSatisfied",
  "InvalidAccount",
  "InvalidQOS",
  "JobHeldAdmin",
  "JobHeldUser",
  "PartitionInactive",
  "PartitionNodeLimit",
  "PartitionTimeLimit",
  "QOSNotAllowed",
]);

export function stateOf(record: JobRecord): JobState {
  const words = [record.job_state ?? "PENDING"].flat();
  const [word = "PENDING"] = words;
  const reason = record.state_reason ?? "None";
  if (WAITING.test(word)) {
    const why = record.state_description || reason;
    if (HOPELESS.has(reason)) return { phase: "ended", how: `slurm: ${why}`, well: false };
    return { phase: "waiting", why: why === "None" ? "Priority" : why };
  }
  if (RUNNING.test(word)) return { phase: "running" };
  return { phase: "ended", how: howOf(word, reason, record), well: word === "COMPLETED" };
}

function howOf(word: string, reason: string, record: JobRecord): string {
  const { code, signal } = exitOf(record.exit_code);
  if (word === "COMPLETED") return "exit code 0";
  if (word === "FAILED" && signal !== 0) return `slurm: FAILED (signal ${signal})`;
  if (word === "FAILED" && reason === "NonZeroExitCode") return `exit code ${code}`;
  return `slurm: ${word}${reason === "None" || reason === word ? "" : ` (${reason})`}`;
}

/** Older versions give the status as wait(2) has it. */
function exitOf(exit: JobRecord["exit_code"]): { readonly code: number; readonly signal: number } {
  const status = typeof exit === "object" && "number" in exit ? exit.number : exit;
  if (typeof status !== "object") return { code: (status ?? 0) >> 8, signal: (status ?? 0) & 127 };
  const { return_code: code, signal } = status as ExitRecord;
  return {
    code: typeof code === "number" ? code : (code?.number ?? 0),
    signal: signal?.id?.number ?? signal?.signal_id ?? 0,
  };
}
