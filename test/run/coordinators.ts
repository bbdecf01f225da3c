/** A coordinator in a process of its own, which is killed in the middle of its run. */
import { spawn } from "node:child_process";
import type { RunSpec } from "../../src/run/spec.ts";
import type { ClusterAccess } from "../../src/world/cluster/access.ts";
import { ROOT } from "../house/source.ts";

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
