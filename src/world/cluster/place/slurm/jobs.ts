/** Processes as jobs that slurmrestd takes: one each, since each has its own end. */
import { readFile } from "node:fs/promises";
import type { Scope } from "../../../../core/scope.ts";
import { realTimers } from "../../../bus/timers.ts";
import { allOrNone } from "../all-or-none.ts";
import type { Placed, PlacedProcess } from "../contract.ts";
import { throwIssues } from "../errors.ts";
import { HttpClient } from "../http.ts";
import { type Job, watchJob } from "../job.ts";
import { lastLinesOf } from "../last-lines.ts";
import { unmet } from "./demand.ts";
import type { SlurmOptions } from "./options.ts";
import { atOwnHost } from "./own-host.ts";
import { outputFile, SlurmRest } from "./rest.ts";
import { stateOf } from "./states.ts";

export async function placeByRest(
  address: string,
  options: SlurmOptions,
  processes: readonly PlacedProcess[],
  scope: Scope,
): Promise<Placed> {
  const { timers = realTimers(), token, ca, gpuResource = "gpu" } = options;
  const { interval, waiting, ledger } = options;
  const headers = (): Readonly<Record<string, string>> =>
    token === undefined
      ? {}
      : { "x-slurm-user-name": token.user, "x-slurm-user-token": token.read() };
  const who = `slurmrestd at ${address}`;
  const tls = ca === undefined ? undefined : { ca };
  const rest = await SlurmRest.open(new HttpClient({ who, address, timers, headers, tls }));
  const nodes = await rest.nodes();
  throwIssues(processes.flatMap((process) => unmet(process, nodes, gpuResource)));
  const start = async (process: PlacedProcess) => {
    const id = await rest.submit(atOwnHost(process, nodes), options);
    return watchJob(jobOf(rest, id, process.name, options.folder), {
      ...{ timers, interval, waiting, ledger },
    });
  };
  return allOrNone(processes, start, scope);
}

function jobOf(rest: SlurmRest, id: number, name: string, folder: string): Job {
  return {
    name,
    where: `job ${id}`,
    removal: `scancel ${id}`,
    look: async () => {
      const record = await rest.job(id);
      if (record) return stateOf(record);
      return { phase: "ended", how: "slurm: the job is no longer known", well: false };
    },
    remove: () => rest.remove(id),
    lastLines: async () => {
      const file = outputFile(folder, name, id);
      try {
        return lastLinesOf(await readFile(file, "utf8"));
      } catch {
        return [`its output is in ${file} on its node`];
      }
    },
  };
}
