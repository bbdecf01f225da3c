/** `pangaea resume`: another coordinator for a run whose own has gone. Its log and report begin here. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { RunHost } from "../../run/host.ts";
import { takeAbandoned } from "../../run/live-cluster.ts";
import { DEFAULT_NATS } from "../../world/cluster/access.ts";
import { clusterAccess } from "../cluster.ts";
import { dataRoots } from "../folders.ts";
import type { Io } from "../io.ts";
import { leadSession } from "../lead.ts";
import type { ResumeOptions } from "../options.ts";
import { conclude } from "./run.ts";

export async function resumeCommand(run: string, options: ResumeOptions, io: Io): Promise<number> {
  const { nats = DEFAULT_NATS, domain, threads } = options;
  const cluster = clusterAccess(options, "coordinator", io);
  const roots = dataRoots(io, undefined, options.data);
  const controller = new AbortController();
  const host: RunHost = {
    ...{ roots, threads, cluster, signal: controller.signal },
    exists: async (path) => existsSync(path),
    readFile: (path) => readFile(path),
    onEvent: () => {},
    warn: (text) => io.err(`${text}\n`),
  };
  const release = io.onInterrupt(() => controller.abort());
  io.err(`waiting until nobody leads ${run}\n`);
  const { spec, taken } = await takeAbandoned({ run, nats, domain }, host).finally(release);
  const result = await leadSession(spec, taken, io, {
    ...{ roots, threads, cluster, out: options.out, quiet: options.json === true },
  });
  return conclude(result, options, io);
}
