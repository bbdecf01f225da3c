/** A coordinator in a process of its own, which is killed in the middle of its run, and whoever goes on with the run. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { RunEvent } from "../../src/core/events.ts";
import type { RunHost } from "../../src/run/host.ts";
import { resumeRun, takeAbandoned } from "../../src/run/live-cluster.ts";
import type { RunSpec } from "../../src/run/spec.ts";
import type { ClusterAccess } from "../../src/world/cluster/access.ts";
import { ROOT } from "../house/source.ts";
import type { Executed } from "../sync/real.ts";
import { type Agents, access } from "./agents.ts";

/** Kills it when the run has been judged once, or tells of batch 20 of a stream. @returns the run's name */
export async function killedCoordinator(
  spec: RunSpec,
  access: ClusterAccess,
  roots: readonly string[] = [],
): Promise<string> {
  const program = `
    import { existsSync, readFileSync } from "node:fs";
    import { executeRun } from "pangaea";
    await executeRun(${JSON.stringify(spec)}, {
      roots: ${JSON.stringify(roots)}, exists: async (path) => existsSync(path),
      readFile: async (path) => readFileSync(path),
      threads: 0, signal: new AbortController().signal, cluster: ${JSON.stringify(access)},
      onEvent: (event) => {
        const under = event.type === "evaluation" || (event.type === "stream" && event.batch >= 20);
        if (event.type === "note" || under) console.log(JSON.stringify({ ...event, under }));
      },
    });`;
  const driver = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    driver.once("exit", () => reject(new Error(said)));
    driver.stdout.on("data", (data: Buffer) => {
      said += data.toString();
      if (said.includes('"under":true')) resolve();
    });
  });
  driver.removeAllListeners("exit");
  const gone = new Promise((resolve) => driver.once("exit", resolve));
  driver.kill("SIGKILL");
  await gone;
  return /cluster world, run ([\w-]+)/.exec(said)?.[1] ?? "";
}

export interface Resumed extends Executed {
  /** Of the run, and for whoever wants to lead it. */
  readonly place: Parameters<typeof takeAbandoned>[0];
  readonly host: RunHost;
}

export interface ResumeOptions {
  /** Folders with the data of whoever leads the run. */
  readonly roots?: readonly string[];
  /** While nobody leads the run. */
  readonly leaderless?: () => void;
  /** @param end interrupts the run */
  readonly onEvent?: (event: RunEvent, end: () => void) => void;
}

/** The run's coordinator is killed in the middle; it is led from here to its end. */
export async function resumed(
  spec: RunSpec,
  { server }: Agents,
  { roots = [""], leaderless, onEvent }: ResumeOptions = {},
): Promise<Resumed> {
  const run = await killedCoordinator(spec, access, roots);
  leaderless?.();
  const events: RunEvent[] = [];
  const controller = new AbortController();
  const host: RunHost = {
    ...{ roots, threads: 0, cluster: access, signal: controller.signal },
    exists: async (path) => existsSync(path),
    readFile: async (path) => readFileSync(path),
    onEvent: (event) => {
      events.push(event);
      onEvent?.(event, () => controller.abort());
    },
  };
  const place = { run, nats: [server.url], domain: undefined };
  const { spec: found, taken } = await takeAbandoned(place, host);
  return { events, outcome: await resumeRun(found, taken, host), place, host };
}
