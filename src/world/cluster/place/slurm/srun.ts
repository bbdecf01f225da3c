/**
 * Processes by `srun`, where there is no slurmrestd: one `srun` each, which stays beside the coordinator, carries the
 * process's output here and the end of the coordinator there. What it says of itself (`--verbose`) tells when the
 * process runs.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { PangaeaError } from "../../../../core/errors.ts";
import type { Scope } from "../../../../core/scope.ts";
import { SECOND } from "../../../../core/units.ts";
import { realTimers } from "../../../bus/timers.ts";
import { allOrNone, type Started } from "../all-or-none.ts";
import { startChild } from "../child.ts";
import type { Placed, PlacedProcess } from "../contract.ts";
import { throwIssues } from "../errors.ts";
import { featuresOf, gresOf, megabytesOf, type SlurmNode, unmet } from "./demand.ts";
import { partitionOf, type SlurmOptions } from "./options.ts";
import { atOwnHost } from "./own-host.ts";

const run = promisify(execFile);
const ASK_DEADLINE_MS = 10_000;

export async function placeBySrun(
  options: SlurmOptions,
  processes: readonly PlacedProcess[],
  scope: Scope,
): Promise<Placed> {
  const nodes = await nodesBySinfo();
  const { gpuResource = "gpu" } = options;
  throwIssues(processes.flatMap((process) => unmet(process, nodes, gpuResource)));
  const start = async (process: PlacedProcess) => startSrun(atOwnHost(process, nodes), options);
  return allOrNone(processes, start, scope);
}

/** @throws PangaeaError SCHEDULER_UNREACHABLE */
async function nodesBySinfo(): Promise<readonly SlurmNode[]> {
  const words = ["--noheader", "--Node", "--format=%N|%o|%f|%c|%m|%G"];
  const { stdout } = await run("sinfo", words, { timeout: ASK_DEADLINE_MS }).catch((cause) => {
    const said = String(cause.stderr ?? cause.message)
      .trim()
      .split("\n")
      .at(-1);
    throw new PangaeaError("SCHEDULER_UNREACHABLE", `Slurm cannot be asked: ${said}`, {
      fix: "run where `sinfo` works, or give slurmrestd's address",
      cause,
    });
  });
  return stdout
    .trim()
    .split("\n")
    .map((line) => {
      const [name = "", address, features = "", cpus, memory, gres = ""] = line.split("|");
      const none = (text: string): string => (text === "(null)" ? "" : text);
      return {
        name,
        address: address || undefined,
        features: none(features).split(",").filter(Boolean),
        cpus: Number.parseInt(cpus ?? "0", 10),
        memoryMegabytes: Number.parseInt(memory ?? "0", 10),
        gres: gresOf(none(gres)),
      };
    });
}

/** The words of `srun` for a process. */
export function srunCommand(process: PlacedProcess, options: SlurmOptions): readonly string[] {
  const { folder, account, qos, timeLimitMinutes, gpuResource = "gpu" } = options;
  const partition = partitionOf(options, process.site);
  const features = featuresOf(process).join("&");
  const gpus = process.gpus ?? 0;
  const flag = (name: string, value: string | number | undefined): readonly string[] =>
    value === undefined || value === "" ? [] : [`--${name}=${value}`];
  return [
    "srun",
    "--verbose",
    "--unbuffered",
    "--nodes=1",
    "--ntasks=1",
    ...flag("job-name", process.name),
    ...flag("cpus-per-task", process.cores),
    ...flag("mem", `${megabytesOf(process)}M`),
    ...flag("constraint", features),
    ...flag("gres", gpus === 0 ? undefined : `${gpuResource}:${gpus}`),
    ...flag("partition", partition),
    ...flag("account", account),
    ...flag("qos", qos),
    ...flag("time", timeLimitMinutes),
    ...flag("chdir", folder),
    "--",
    ...process.command,
  ];
}

function startSrun(process: PlacedProcess, options: SlurmOptions): Started {
  const { timers = realTimers(), stopDeadline = 10 * SECOND, waiting, output, ledger } = options;
  const { name, env } = process;
  let started: () => void = () => {};
  let complaint: string | undefined;
  let job: string | undefined;
  let runs = false;
  let close = (): void => {};
  const told = new Promise<void>((resolve) => {
    started = resolve;
  });
  /** Lines of srun's own are not the process's. */
  const own = (line: string): boolean => {
    if (!/^srun: /.test(line)) return false;
    const id = /^srun: jobid (\d+):/.exec(line)?.[1];
    if (id !== undefined) {
      job = id;
      close = ledger?.add(`${name} (job ${id})`, `scancel ${id}`) ?? close;
    }
    if (/\bNode \S+, \d+ tasks? started/.test(line)) {
      runs = true;
      started();
    }
    if (/queued and waiting for resources/.test(line)) waiting?.({ name, why: line.slice(6) });
    complaint = /^srun: error: (.*)/.exec(line)?.[1] ?? complaint;
    return true;
  };
  const command = srunCommand(process, options);
  const child = startChild({ name, command, env }, { timers, stopDeadline, output, own });
  const ended = child.placement.ended.then((end) => {
    close();
    return { ...end, how: complaint === undefined ? end.how : howOf(complaint) };
  });
  const never = ended.then(({ how, lastLines }) => {
    if (how === "exit code 0") return;
    const said = lastLines.map((line) => `\n  ${line}`).join("");
    throw new PangaeaError("PLACEMENT_FAILED", `${name} ended before all ran: ${how}${said}`);
  });
  never.catch(() => {});
  /** srun would answer SIGTERM by killing the process; so the process is told by Slurm, and srun only when it stays. */
  const cancel = async (): Promise<void> => {
    if (job === undefined || !runs) return child.cancel();
    const forget = timers.after(stopDeadline, () => {
      child.cancel().catch(() => {});
    });
    await run("scancel", ["--signal=TERM", job], { timeout: ASK_DEADLINE_MS }).catch(child.cancel);
    await ended;
    forget();
  };
  return {
    cancel,
    placement: { ...child.placement, ended },
    running: child.running.then(() => Promise.race([told, never])),
  };
}

/** "n1: task 0: Exited with exit code 3" → "exit code 3"; the rest in Slurm's words. */
const howOf = (complaint: string): string =>
  /exit code \d+/.exec(complaint)?.[0] ?? `slurm: ${complaint.replace(/^\S+: task \d+: /, "")}`;
